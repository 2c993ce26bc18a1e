"""Files of a wheel on their way into a folder that is nobody else's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from shim.providers.pypi.archive import ArchiveError, Buffer

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """A folder that is filled by paths that were checked; nothing in it is ever overwritten.

    It is made with its first file, its parents are not: where they have been removed, nothing comes back.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._made: set[str] = set()

    def write(self, path: str, content: Buffer, mode: int) -> None:
        """Write a whole file. Raise `ArchiveError` where something is in its way, `OSError` for the disk."""
        with self.opened(path, mode) as target:
            write_all(target, content)

    @contextlib.contextmanager
    def opened(self, path: str, mode: int) -> Iterator[int]:
        """A new, empty file to write to. Raise as `write` does."""
        target = self._open(path, mode)
        try:
            yield target
        finally:
            os.close(target)

    def make_executable(self, path: str) -> None:
        """Whoever may read a file may execute it, as if it had been made so."""
        place = Path(self._root, path)
        mode = place.stat().st_mode
        place.chmod(mode | (mode & 0o444) >> 2)

    def remove(self, path: str) -> None:
        """Remove a file."""
        Path(self._root, path).unlink()

    def _open(self, path: str, mode: int) -> int:
        folder = path.rpartition("/")[0]
        try:
            if folder not in self._made:
                self._make(folder)
            return os.open(f"{self._root}/{path}", _FLAGS, mode)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            # Also where two names differ in case only and the store's file system does not tell them apart.
            raise ArchiveError(f"`{path}` and another file of the wheel are in each other's way") from None

    def _make(self, folder: str) -> None:
        if not folder:
            Path(self._root).mkdir(exist_ok=True)
        else:
            if (parent := folder.rpartition("/")[0]) not in self._made:
                self._make(parent)
            Path(self._root, folder).mkdir(exist_ok=True)
        self._made.add(folder)


def write_all(target: int, content: Buffer) -> None:
    """Write everything to a file; one `write` takes at most 2 GiB and may take less."""
    written = os.write(target, content)
    while written < len(content):
        written += os.write(target, memoryview(content)[written:])
