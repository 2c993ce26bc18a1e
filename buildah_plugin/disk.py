"""A folder of this machine as a tree: read when asked for, without what an ignore file leaves out; and written again.

Owners are root's, as for everything a client sends to a build.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from buildah_plugin.nodes import Content, File, Folder, Link, Node, Special, TreeError
from cirfile.ignore import Matcher

_KINDS = {stat.S_IFCHR: "3", stat.S_IFBLK: "4", stat.S_IFIFO: "6"}


def tree(root: str, ignore: Sequence[str] = (), leave_out: str = "") -> Folder:
    """Return the folder at ``root``; a name ``leave_out`` at its top is not there."""
    return _Reader(root, Matcher(ignore) if ignore else None, leave_out).folder("", os.lstat(root))


class _Reader:
    def __init__(self, root: str, ignore: Matcher | None, leave_out: str) -> None:
        self._root = root
        self._ignore = ignore
        self._leave_out = leave_out
        self._files: dict[tuple[int, int], File] = {}

    def folder(self, path: str, info: os.stat_result) -> Folder:
        return Folder(stat.S_IMODE(info.st_mode), load=lambda: self._entries(path))

    def _entries(self, path: str) -> dict[str, Node]:
        found: dict[str, Node] = {}
        with os.scandir(f"{self._root}/{path}") as entries:
            for entry in entries:
                if not path and entry.name == self._leave_out:
                    continue
                node = self._node(f"{path}/{entry.name}" if path else entry.name, entry)
                if node is not None:
                    found[entry.name] = node
        return found

    def _node(self, path: str, entry: os.DirEntry[str]) -> Node | None:
        ignored = self._ignore is not None and self._ignore.matches(path)
        info = entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            folder = self.folder(path, info)
            # A folder left out is there for what is taken back below it.
            if ignored and not (self._ignore and self._ignore.takes_back and folder.entries):
                return None
            return folder
        if ignored or stat.S_ISSOCK(info.st_mode):
            return None
        if entry.is_symlink():
            return Link(os.readlink(entry.path))  # noqa: PTH115  # a str in, a str out
        mode = stat.S_IMODE(info.st_mode)
        if kind := _KINDS.get(stat.S_IFMT(info.st_mode)):
            return Special(kind, os.major(info.st_rdev), os.minor(info.st_rdev), mode)
        key = (info.st_dev, info.st_ino)
        if info.st_nlink > 1 and key in self._files:
            return self._files[key]
        file = File(Content(info.st_size, path=entry.path), mode)
        if info.st_nlink > 1:
            self._files[key] = file
        return file


def write(tree: Folder, folder: Path, mtime: int) -> None:
    """Make a tree at a new folder, as this account can: everything is its own, read by it and written by no other.

    Raise `TreeError` for a device, which takes rights.
    """
    folder.mkdir(mode=0o700)
    for name, node in tree.entries.items():
        place = folder / name
        if isinstance(node, Folder):
            write(node, place, mtime)
        elif isinstance(node, Link):
            place.symlink_to(node.target)
        elif isinstance(node, File):
            with place.open("xb") as file:
                file.writelines(node.content.chunks())
            place.chmod(node.mode & 0o755 | 0o400)
        else:
            raise TreeError(f"{place.name} is a device or a pipe, which is not made without an engine")
        os.utime(place, (mtime, mtime), follow_symlinks=False)
    folder.chmod(tree.mode & 0o755 | 0o700)
