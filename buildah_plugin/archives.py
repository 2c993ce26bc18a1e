"""Tar archives as trees: the layers of an image, and archives that ``ADD`` unpacks.

Only headers are kept in memory. Content that is wanted later lies in the uncompressed archive, spooled to a
folder; small files of ``/etc``, where names have numbers, are kept as they are.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

from buildah_plugin import process
from buildah_plugin.nodes import CAPABILITY, Content, File, Folder, Link, Node, Special, TreeError, clone
from buildah_plugin.paths import check, lookup, parts, resolve
from buildah_plugin.process import ProcessError

_ACCOUNTS = ("etc/passwd", "etc/group", "usr/lib/passwd", "usr/lib/group")
_MOST_ACCOUNTS = 16 << 20
_CHUNK = 1 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
_SPECIAL = {tarfile.CHRTYPE: "3", tarfile.BLKTYPE: "4", tarfile.FIFOTYPE: "6"}
#: Headers with a text of their own: of PAX, and of GNU for long names.
_HEADERS = (b"x", b"g", b"X", b"L", b"K")
_LONGEST_HEADER = 1 << 20
_DAMAGED = (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError)  # type: ignore[attr-defined]  # not in the stubs
_BROKEN = (tarfile.TarError, EOFError, OSError, OverflowError, zlib.error, lzma.LZMAError, ValueError)


class _Member(tarfile.TarInfo):
    """A member of an archive in which a damaged header is an error, wherever it is: `tarfile` takes it for the end.

    As in Go's reader, a size below nothing is one, which `tarfile` may go round and round for (CVE-2025-8194), and so
    is a header of more than 1 MiB, which it would read into memory.
    """

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """Read the next one. Raise `tarfile.ReadError` where it is damaged or cut short."""
        try:
            return super().fromtarfile(archive)
        except _DAMAGED as error:
            raise tarfile.ReadError(str(error)) from None

    def _proc_member(self, archive: tarfile.TarFile) -> Self:
        """Take the rest of a member, with headers that come before it."""
        if self.size < 0 or (self.type in _HEADERS and self.size > _LONGEST_HEADER):
            raise tarfile.ReadError("a header is malformed or too long")
        made: Self = super()._proc_member(archive)  # type: ignore[misc]  # not in the stubs
        if made.size < 0:
            raise tarfile.ReadError("a size is less than nothing")
        return made


def layers(blobs: Iterable[Path], spool: Path | None = None) -> Folder:
    """Return the tree of layers laid over each other, lowest first; with ``spool`` its content can be read.

    Raise `TreeError` where a blob is no layer.
    """
    root = Folder(fresh=False)
    for blob in blobs:
        _Reader(root, spool, fresh=False, whiteouts=True).read(blob, f"layer {blob.name[:12]}")
    return root


def unpack(archive: Path, root: Folder, at: list[str], spool: Path, owner: tuple[int, int] | None) -> None:
    """Unpack ``archive`` into the folder ``at`` of ``root``. Raise `TreeError` where it is broken."""
    top = lookup(root, at)
    if not isinstance(top, Folder):
        raise TreeError(f"`/{'/'.join(at)}` is not a folder")
    _Reader(top, spool, fresh=True, whiteouts=False, owner=owner).read(archive, f"archive {archive.name}")


def is_tar(path: str) -> bool:
    """Whether the file holds a tar archive, compressed or not: what ``ADD`` unpacks."""
    try:
        with _opened(Path(path)) as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as tar:
            return tar.next() is not None
    except (*_BROKEN, TreeError):
        return False


class _Reader:
    def __init__(
        self,
        root: Folder,
        spool: Path | None,
        fresh: bool,
        whiteouts: bool,
        owner: tuple[int, int] | None = None,
    ) -> None:
        self._root = root
        self._spool = spool
        self._fresh = fresh
        self._whiteouts = whiteouts
        self._owner = owner

    def read(self, archive: Path, what: str) -> None:
        try:
            with _opened(archive) as stream:
                if self._spool is None:
                    self._members(stream, None)
                    return
                plain = self._spool / f"{len(list(self._spool.iterdir()))}.tar"
                with plain.open("wb") as out:
                    shutil.copyfileobj(stream, out, _CHUNK)
            with plain.open("rb") as file:
                self._members(file, plain)
        except _BROKEN as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise TreeError(f"{what} cannot be read: {error}") from None

    def _members(self, stream: IO[bytes], plain: Path | None) -> None:
        mode = "r:" if plain else "r|"
        with tarfile.open(fileobj=stream, mode=mode, encoding="utf-8", tarinfo=_Member) as tar:  # type: ignore[call-overload]  # one of two literals
            seen: set[int] = set()
            for member in tar:
                self._add(tar, member, plain, seen)

    def _add(self, tar: tarfile.TarFile, member: tarfile.TarInfo, plain: Path | None, seen: set[int]) -> None:
        check(member.name)
        names = parts(posixpath.normpath(member.name))
        if names[:1] == [".."]:
            raise TreeError(f"`{member.name}` leads out of the archive")
        if not names:  # the folder it is unpacked into stays as it is
            return
        folder = self._parent(names[:-1])
        if self._whiteouts and names[-1].startswith(".wh."):
            self._remove(folder, names[-1], seen)
            return
        node = self._node(tar, member, plain, folder.entries.get(names[-1]))
        if node is not None:
            folder.entries[names[-1]] = node
            seen.add(id(node))

    def _parent(self, names: list[str]) -> Folder:
        folder = self._root
        for name in resolve(self._root, "/".join(names)):
            entry = folder.entries.get(name)
            if entry is not None and not isinstance(entry, Folder) and not self._whiteouts:
                raise TreeError(f"`{'/'.join(names)}` lies below `{name}`, which is no folder")
            if not isinstance(entry, Folder):
                entry = folder.entries[name] = Folder(fresh=self._fresh)
            folder = entry
        return folder

    @staticmethod
    def _remove(folder: Folder, name: str, seen: set[int]) -> None:
        """Apply a whiteout; what this layer itself put there before stays (OCI image specification)."""
        if name == ".wh..wh..opq":
            kept = {key: node for key, node in folder.entries.items() if id(node) in seen}
            folder.entries.clear()
            folder.entries.update(kept)
        else:
            folder.entries.pop(name[4:], None)

    def _node(
        self, tar: tarfile.TarFile, member: tarfile.TarInfo, plain: Path | None, there: Node | None
    ) -> Node | None:
        if member.isdir():
            made: Node = there if isinstance(there, Folder) else Folder()
        elif member.islnk():
            names = resolve(self._root, member.linkname, last=False)
            found = lookup(self._root, names)
            if found is None or isinstance(found, Folder):
                raise TreeError(f"`{member.name}` is a hard link to `{member.linkname}`, which is no file")
            # Links and devices may have several names, too: archives of trees full of hard links hold such.
            return found if isinstance(found, File) else clone(found, self._fresh)
        elif member.issym():
            made = Link(member.linkname)
        elif member.isfile():
            made = File(self._content(tar, member, plain), member.mode, capability=_capability(member))
        elif member.type in _SPECIAL:
            made = Special(_SPECIAL[member.type], member.devmajor, member.devminor, member.mode)
        else:
            return None
        self._describe(made, member)
        return made

    def _content(self, tar: tarfile.TarFile, member: tarfile.TarInfo, plain: Path | None) -> Content:
        if plain is not None and member.issparse():
            return _filled(tar, member, plain.with_name(f"{plain.name}-{member.offset}"))
        if plain is not None:
            return Content(member.size, path=str(plain), offset=member.offset_data)
        name = member.name.removeprefix("./").lstrip("/")
        if name in _ACCOUNTS and member.size <= _MOST_ACCOUNTS:
            stream = tar.extractfile(member)
            return Content.of(stream.read() if stream else b"")
        return Content(member.size)

    def _describe(self, node: Node, member: tarfile.TarInfo) -> None:
        node.uid, node.gid = self._owner or (member.uid, member.gid)
        node.fresh = self._fresh
        if not isinstance(node, Link):
            node.mode = member.mode & 0o7777


def _filled(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> Content:
    """Write a file with holes to ``place``, where they are holes again: an archive has only what is between them.

    Raise `tarfile.ReadError` where the pieces are not those of such a file.
    """
    stream: IO[bytes] = tar.extractfile(member)  # type: ignore[assignment]  # it is a file
    pieces: list[tuple[int, int]] = member.sparse  # type: ignore[assignment]  # no bytes, whatever the stub says
    end = 0
    with place.open("wb") as out:
        for start, size in pieces:
            if size == 0:  # the end of the file, or room for pieces in a header
                continue
            if not end <= start <= start + size <= member.size:
                raise tarfile.ReadError(f"the holes of `{member.name}` cannot be")
            out.seek(stream.seek(start))
            for done in range(0, size, _CHUNK):
                out.write(stream.read(min(_CHUNK, size - done)))
            end = start + size
        out.truncate(member.size)
    return Content(member.size, path=str(place))


def _capability(member: tarfile.TarInfo) -> bytes:
    """What a program may do without being root, as the kernel keeps it; nothing for most."""
    return member.pax_headers.get(CAPABILITY, "").encode("utf-8", "surrogateescape")


def _opened(archive: Path) -> IO[bytes]:
    """Open an archive whatever it is compressed with."""
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(archive, "rb")  # type: ignore[return-value]  # a binary stream all the same
    if start.startswith(b"BZh"):
        return bz2.open(archive, "rb")
    if start.startswith(b"\xfd7zXZ"):
        return lzma.open(archive, "rb")
    if start.startswith(_ZSTD):
        return _zstd(archive)
    return archive.open("rb")


def _zstd(archive: Path) -> IO[bytes]:
    """Uncompress with ``zstd``: Python has no such module before 3.14."""
    # Without a name, as other builds may be reading the same blob; and on its disk, which is meant for such sizes.
    with ExitStack() as stack:
        plain = stack.enter_context(tempfile.TemporaryFile(dir=archive.parent))
        try:
            process.run(["zstd", "-dcq", str(archive)], into=plain)
        except ProcessError:
            raise TreeError("it is no whole zstd file") from None
        plain.seek(0)
        stack.pop_all()  # whoever reads it closes it
    return plain
