"""Debian packages for an account without rights: fetched and unpacked with lists of its own, never installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from devtools import paths
from devtools.errors import DevError, tail
from devtools.progress import step

#: A machine that was just started updates itself for some minutes: wait for it.
PATIENTLY = ("-o", "DPkg::Lock::Timeout=600")
UNPACK = paths.CHECKOUT / "shim/image/debian-packages"
_SETTINGS = """\
Dir::State "{home}/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{home}/cache";
"""


def environment() -> dict[str, str]:
    """Return variables that let apt work in our cache folder, with fresh lists, instead of in the machine's folders.

    :raises DevError: when there is no apt, or it cannot fetch its lists
    """
    home = paths.cache() / "apt"
    for name in ("state/lists/partial", "cache/archives/partial"):
        (home / name).mkdir(parents=True, exist_ok=True)
    settings = home / "apt.conf"
    settings.write_text(_SETTINGS.format(home=home))
    variables = {"APT_CONFIG": str(settings)}
    with step("lists of Debian packages"):
        call(["apt-get", "-q", "update"], variables, home / "update.log")
    return variables


def unpack(variables: dict[str, str], folder: Path, *packages: str) -> Path:
    """Unpack packages of this machine's architecture into a folder, with `variables` of `environment`.

    :raises DevError: when they cannot be fetched
    """
    argv = [str(UNPACK), architecture(), str(folder), *packages]
    call(argv, variables, folder.with_name(folder.name + ".log"))
    return folder


def architecture() -> str:
    """Return the architecture of this machine, as Debian calls it and images do."""
    return subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()


def call(argv: list[str], variables: dict[str, str], log: Path, cwd: Path | None = None) -> None:
    """Run a command with its output in a log.

    :raises DevError: with the last lines of the log when it fails, or when the program is not there
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        try:
            done = subprocess.run(
                argv, cwd=cwd, env=os.environ | variables, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )
        except FileNotFoundError:
            hint = "this needs Debian 12, or Docker"
            raise DevError(f"there is no `{argv[0]}`", "Debian packages cannot be fetched", hint) from None
    if done.returncode:
        raise DevError(f"`{' '.join(argv[:3])} ...` failed", "\n" + tail(log), f"the whole log: {log}")
