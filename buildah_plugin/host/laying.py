"""How the files of an application appear among those of this machine: steps, in the words of bubblewrap.

The steps are written to be done by bubblewrap or by `namespace`; neither of them decides anything.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

#: ``--tmpfs PLACE``, ``--symlink TARGET PLACE``, or a way to bind, ``--...bind SOURCE PLACE``.
LaidStep = tuple[str, ...]


def lay(ours: Path, there: Path) -> Iterator[LaidStep]:
    """Steps that show the folder ``there`` of this machine with the files of ``ours`` in it, without writing to it.

    A folder gets a new mount only where something is new in it; what it holds is then bound into that one by one. One
    that is closed to this account, such as ``/root``, shows nothing to it anyway.

    Raise `PermissionError` where this account can reach what is in a folder, but not list it.
    """
    mine = {path.name: path for path in sorted(ours.iterdir())}
    closed = not os.access(there, os.X_OK)
    new = {name for name, path in mine.items() if closed or _is_new(path, there / name)}
    if new or there == Path("/"):
        yield ("--tmpfs", str(there))
        theirs = () if closed else sorted(there.iterdir())
        yield from (_shown(path) for path in theirs if path.name not in new)
    for name, path in mine.items():
        place = there / name
        if name in new and path.is_symlink():
            yield ("--symlink", str(path.readlink()), str(place))
        elif name in new or not path.is_dir():
            yield ("--ro-bind", str(path), str(place))
        else:
            yield from lay(path, place.resolve())


def _is_new(path: Path, place: Path) -> bool:
    """Whether an entry of ours comes into its folder, or in the place of something of another kind."""
    if path.is_dir() and not path.is_symlink():
        return not place.is_dir()
    both_files = place.is_file() and not place.is_symlink() and not path.is_symlink()
    return not both_files


def _shown(path: Path) -> LaidStep:
    """One step for something that this machine has."""
    if path.is_symlink():
        return ("--symlink", str(path.readlink()), str(path))
    return ("--dev-bind-try" if stat.S_ISDIR(path.lstat().st_mode) else "--bind-try", str(path), str(path))
