"""The options of a build, read from the environment the server starts a frontend with.

One variable ``BUILDKIT_FRONTEND_OPT_<n>=key=value`` for each option, in no order; no call returns them.
The keys are those of BuildKit's ``frontend/dockerui`` and of the clients that write them.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cirfile.plan import Platform
from frontend import platforms
from frontend.proto import ops_pb2 as pb

Pairs = tuple[tuple[str, str], ...]
CacheImport = tuple[str, Mapping[str, str]]

_VARIABLE = re.compile(r"BUILDKIT_FRONTEND_OPT_[0-9]+\Z")
_RESOLVE_MODES = ("", "default", "pull", "local")
_NETWORKS = {
    "": pb.NetMode.UNSET,
    "sandbox": pb.NetMode.UNSET,
    "host": pb.NetMode.HOST,
    "none": pb.NetMode.NONE,
}
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


class OptionError(ValueError):
    """An option whose value cannot be read; the text names the option and what it may be."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one build; ``raw`` holds all of them, by key.

    ``no_cache`` names stages, none of them meaning all; it is ``None`` where the cache may be used.
    """

    raw: Mapping[str, str]
    filename: str = "Dockerfile"
    target: str = ""
    build_args: Pairs = ()
    labels: Pairs = ()
    platforms: tuple[Platform, ...] = ()
    multi_platform: bool = False
    no_cache: tuple[str, ...] | None = None
    resolve_mode: str = ""
    cache_imports: tuple[CacheImport, ...] = ()
    hosts: Pairs = ()
    network: int = 0
    hostname: str = ""
    cgroup_parent: str = ""
    ulimits: tuple[tuple[str, int, int], ...] = ()
    attestations: Mapping[str, str] | None = None
    session: str = ""

    def prefixed(self, prefix: str) -> dict[str, str]:
        """Return the options below ``prefix``, by the rest of their keys, sorted."""
        return dict(_below(self.raw, prefix))

    def build_arg(self, name: str) -> str:
        """Return a build argument, empty where it was not given."""
        return self.raw.get(f"build-arg:{name}", "")

    def ignores_cache(self, stage: str) -> bool:
        """Tell whether the steps of a stage are to be done again; ``stage`` is empty where it has no name."""
        if self.no_cache is None:
            return False
        return not self.no_cache or stage.lower() in self.no_cache

    def session_of(self, local: str) -> str:
        """Return the session that serves a local folder; a group of builds may share another one's."""
        return self.raw.get(f"local-sessionid:{local}", self.session)


def read(environment: Mapping[str, str]) -> Options:
    """Read the options from the environment of the process. Raise `OptionError` for values we cannot read."""
    raw: dict[str, str] = {}
    for variable, text in environment.items():
        if _VARIABLE.match(variable):
            key, _, value = text.partition("=")
            raw[key] = value
    wanted = platforms_of(raw)
    return Options(
        raw=raw,
        filename=raw.get("filename") or "Dockerfile",
        target=raw.get("target", ""),
        build_args=tuple(_below(raw, "build-arg:")),
        labels=tuple(_below(raw, "label:")),
        platforms=wanted,
        multi_platform=_multi_platform(raw, wanted),
        no_cache=_no_cache(raw),
        resolve_mode=_choice(raw, "image-resolve-mode", _RESOLVE_MODES),
        cache_imports=_cache_imports(raw),
        hosts=_hosts(raw.get("add-hosts", "")),
        network=_NETWORKS[_choice(raw, "force-network-mode", tuple(_NETWORKS))],
        hostname=raw.get("build-arg:BUILDKIT_SANDBOX_HOSTNAME") or raw.get("hostname", ""),
        cgroup_parent=raw.get("cgroup-parent", ""),
        ulimits=_ulimits(raw.get("ulimit", "")),
        attestations=_attestations(raw),
        session=environment.get("BUILDKIT_SESSION_ID", ""),
    )


def _below(raw: Mapping[str, str], prefix: str) -> Iterator[tuple[str, str]]:
    for key in sorted(raw):
        if key.startswith(prefix):
            yield key.removeprefix(prefix), raw[key]


def platforms_of(raw: Mapping[str, str]) -> tuple[Platform, ...]:
    """Return the platforms to build for; none means the server's own."""
    try:
        return platforms.parse_list(raw.get("platform", ""))
    except platforms.PlatformError as error:
        raise OptionError(f"option --platform: {error}") from None


def _choice(raw: Mapping[str, str], key: str, allowed: tuple[str, ...]) -> str:
    value = raw.get(key, "")
    if value not in allowed:
        raise OptionError(f"option {key}: `{value}` is none of {', '.join(filter(None, allowed))}")
    return value


def _multi_platform(raw: Mapping[str, str], wanted: tuple[Platform, ...]) -> bool:
    text = raw.get("build-arg:BUILDKIT_MULTI_PLATFORM") or raw.get("multi-platform", "")
    if not text:
        return len(wanted) > 1
    if text not in _TRUE + _FALSE:
        raise OptionError(f"option multi-platform: `{text}` is neither true nor false")
    if text in _FALSE and len(wanted) > 1:
        raise OptionError("option multi-platform: false, but several platforms are asked for; ask for one")
    return text in _TRUE


def _no_cache(raw: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the stages of ``--no-cache-filter``; of ``--no-cache`` comes an empty text, which means all."""
    if "no-cache" not in raw:
        return None
    return tuple(name.strip().lower() for name in raw["no-cache"].split(",") if raw["no-cache"])


def _cache_imports(raw: Mapping[str, str]) -> tuple[CacheImport, ...]:
    found: list[CacheImport] = []
    text = raw.get("cache-imports", "")
    if text:
        try:
            entries = json.loads(text)
            found += [(str(entry["Type"]), dict(entry.get("Attrs") or {})) for entry in entries]
        except (ValueError, KeyError, TypeError):
            raise OptionError("option cache-imports: not a JSON list of Type and Attrs") from None
    legacy = raw.get("cache-from", "")
    found += [("registry", {"ref": reference}) for reference in legacy.split(",") if reference]
    return tuple(found)


def _hosts(text: str) -> Pairs:
    if not text:
        return ()
    pairs = [entry.partition("=") for entry in _fields("add-hosts", text)]
    for name, equals, address in pairs:
        if not (name and equals and address):
            raise OptionError(f"option add-hosts: `{name}` should be HOST=ADDRESS")
    return tuple((name, address) for name, _, address in pairs)


def _ulimits(text: str) -> tuple[tuple[str, int, int], ...]:
    """Return names with soft and hard limits, -1 for none: ``nofile=1024:2048,core=0``."""
    found = []
    for entry in _fields("ulimit", text) if text else ():
        name, _, limits = entry.partition("=")
        soft, _, hard = limits.partition(":")
        try:
            found.append((name, int(soft), int(hard or soft)))
        except ValueError:
            raise OptionError(f"option ulimit: `{entry}` should be NAME=SOFT:HARD") from None
    return tuple(found)


def _attestations(raw: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of the attestations asked for, by type; a build argument is an alias."""
    found = {key.lower(): value for key, value in _below(raw, "build-arg:BUILDKIT_ATTEST_")}
    found |= dict(_below(raw, "attest:"))
    return {kind: value for kind, value in found.items() if not _disabled(kind, value)}


def _fields(option: str, text: str) -> list[str]:
    """Return the fields of one line of CSV. Raise `OptionError` where it is none."""
    try:
        return next(csv.reader([text]), [])
    except csv.Error as error:
        raise OptionError(f"option {option}: {error}") from None


def _disabled(kind: str, attributes: str) -> bool:
    fields = _fields(f"attest:{kind}", attributes)
    return any(field.strip().lower() in ("disabled=true", "false") for field in fields)
