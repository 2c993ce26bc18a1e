"""Read-only view of a base's files: of this container, or of a recorded one below some folder.

Symbolic links are followed as the container itself would follow them, so that an absolute link in a
recorded tree does not lead to the files of the machine that looks at it.
"""

from __future__ import annotations

import os
import stat

_MOST_LINKS = 40


class Tree:
    """The files of a base; paths are absolute and those of the base. ``root`` is empty for this container."""

    def __init__(self, root: str = "") -> None:
        self._root = root.rstrip("/")

    def resolve(self, path: str) -> str:
        """`path` without symbolic links; what does not exist is kept as it is written."""
        links = _MOST_LINKS
        done: list[str] = []
        todo = path.split("/")[::-1]
        while todo:
            part = todo.pop()
            if part == "..":
                del done[-1:]
            elif part not in ("", "."):
                target = self._link("/".join(("", *done, part)))
                if target is None or not links:
                    done.append(part)
                    continue
                links -= 1
                done = [] if target.startswith("/") else done
                todo += target.split("/")[::-1]
        return "/" + "/".join(done)

    def read(self, path: str, limit: int = 64 << 20) -> bytes:
        """The first `limit` bytes of a file; nothing where there is none or it may not be read."""
        try:
            with open(self._root + self.resolve(path), "rb", buffering=0) as file:  # noqa: PTH123 - pathlib costs 10 ms
                return file.read(limit)
        except OSError:
            return b""

    def is_file(self, path: str) -> bool:
        """Whether there is a regular file."""
        try:
            return stat.S_ISREG(os.stat(self._root + self.resolve(path)).st_mode)  # noqa: PTH116
        except OSError:
            return False

    def names(self, folder: str) -> list[str]:
        """The sorted names in a folder; none where there is no such folder."""
        try:
            return sorted(os.listdir(self._root + self.resolve(folder)))  # noqa: PTH208
        except OSError:
            return []

    def _link(self, path: str) -> str | None:
        try:
            return os.readlink(self._root + path)  # noqa: PTH115
        except OSError:
            return None
