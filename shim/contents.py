"""The list of a layer's files with their sizes, by which a layer is looked over after a crash of the host.

A layer is published without waiting for the disk (waiting would double the time of a cold start). As
long as the host stays up that is safe: everybody reads through the same page cache. After a reboot
a file may have come out shorter than it was written; this list tells.

``layer.files``: a line ``boot <id>``, then ``<bytes> <path>`` a file, sorted by path.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "layer.files"
#: Stands for the boot in a layer of a sealed store, whose file was checked as a whole when it was made.
SEALED = "sealed"


def write(layer: Path, boot: str) -> tuple[int, int]:
    """Write the list into a finished layer; return how many files it has and their bytes."""
    sizes = dict(_walk(layer))
    lines = [f"boot {boot}", *(f"{size} {path}" for path, size in sorted(sizes.items()))]
    (layer / NAME).write_text("\n".join(lines) + "\n", "utf-8", "surrogateescape")
    return len(sizes), sum(sizes.values())


def boot_of(layer: Path) -> str:
    """The boot in which a layer was made; empty if its list cannot be read."""
    try:
        with (layer / NAME).open("rb") as file:
            first = file.readline(200)
    except OSError:
        return ""
    return first.decode("utf-8", "replace").removeprefix("boot ").strip()


def intact(layer: Path) -> bool:
    """Whether every listed file is there with its size; bytecode that was added since is removed."""
    try:
        text = (layer / NAME).read_text("utf-8", "surrogateescape")
        listed = {path: int(size) for size, path in (line.split(" ", 1) for line in text.splitlines()[1:])}
    except (OSError, ValueError):
        return False
    found = dict(_walk(layer))
    found.pop(NAME, None)
    for path in found.keys() - listed.keys():
        if path.endswith(".pyc"):  # written by an application, perhaps cut short by the same crash
            (layer / path).unlink(missing_ok=True)
    return bool(listed) and all(found.get(path) == size for path, size in listed.items())


def _walk(folder: Path, prefix: str = "") -> list[tuple[str, int]]:
    """Relative path and size of every file; links count with the length of their target's name."""
    found: list[tuple[str, int]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found += _walk(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                found.append((prefix + entry.name, entry.stat(follow_symlinks=False).st_size))
    return found
