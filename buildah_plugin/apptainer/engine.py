"""Apptainer as a program: where it is, how it is called, and what of this machine a container is given.

Settings for a container go through ``APPTAINERENV_*``, not through ``--env``: there commas would split values, and
credentials would stand in the list of processes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildah_plugin import process
from cirfile.cli.errors import UNAVAILABLE, CliError
from cirfile.cli.host import Host

NAMES = ("apptainer", "singularity")
#: Where files of the host are put into containers.
_CA, _NETRC = "/run/cir/ca.crt", "/run/cir/netrc"


@dataclass(frozen=True, slots=True)
class Engine:
    """An installed Apptainer or Singularity: its ``program`` is an absolute path."""

    program: str

    @classmethod
    def find(cls) -> Engine:
        """Return the one on PATH. Raise `CliError` (69) where there is none."""
        for name in NAMES:
            if found := shutil.which(name):
                return cls(found)
        raise CliError(
            UNAVAILABLE, "there is no `apptainer` on PATH",
            "load it (on many clusters: `module load apptainer`), install it, or use another --engine",
        )  # fmt: skip

    def call(
        self,
        words: Sequence[str],
        settings: Mapping[str, str],
        follow: Callable[[str], None] | None = None,
        own: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run a sub-command and return its output. Raise `CliError` where it fails.

        :param settings: variables of the container
        :param own: variables of Apptainer itself
        """
        environ = environment(settings) | dict(own or {})
        return process.run([self.program, *words], environ=environ, follow=follow)

    def become(self, words: Sequence[str], settings: Mapping[str, str]) -> int:
        """Become the program, so that signals, terminal and exit status are its own."""
        os.execve(self.program, [self.program, *words], environment(settings))  # noqa: S606 - an argv, no shell


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of an Apptainer that gives its container these variables."""
    given = {f"{prefix}ENV_{name}": value for name, value in settings.items() for prefix in ("APPTAINER",)}
    return {**os.environ, **given}


def certificates(machine: Host) -> tuple[list[str], dict[str, str]]:
    """Binds and variables that hand on the certificates of this machine."""
    if machine.certificates is None:
        return [], {}
    return ["--bind", f"{machine.certificates}:{_CA}:ro"], {"SSL_CERT_FILE": _CA}


def forwarded(machine: Host, netrc: Path | None) -> tuple[list[str], dict[str, str]]:
    """Binds and variables that an assembly needs of this machine; proxies are handed on by Apptainer itself."""
    binds, settings = certificates(machine)
    settings |= dict(machine.indexes)
    if netrc is not None:
        binds += ["--bind", f"{netrc}:{_NETRC}:ro"]
        settings["NETRC"] = _NETRC
    return binds, settings
