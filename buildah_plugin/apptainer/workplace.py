"""Where a tree is unpacked that is packed again at once: in memory where that is plenty, else on a disk of this node.

A tree has thousands of files, and ext4 does not hand out inodes for five minutes after they were freed (see
`recently_deleted` in its source): a second build on the same disk takes twice as long as the first.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from buildah_plugin import folders

#: What a user sets, Apptainer's own first, is obeyed.
_NAMED = ("APPTAINER_TMPDIR", "SINGULARITY_TMPDIR", "TMPDIR")
_PREFIX = "cir-work-"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made there
#: Bytes of a tree to bytes of its compressed layers, and how many such trees there has to be room for.
_GROWS, _PLENTY = 5, 4
_GROUPS, _PROC = Path("/sys/fs/cgroup"), Path("/proc")


def make(layers: Path | None = None) -> AbstractContextManager[Path]:
    """A private folder to work in, where `layers` can be unpacked, a folder of compressed ones; in use until left."""
    _sweep()  # first: what was left in memory would be missing there
    return folders.made(_PREFIX, _place(layers) if layers else None)


def _sweep() -> None:
    named = filter(None, map(os.environ.get, _NAMED))
    for place in dict.fromkeys((*named, tempfile.gettempdir(), str(_MEMORY))):
        folders.sweep(Path(place), _PREFIX)


def _place(layers: Path) -> Path | None:
    for place in filter(None, map(os.environ.get, _NAMED)):
        if _can_be_used(place):
            return Path(place)
    size = sum(path.stat().st_size for path in layers.rglob("*") if path.is_file())
    return _MEMORY if _GROWS * _PLENTY * size <= _room_in_memory() else None


def _can_be_used(place: str | Path) -> bool:
    return Path(place).is_dir() and os.access(place, os.W_OK | os.X_OK)


def _room_in_memory() -> int:
    """Bytes that can be written there: what the file system, the machine and our control groups have left."""
    try:
        if not _can_be_used(_MEMORY):
            return 0
        there = os.statvfs(_MEMORY)
        return min(there.f_bavail * there.f_frsize, _available(), *_left_by_groups())
    except (OSError, ValueError, StopIteration):
        return 0


def _available() -> int:
    lines = (_PROC / "meminfo").read_text("ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def _left_by_groups() -> Iterator[int]:
    """What each control group with a limit has left, from ours upwards; both versions of the kernel's interface."""
    for line in (_PROC / "self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "memory":
            top, limit, used = _GROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        elif not controllers:
            top, limit, used = _GROUPS, "memory.max", "memory.current"
        else:
            continue
        place = top / group.lstrip("/")
        while place.is_relative_to(top):
            yield from _left(place / limit, place / used)
            place = place.parent


def _left(limit: Path, used: Path) -> Iterator[int]:
    try:
        text = limit.read_text("ascii").strip()
        if text != "max":
            yield int(text) - int(used.read_text("ascii"))
    except FileNotFoundError:  # a group of a namespace we are not in, or one without this controller
        return
