"""A file tree in memory: what files are called, who owns them, and where their content lies.

Owners and modes are numbers in the tree, not in a file system; so a tree of any owners can be made by
anybody. One `File` in two places is a hard link.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: Trees are walked by functions that call themselves, some twice a level; a path has up to 2047 levels.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))
_CHUNK = 1 << 20
#: The PAX record of a capability.
CAPABILITY = "SCHILY.xattr.security.capability"


class TreeError(ValueError):
    """A tree that cannot be changed as asked; the text names the path."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file: ``size`` of them from ``offset`` of the file at ``path``, or ``data`` itself."""

    size: int
    data: bytes = b""
    path: str = ""
    offset: int = 0

    @classmethod
    def of(cls, data: bytes) -> Content:
        """Return content that is in memory."""
        return cls(len(data), data)

    def chunks(self) -> Iterator[bytes]:
        """Read it, exactly ``size`` bytes. Raise `TreeError` where the file got shorter meanwhile."""
        if not self.path:
            yield self.data
            return
        left = self.size
        with open(self.path, "rb") as file:  # noqa: PTH123  # a str is what a tree of many files can afford
            file.seek(self.offset)
            while left:
                chunk = file.read(min(left, _CHUNK))
                if not chunk:
                    raise TreeError(f"{self.path} became shorter while it was read; build again")
                left -= len(chunk)
                yield chunk

    def read(self) -> bytes:
        """Return all of it."""
        return b"".join(self.chunks())


class Node:
    """What every entry has. ``fresh`` tells whether it was made or changed since the base was read."""

    __slots__ = ("fresh", "gid", "mode", "uid")

    def __init__(self, mode: int, uid: int = 0, gid: int = 0, fresh: bool = True) -> None:
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.fresh = fresh


class File(Node):
    """A regular file. ``capability`` is the only extended attribute that a layer of BuildKit's keeps, as bytes."""

    __slots__ = ("capability", "content")

    def __init__(
        self,
        content: Content,
        mode: int,
        uid: int = 0,
        gid: int = 0,
        fresh: bool = True,
        capability: bytes = b"",
    ) -> None:
        super().__init__(mode, uid, gid, fresh)
        self.content = content
        self.capability = capability


class Link(Node):
    """A symbolic link."""

    __slots__ = ("target",)

    def __init__(self, target: str, uid: int = 0, gid: int = 0, fresh: bool = True) -> None:
        super().__init__(0o777, uid, gid, fresh)
        self.target = target


class Special(Node):
    """A device or a named pipe; ``kind`` is the type flag of tar archives: ``3``, ``4`` or ``6``."""

    __slots__ = ("kind", "major", "minor")

    def __init__(
        self, kind: str, major: int, minor: int, mode: int, uid: int = 0, gid: int = 0, fresh: bool = True
    ) -> None:
        super().__init__(mode, uid, gid, fresh)
        self.kind = kind
        self.major = major
        self.minor = minor


class Folder(Node):
    """A folder; its entries may be looked up only when they are asked for."""

    __slots__ = ("_entries", "_load")

    def __init__(
        self,
        mode: int = 0o755,
        uid: int = 0,
        gid: int = 0,
        fresh: bool = True,
        load: Callable[[], dict[str, Node]] | None = None,
    ) -> None:
        super().__init__(mode, uid, gid, fresh)
        self._entries: dict[str, Node] | None = None if load else {}
        self._load = load

    @property
    def entries(self) -> dict[str, Node]:
        """The entries by name."""
        if self._entries is None:
            self._entries = self._load() if self._load else {}
        return self._entries

    def sorted(self) -> list[tuple[str, Node]]:
        """Return the entries in the order of the bytes of their names."""
        return sorted(self.entries.items(), key=lambda item: item[0].encode("utf-8", "surrogateescape"))


def clone(node: Node, fresh: bool = True) -> Node:
    """Return a node with the same metadata and content; a folder without its entries."""
    if isinstance(node, File):
        return File(node.content, node.mode, node.uid, node.gid, fresh, node.capability)
    if isinstance(node, Link):
        return Link(node.target, node.uid, node.gid, fresh)
    if isinstance(node, Special):
        return Special(node.kind, node.major, node.minor, node.mode, node.uid, node.gid, fresh)
    return Folder(node.mode, node.uid, node.gid, fresh)


def lay_over(below: Folder, above: Folder) -> None:
    """Lay a layer over a tree: its folders are merged and bring their metadata, all else is replaced."""
    for name, node in above.entries.items():
        there = below.entries.get(name)
        if isinstance(node, Folder) and isinstance(there, Folder):
            there.mode, there.uid, there.gid, there.fresh = node.mode, node.uid, node.gid, node.fresh
            lay_over(there, node)
        else:
            below.entries[name] = node
