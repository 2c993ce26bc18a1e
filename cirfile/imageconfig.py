"""The part of an OCI image configuration that a Cirfile can speak of, as a frozen value.

Field names and JSON follow the OCI image specification (``config.md``) and Docker's extension of it
(``Healthcheck``, ``OnBuild``, ``Shell``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Pairs = tuple[tuple[str, str], ...]

#: What the stock frontend gives an image that starts from ``scratch``.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """A health check; durations are nanoseconds, 0 means the engine's default."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The ``config`` object of an image. ``None`` means not set, which is not the same as empty.

    ``args_escaped`` is a field of Docker's that the stock frontend sets with every ``CMD``.
    """

    user: str = ""
    env: Pairs = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str = ""
    labels: Pairs = ()
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False


#: What it begins with where the base has no configuration: ``scratch``, or a folder as named context.
SCRATCH = ImageConfig(env=(("PATH", DEFAULT_PATH),), working_dir="/")


_HALF = re.compile("[\ud800-\udfff]")
#: Types of the fields that are read here, and of what is in lists.
_LISTS = ("Env", "Entrypoint", "Cmd", "Shell", "OnBuild")
_TEXTS = ("User", "WorkingDir", "StopSignal")


def checked(configuration: object) -> dict[str, Any]:
    """Return an OCI image configuration whose fields have the types that the specification gives them.

    Half a character, which JSON can write, becomes the replacement character, as in Go. Raise `ValueError` naming the
    field that has another type.
    """
    if not isinstance(configuration, dict):
        raise ValueError("it is no object")
    _check(configuration, ("architecture", "os", "variant", "author"), str, "")
    _check(configuration, ("rootfs", "config"), dict, "")
    _check(configuration, ("history",), list, "")
    _check(configuration.get("rootfs") or {}, ("diff_ids",), list, "rootfs.")
    config = configuration.get("config") or {}
    _check(config, _TEXTS, str, "config.")
    _check(config, _LISTS, list, "config.")
    _check(config, ("Labels", "ExposedPorts", "Volumes", "Healthcheck"), dict, "config.")
    health = config.get("Healthcheck") or {}
    _check(health, ("Test",), list, "config.Healthcheck.")
    _check(health, [key for _, key in _HEALTH_FIELDS], int, "config.Healthcheck.")
    words = [word for key in _LISTS for word in config.get(key) or ()]
    words += [*(config.get("Labels") or {}).values(), *(health.get("Test") or ())]
    if not all(isinstance(word, str) for word in words):
        raise ValueError("a list of words holds something else")
    text = json.dumps(configuration, ensure_ascii=False)
    if not _HALF.search(text):
        return configuration
    whole: dict[str, Any] = json.loads(_HALF.sub("\ufffd", text))
    return whole


def _check(fields: Mapping[str, Any], names: Iterable[str], kind: type, where: str) -> None:
    for name in names:
        if fields.get(name) is not None and not isinstance(fields[name], kind):
            raise ValueError(f"`{where}{name}` is {type(fields[name]).__name__}, not {kind.__name__}")


def from_oci(config: Mapping[str, Any] | None) -> ImageConfig:
    """Read the ``config`` object of an OCI image configuration; absent fields stay unset."""
    config = config or {}
    health = config.get("Healthcheck")
    return ImageConfig(
        user=config.get("User") or "",
        env=tuple(_pair(entry) for entry in config.get("Env") or ()),
        entrypoint=_optional(config.get("Entrypoint")),
        cmd=_optional(config.get("Cmd")),
        working_dir=config.get("WorkingDir") or "",
        labels=tuple(sorted((config.get("Labels") or {}).items())),
        exposed_ports=tuple(sorted(config.get("ExposedPorts") or {})),
        volumes=tuple(sorted(config.get("Volumes") or {})),
        stop_signal=config.get("StopSignal") or "",
        healthcheck=_healthcheck_in(health) if health else None,
        shell=_optional(config.get("Shell")),
        on_build=tuple(config.get("OnBuild") or ()),
        args_escaped=bool(config.get("ArgsEscaped")),
    )


def to_oci(config: ImageConfig) -> dict[str, Any]:
    """Return the ``config`` object as the stock frontend writes it: unset fields are left out."""
    fields: dict[str, Any] = {
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Env": [f"{name}={value}" for name, value in config.env],
        "Volumes": {volume: {} for volume in config.volumes},
        "WorkingDir": config.working_dir,
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
        "OnBuild": list(config.on_build),
        "ArgsEscaped": config.args_escaped,
    }
    oci = {key: value for key, value in fields.items() if value}
    for key, words in (("Entrypoint", config.entrypoint), ("Cmd", config.cmd), ("Shell", config.shell)):
        if words is not None:
            oci[key] = list(words)
    if config.healthcheck:
        oci["Healthcheck"] = _healthcheck_out(config.healthcheck)
    return oci


def _optional(words: list[str] | None) -> tuple[str, ...] | None:
    return None if words is None else tuple(words)


def _pair(entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    return name, value


_HEALTH_FIELDS = (
    ("interval", "Interval"),
    ("timeout", "Timeout"),
    ("start_period", "StartPeriod"),
    ("start_interval", "StartInterval"),
    ("retries", "Retries"),
)


def _healthcheck_in(health: Mapping[str, Any]) -> Healthcheck:
    numbers = {field: int(health.get(key) or 0) for field, key in _HEALTH_FIELDS}
    return Healthcheck(tuple(health.get("Test") or ()), **numbers)


def _healthcheck_out(health: Healthcheck) -> dict[str, Any]:
    numbers = {key: getattr(health, field) for field, key in _HEALTH_FIELDS if getattr(health, field)}
    return {"Test": list(health.test), **numbers}
