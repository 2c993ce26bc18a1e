"""Running uv: where it is, what it may see, and what it answered.

uv works in a private folder with a private home and an environment made from nothing, so that no
settings of the machine leak into a lock. Let through on purpose: proxies, certificates, credentials
in netrc form, time-outs.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cirfile.pylock import Relations
from cirfile.resolver.errors import INTERNAL, ResolverError
from cirfile.resolver.explain import explain, redact
from cirfile.resolver.question import Question

#: Where BuildKit mounts secrets. ``cir_netrc``: credentials; ``cir_ca``: CA certificates to trust as well.
SECRETS = Path("/run/secrets")

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_PASSED = (
    "PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NETRC",
    "UV_CACHE_DIR",
    "UV_HTTP_TIMEOUT",
    "UV_HTTP_RETRIES",
    *_PROXIES,
    *(name.lower() for name in _PROXIES),
)
_PINNED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_Done = subprocess.CompletedProcess[str]
_TOLD = re.compile(r"does not have an extra named|yanked")
_PARENT = re.compile(r"\s+#(?:\s+via)?\s+(.+?)\s*")
_ORIGIN = re.compile(r"\s+# from (\S+)\s*")


@dataclass(frozen=True, slots=True)
class Answer:
    """What uv said: ``pylock.toml``, the relations it knows beyond it, its version, and what it warns of."""

    pylock: str
    relations: Relations
    version: str
    warnings: tuple[str, ...] = ()


def ask(question: Question, folder: Path, environ: Mapping[str, str], secrets: Path = SECRETS) -> Answer:
    """Resolve ``question`` in an empty private ``folder``. Raise `ResolverError` where there is no answer."""
    uv = find_uv(environ)
    (folder / "requirements.in").write_text(question.requirements)
    (folder / "constraints.txt").write_text(question.constraints)
    (folder / "pyproject.toml").write_text(question.project)
    environment = _environment(folder, environ, secrets)
    command = _command(uv, question)
    pylock = _run([*command, "--quiet", "--format", "pylock.toml"], folder, environment).stdout
    listing = _listing(command, pylock, folder, environment)
    version = _run([uv, "--version"], folder, environment).stdout.split()
    relations = _relations(listing.stdout, question.index_options[1::2])
    return Answer(pylock, relations, " ".join(version[:2]), _warnings(listing.stderr))


def _warnings(stderr: str) -> tuple[str, ...]:
    """Return what a person should read of uv's warnings: extras that do not exist, and versions that were withdrawn.

    Others are about this machine, as that it has another Python than the one that is asked for.
    """
    lines = (line.partition("warning: ")[2] for line in redact(stderr).splitlines())
    return tuple(dict.fromkeys(line.rstrip(".") for line in lines if _TOLD.search(line)))


def _listing(command: Sequence[str], pylock: str, folder: Path, environment: Mapping[str, str]) -> _Done:
    """Have the relations told, which uv leaves out of the lock file and writes as comments of its other format.

    Everything it needs is cached by now, and the cache is what the lock was made from; but answers with
    ``Cache-Control: no-store`` are not kept. The index is asked again then, for just what the lock holds.
    """
    told = [
        *command,
        *("--format", "requirements.txt"),
        *("--annotation-style", "split"),
        "--emit-index-annotation",
    ]
    try:
        return _run([*told, "--offline"], folder, environment)
    except ResolverError:
        (folder / "pins.txt").write_text(_pins(pylock))
        return _run([*told, "--constraints", "pins.txt"], folder, environment)


def _pins(pylock: str) -> str:
    """Return the packages of a lock file as constraints; none where it can't be read, which its reader tells."""
    try:
        packages = tomllib.loads(pylock).get("packages", [])
    except tomllib.TOMLDecodeError:
        return ""
    pinned = (package for package in packages if "version" in package)
    return "".join(f"{p['name']}=={p['version']} ; {p.get('marker', '')}".rstrip(" ;") + "\n" for p in pinned)


def find_uv(environ: Mapping[str, str]) -> str:
    """Return the path of uv: on `PATH`, beside this interpreter, or in the ``uv`` package."""
    for folders in (environ.get("PATH"), str(Path(sys.executable).parent)):
        found = shutil.which("uv", path=folders)
        if found:
            return found
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        raise ResolverError(
            INTERNAL, "uv, which resolves Python packages, is not installed", "install it: `pip install uv`"
        ) from None


def _command(uv: str, question: Question) -> list[str]:
    oldest = ".".join(str(part) for part in question.promise.oldest)
    as_of = ["--exclude-newer", _end_of_day(question.as_of)] if question.as_of else []
    return [
        uv,
        "pip",
        "compile",
        "requirements.in",
        *("--constraints", "constraints.txt"),
        "--universal",
        *("--python-version", oldest),
        *("--python", sys.executable),
        *("--only-binary", ":all:"),
        "--no-header",
        *question.index_options,
        *as_of,
    ]


def _end_of_day(date: str) -> str:
    """Return the last moment of a day in UTC: it must not depend on where the build runs."""
    return date if "T" in date else f"{date}T23:59:59Z"


def _environment(folder: Path, environ: Mapping[str, str], secrets: Path) -> dict[str, str]:
    """Make the environment of uv. An empty ``NETRC`` in ``environ`` means none but that among the secrets."""
    environment = {name: environ[name] for name in _PASSED if environ.get(name)}
    home = environ.get("HOME")
    if home and "NETRC" not in environ and (Path(home) / ".netrc").is_file():
        environment["NETRC"] = str(Path(home) / ".netrc")
    environment |= {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "data"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "NO_COLOR": "1",
        "UV_NO_SYSTEM_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    environment.setdefault("UV_CACHE_DIR", str(folder / "cache"))
    environment.setdefault("UV_HTTP_RETRIES", "2")
    if (secrets / "cir_netrc").is_file():
        environment["NETRC"] = str(secrets / "cir_netrc")
    if (secrets / "cir_ca").is_file():
        environment["SSL_CERT_FILE"] = str(_trust(folder / "trust.pem", secrets / "cir_ca", environment))
    return environment


def _trust(bundle: Path, own: Path, environment: Mapping[str, str]) -> Path:
    """Write the usual authorities and ``own`` into one file: a company's CA alone would shut out the rest."""
    usual = environment.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    parts = [own] if usual is None or not Path(usual).is_file() else [Path(usual), own]
    bundle.write_bytes(b"\n".join(part.read_bytes() for part in parts))
    return bundle


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> _Done:
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise ResolverError(INTERNAL, f"can't start {command[0]}: {os.strerror(error.errno or 0)}") from None
    if result.returncode != 0:
        raise explain(result.stderr, environment)
    return result


def _relations(listing: str, named: Sequence[str]) -> Relations:
    """Read the comments below each pinned line: the packages that need it, and the index it is from."""
    needs: set[tuple[str, str]] = set()
    indexes: dict[tuple[str, str], str] = {}
    package = ("", "")
    for line in listing.splitlines():
        if pinned := _PINNED.match(line):
            package = (_normal(pinned[1]), pinned[2])
        elif origin := _ORIGIN.fullmatch(line):
            index = next((url for url in named if _same_index(url, origin[1])), "")
            indexes |= {package: index} if index else {}
        elif (parent := _PARENT.fullmatch(line)) and not parent[1].startswith(("-r ", "-c ", "via")):
            needs.add((package[0], _normal(parent[1].partition("[")[0])))
    return Relations(frozenset(needs), indexes)


def _same_index(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


def _normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
