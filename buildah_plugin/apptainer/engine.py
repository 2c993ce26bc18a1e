"""Apptainer as a program: where it is, how it is called, and what of this machine a container is given.

SingularityCE is called where it is the only one: what just Apptainer knows is left away.

Settings for a container go through ``APPTAINERENV_*``, not through ``--env``: there commas would split values, and
credentials would stand in the list of processes. SingularityCE reads ``SINGULARITYENV_*`` only; Apptainer reads that
as well, but says a line for each, so each gets its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildah_plugin import process
from buildah_plugin.apptainer import limits
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

    @property
    def name(self) -> str:
        """Which of `NAMES` it is: an installed Apptainer is also there as ``singularity``, which leads to it."""
        found = Path(self.program).resolve().name
        return found if found in NAMES else Path(self.program).name

    @property
    def is_apptainer(self) -> bool:
        """Whether it knows ``--mksquashfs-args`` and ``--unsquash``; SingularityCE ends at what it does not know."""
        return self.name == "apptainer"

    @property
    def unpacks_image(self) -> bool:
        """Whether it has to be told to unpack an image for a start, since it cannot mount one here."""
        return self.is_apptainer and bool(limits.no_mounts(self.program))

    def variables(self, settings: Mapping[str, str], own: Mapping[str, str] | None = None) -> dict[str, str]:
        """The variables that tell it those of a container, and its ``own``, as the two projects name them."""
        prefix = self.name.upper()
        given = {f"{prefix}ENV_{name}": value for name, value in settings.items()}
        return given | {f"{prefix}_{name}": value for name, value in (own or {}).items()}

    def call(
        self,
        words: Sequence[str],
        settings: Mapping[str, str],
        follow: Callable[[str], None] | None = None,
        own: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run a sub-command and return its output. Raise `CliError` where it fails.

        :param settings: variables of the container
        :param own: variables of the engine itself, without their prefix
        """
        environ = {**os.environ, **self.variables(settings, own)}
        return process.run([self.program, *words], environ=environ, follow=follow)

    def become(self, words: Sequence[str], settings: Mapping[str, str]) -> int:
        """Become the program, so that signals, terminal and exit status are its own."""
        environ = {**os.environ, **self.variables(settings)}
        os.execve(self.program, [self.program, *words], environ)  # noqa: S606 - an argv, no shell


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
