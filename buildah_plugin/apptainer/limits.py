"""What keeps this machine from mounting files: looked for before a start, because afterwards it is too late.

Apptainer mounts a squashfs file through FUSE where it has no rights, and through the kernel where an administrator
gave it some. Nothing is run to find out; a start stays as quick as it is.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_SETTINGS = ("etc/apptainer/apptainer.conf", "etc/singularity/singularity.conf")


def no_binds(program: str) -> str:
    """Why nothing can be bound at all; empty where it can."""
    if _configuration(program).get("user bind control") == "no":
        return "the administrator of this machine allows no binds (`user bind control = no`)"
    return ""


def no_mounts(program: str) -> str:
    """Why no file can be mounted, not even an image; empty where it can."""
    if _is_privileged(program):
        return ""
    if not any(_found(program, name) for name in ("squashfuse_ll", "squashfuse")):
        return "squashfuse is not installed"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened"
    return ""


def no_layer_files(program: str) -> str:
    """Why no layer file can be mounted into a container; empty where it can."""
    if _configuration(program).get("allow container squashfs") == "no":
        return "the administrator of this machine allows no squashfs files (`allow container squashfs = no`)"
    return no_mounts(program)


def _prefixes(program: str) -> list[Path]:
    """Where an installation may keep its parts: its own prefix; ``/`` for that of a distribution."""
    prefix = Path(program).resolve().parent.parent
    return [Path("/"), prefix] if prefix == Path("/usr") else [prefix]


def _configuration(program: str) -> dict[str, str]:
    """The administrator's settings; empty where they cannot be read."""
    for prefix in _prefixes(program):
        for name in _SETTINGS:
            try:
                lines = (prefix / name).read_text(errors="replace").splitlines()
            except OSError:
                continue
            pairs = (line.partition("=") for line in lines if not line.startswith("#"))
            return {name.strip(): value.strip() for name, _, value in pairs}
    return {}


def _is_privileged(program: str) -> bool:
    """Whether this installation mounts through the kernel: it runs as root, or has a part that does."""
    if os.geteuid() == 0:
        return True
    prefix = Path(program).resolve().parent.parent
    places = [prefix / "libexec" / name / "bin/starter-suid" for name in ("apptainer", "singularity")]
    starters = [*places, *prefix.glob("lib/*/apptainer/bin/starter-suid")]
    allowed = _configuration(program).get("allow setuid") != "no"
    return allowed and any(path.is_file() and path.stat().st_mode & 0o4000 for path in starters)


def _found(program: str, name: str) -> bool:
    own = Path(program).resolve().parent.parent / "libexec/apptainer/bin" / name
    return bool(shutil.which(name)) or own.is_file()
