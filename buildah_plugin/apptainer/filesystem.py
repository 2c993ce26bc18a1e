"""On what a folder lies: a disk of this machine, or a network file system that suffers under small files."""

from __future__ import annotations

import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
#: What a line has at least before the dash.
_FIELDS = 6
#: Everything else counts as a network file system, also what nobody has heard of and what runs in user space.
_LOCAL = frozenset(
    {
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "nilfs2", "reiserfs"),
        *("tmpfs", "ramfs", "overlay"),
    }
)


def is_local(folder: Path) -> bool:
    """Whether a folder is on a disk or in memory of this machine; one that is not there yet, where it would be."""
    return kind(folder) in _LOCAL


def kind(folder: Path) -> str:
    """The kernel's name for the file system of a folder, ``ext4``; empty where it cannot be told.

    Lines are as in proc_pid_mountinfo(5): the fifth field is the mount point, the first after ``-`` the type.
    """
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").split("\n")
        place = folder.resolve()
    except (OSError, RuntimeError):  # the latter: links that lead in a circle
        return ""
    best, found = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < _FIELDS:
            continue
        point = Path(_plain(fields[4]))
        # What is mounted later at the same place lies over it.
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), after.partition(" ")[0]
    return found


def _plain(text: str) -> str:
    """A mount point without the octal escapes of blanks and the like."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
