"""Write a tree as a tar archive, byte for byte as BuildKit's exporter (Go's ``archive/tar``) writes a layer.

Entries come in the order of the bytes of their names, folder by folder, without an entry for the top.
Headers are USTAR; what does not fit - long or non-ASCII names, ids above 2097151, files of 8 GiB and more -
goes into PAX records. One time stands on everything, and no names of users.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import IO

from buildah_plugin.nodes import CAPABILITY, File, Folder, Link, Node, Special, TreeError

BLOCK = 512
_NAME, _PREFIX = 100, 155
_LARGEST_ID = 0o7777777
_LARGEST_NUMBER = 0o77777777777


@dataclass(frozen=True, slots=True)
class _Header:
    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    kind: bytes
    link: bytes = b""
    major: int = 0
    minor: int = 0
    capability: bytes = b""


def write(tree: Folder, out: IO[bytes], mtime: int, fresh_only: bool = False) -> None:
    """Write ``tree``; with ``fresh_only`` just the fresh entries and the folders that lead to them."""
    _Writer(out, mtime, fresh_only).run(tree)


class _Writer:
    def __init__(self, out: IO[bytes], mtime: int, fresh_only: bool) -> None:
        self._out = out
        self._mtime = mtime
        self._fresh_only = fresh_only
        self._written: dict[int, bytes] = {}

    def run(self, tree: Folder) -> None:
        self._entries(tree, b"")
        self._out.write(bytes(2 * BLOCK))

    def _entries(self, folder: Folder, prefix: bytes) -> None:
        for name, node in folder.sorted():
            if self._fresh_only and not _has_fresh(node):
                continue
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                raise TreeError(f"{name!r} is no name of a file")
            path = prefix + name.encode("utf-8", "surrogateescape")
            if isinstance(node, Folder):
                self._put(self._header(path + b"/", node, b"5"))
                self._entries(node, path + b"/")
            elif isinstance(node, File):
                self._file(path, node)
            elif isinstance(node, Link):
                target = node.target.encode("utf-8", "surrogateescape")
                self._put(self._header(path, node, b"2", link=target))
            elif isinstance(node, Special):
                self._put(self._header(path, node, node.kind.encode(), major=node.major, minor=node.minor))

    def _file(self, path: bytes, file: File) -> None:
        first = self._written.setdefault(id(file), path)
        if first != path:
            self._put(self._header(path, file, b"1", link=first))
            return
        header = self._header(path, file, b"0", size=file.content.size)
        self._put(replace(header, capability=file.capability))
        for chunk in file.content.chunks():
            self._out.write(chunk)
        self._out.write(bytes(-file.content.size % BLOCK))

    def _header(
        self,
        name: bytes,
        node: Node,
        kind: bytes,
        size: int = 0,
        link: bytes = b"",
        major: int = 0,
        minor: int = 0,
    ) -> _Header:
        return _Header(
            name, node.mode & 0o7777, node.uid, node.gid, size, self._mtime, kind, link, major, minor
        )

    def _put(self, header: _Header) -> None:
        records = _records(header)
        if records:
            self._out.write(_extended(header.name, len(records)))
            self._out.write(records + bytes(-len(records) % BLOCK))
        self._out.write(_block(header, pax=bool(records)))


def _has_fresh(node: Node) -> bool:
    if node.fresh or not isinstance(node, Folder):
        return node.fresh
    return any(_has_fresh(entry) for entry in node.entries.values())


def _records(header: _Header) -> bytes:
    """Return the PAX records of a header, sorted by key; nothing where it fits into USTAR as a whole."""
    long_name = len(header.name) > _NAME or not header.name.isascii()
    found = {
        CAPABILITY.encode(): header.capability,
        b"gid": b"%d" % header.gid if header.gid > _LARGEST_ID else b"",
        b"linkpath": header.link if len(header.link) > _NAME or not header.link.isascii() else b"",
        b"mtime": b"%d" % header.mtime if header.mtime > _LARGEST_NUMBER else b"",
        b"size": b"%d" % header.size if header.size > _LARGEST_NUMBER else b"",
        b"uid": b"%d" % header.uid if header.uid > _LARGEST_ID else b"",
    }
    # A long name that USTAR could split has a record only where there are records anyway.
    if long_name and (any(found.values()) or not _split(header.name)):
        found[b"path"] = header.name
    return b"".join(_record(key, value) for key, value in sorted(found.items()) if value)


def _record(key: bytes, value: bytes) -> bytes:
    """Return one record; its length counts its own digits."""
    rest = len(key) + len(value) + 3
    size = rest + len(str(rest))
    if len(str(size)) != len(str(rest)):
        size = rest + len(str(size))
    return b"%d %s=%s\n" % (size, key, value)


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Split a long name at a slash into prefix and name of USTAR, `None` where that cannot be."""
    if len(name) <= _NAME or not name.isascii():
        return None
    length = min(len(name), _PREFIX + 1)
    if len(name) <= _PREFIX + 1 and name.endswith(b"/"):
        length -= 1
    at = name.rfind(b"/", 0, length)
    rest = len(name) - at - 1
    if at <= 0 or rest > _NAME or rest == 0 or at > _PREFIX:
        return None
    return name[:at], name[at + 1 :]


def _extended(name: bytes, size: int) -> bytes:
    """Return the header before PAX records, named ``<folder>/PaxHeaders.0/<file>``."""
    folder, _, file = name.rpartition(b"/")
    path = b"/".join(part for part in (folder, b"PaxHeaders.0", file) if part)
    block = bytearray(BLOCK)
    _text(block, 0, 100, _ascii(path)[:_NAME].rstrip(b"/"))
    for start, length, number in ((100, 8, 0), (108, 8, 0), (116, 8, 0), (124, 12, size), (136, 12, 0)):
        _number(block, start, length, number)
    block[156:157] = b"x"
    return _sealed(block)


def _block(header: _Header, pax: bool) -> bytes:
    block = bytearray(BLOCK)
    name, prefix = header.name, b""
    if pax:
        name = _ascii(name)
    elif split := _split(name):
        prefix, name = split
    _text(block, 0, _NAME, name)
    _number(block, 100, 8, header.mode)
    _number(block, 108, 8, header.uid)
    _number(block, 116, 8, header.gid)
    _number(block, 124, 12, header.size)
    _number(block, 136, 12, header.mtime)
    block[156:157] = header.kind
    _text(block, 157, _NAME, _ascii(header.link))
    _number(block, 329, 8, header.major)
    _number(block, 337, 8, header.minor)
    _text(block, 345, _PREFIX, prefix)
    return _sealed(block)


def _sealed(block: bytearray) -> bytes:
    """Add magic, version and check sum."""
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _text(block: bytearray, start: int, length: int, text: bytes) -> None:
    kept = text[:length]
    if len(text) > length and kept.endswith(b"/"):
        kept = kept.rstrip(b"/")  # old readers would take a file for a folder
    block[start : start + len(kept)] = kept


def _number(block: bytearray, start: int, length: int, number: int) -> None:
    digits = b"%0*o" % (length - 1, number)
    block[start : start + length - 1] = digits if len(digits) == length - 1 else b"0" * (length - 1)


def _ascii(text: bytes) -> bytes:
    return bytes(byte for byte in text if 0 < byte < 0x80)
