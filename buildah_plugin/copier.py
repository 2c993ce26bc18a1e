"""One copy from a tree into another, as BuildKit's file operations do it.

The rules are those of ``tonistiigi/fsutil/copy``: contents of a folder go into the destination, missing
folders on the way are made with mode 0755, folders that are there are merged - and take over mode and owner of the
source's, but for the topmost one -, files and links are replaced, hard links inside one copy stay hard links.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from buildah_plugin.nodes import File, Folder, Link, Node, TreeError, clone
from buildah_plugin.paths import lookup, make_folders, parts, resolve
from cirfile.chmod import applied
from cirfile.ignore import Matcher

Owner = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rules:
    """How to copy. ``contents`` puts a folder's entries, not the folder, into the destination."""

    owner: Owner | None = None
    mode: int | None = None
    mode_text: str = ""
    contents: bool = False
    follow: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


@dataclass(slots=True)
class _Into:
    """A folder of the destination; until something is copied into it, it may be a promise (``folder`` is None).

    The promise is kept by making it like ``source``, under ``name`` in ``parent``.
    """

    folder: Folder | None
    source: Folder
    parent: _Into | None = None
    name: str = ""

    def above(self) -> _Into:
        """Return the folder it is in; only the topmost, which is there, is in none."""
        return self.parent or self


def copy(source: Folder, src: str, root: Folder, dest: str, rules: Rules) -> None:
    """Copy ``src`` of ``source`` to ``dest`` of ``root``. Raise `TreeError` where one does not fit the other."""
    _Copier(rules).run(source, src, root, dest)


class _Copier:
    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._include = Matcher(rules.include) if rules.include else None
        self._exclude = Matcher(rules.exclude) if rules.exclude else None
        self._linked: dict[int, File] = {}

    def run(self, source: Folder, src: str, root: Folder, dest: str) -> None:
        """See `copy`."""
        rules = self._rules
        at = resolve(source, src, last=rules.follow)
        node = lookup(source, at)
        if node is None:
            raise TreeError(f"`{src}` is not there")
        head, _, tail = dest.rpartition("/")
        into = dest if tail in ("", ".") else head
        make_folders(root, resolve(root, into), self._folder_mode, rules.owner)
        target = resolve(root, dest)
        there = lookup(root, target)
        folder = isinstance(node, Folder)
        if there is not None and (
            (folder and not rules.contents) or (not folder and isinstance(there, Folder))
        ):
            target = [*target, *parts(posixpath.basename(src))]
        if folder and rules.contents and there is None:
            make_folders(root, target, self._folder_mode, rules.owner)
        parent = make_folders(root, target[:-1], self._folder_mode, rules.owner)
        if target:
            self._copy(node, "", _Into(parent, parent), target[-1], overwrite=False)
        elif isinstance(node, Folder):
            self._entries(node, "", _Into(root, root))
        else:
            raise TreeError("`/` is a folder, which a file cannot replace")

    @property
    def _folder_mode(self) -> int:
        """Of folders on the way. Bits above 0777 are none of Go's permissions, so BuildKit leaves them out there."""
        return 0o755 if self._rules.mode is None else self._rules.mode & 0o777

    def _copy(self, node: Node, path: str, into: _Into, name: str, overwrite: bool) -> None:
        taken = not path or (
            (self._include is None or self._include.matches(path))
            and not (self._exclude is not None and self._exclude.matches(path))
        )
        if isinstance(node, Folder):
            place = _Into(None, node, into, name)
            if taken:
                place.folder = self._make(self._settled(into), name, node, overwrite)
            # What is left out is looked into only where something below may be taken after all.
            if taken or self._include is not None or (self._exclude and self._exclude.takes_back):
                self._entries(node, path, place)
        elif taken:
            self._replace(node, self._settled(into), name)

    def _entries(self, node: Folder, path: str, into: _Into) -> None:
        for name, entry in node.sorted():
            self._copy(entry, f"{path}/{name}" if path else name, into, name, overwrite=True)

    def _replace(self, node: Node, into: Folder, name: str) -> None:
        if isinstance(into.entries.get(name), Folder):
            raise TreeError(f"`{name}` is a folder, which a file cannot replace")
        if isinstance(node, File):
            made: Node = self._linked.setdefault(
                id(node), File(node.content, node.mode, capability=node.capability)
            )
        else:
            made = clone(node)
        self._describe(node, made)
        into.entries[name] = made

    def _settled(self, into: _Into) -> Folder:
        """Return the folder, made with those above it if it was a promise.

        One that is there already takes over the mode of its source only: so does BuildKit.
        """
        if into.folder is None:
            parent = self._settled(into.above())
            there = parent.entries.get(into.name)
            into.folder = self._make(parent, into.name, into.source, overwrite=False)
            if there is not None:
                into.folder.mode = into.source.mode
        return into.folder

    def _make(self, parent: Folder, name: str, source: Folder, overwrite: bool) -> Folder:
        there = parent.entries.get(name)
        if there is None:
            there = Folder(source.mode)
            self._describe(source, there)
            parent.entries[name] = there
        elif not isinstance(there, Folder):
            raise TreeError(f"`{name}` is no folder, so no folder can be copied to it")
        elif overwrite:
            self._describe(source, there)
        there.fresh = True
        return there

    def _describe(self, source: Node, made: Node) -> None:
        """Give ``made`` the owner and mode it is to have."""
        rules = self._rules
        made.uid, made.gid = rules.owner or (source.uid, source.gid)
        made.fresh = True
        if isinstance(source, Link):
            return
        made.mode = source.mode
        if rules.mode_text:
            made.mode = applied(rules.mode_text, source.mode, isinstance(source, Folder))
        elif rules.mode is not None:
            made.mode = rules.mode & 0o7777
