"""The table of contents of a zip archive, read strictly: whatever is odd ends the reading.

Follows PKWARE's APPNOTE 6.3 as far as wheels need it: stored and deflated members, zip64. Names, sizes and
places come from the central directory; each local header must agree with it, and no two members may
share bytes of the archive, which is how small archives unpack to huge trees.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

STORED, DEFLATED = 0, 8
#: More than this unpacked, and more than `_RATIO` times the archive, is taken for a bomb; real wheels
#: stay below 10 times.
_LARGE, _RATIO = 1 << 30, 100
_MOST_MEMBERS = 1_000_000
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_FULL = 0xFFFFFFFF
_REGULAR, _FOLDER, _TYPE = 0o100000, 0o040000, 0o170000

_SIZES_FOLLOW = 8
#: Deflated data are hardly longer than what they hold.
_SLACK = 1 << 10

Buffer = bytes | bytearray | memoryview
#: Gives the bytes of an archive from one place to another.
Part = Callable[[int, int], memoryview]


class ArchiveError(ValueError):
    """The archive is damaged or not what a wheel may be; the text says what and where."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive: where its data lie, how large they are, and whether it may be executed."""

    name: str
    start: int
    compressed: int
    size: int
    method: int
    crc: int
    executable: bool


def members(data: Buffer) -> list[Member]:
    """Every file of the archive in the order of its data; folders are left out.

    :raises ArchiveError: where the archive is damaged or suspicious
    """
    view = memoryview(data)
    try:
        count, size, offset = _directory(view)
        entries = sorted(_central(view, count, size, offset), key=lambda entry: entry[0])
        found = list(_located(view, entries, offset))
    except (struct.error, IndexError) as error:
        raise ArchiveError(f"the archive is cut short or damaged: {error}") from None
    total = sum(member.size for member in found)
    if total > _LARGE and total > _RATIO * len(view):
        raise ArchiveError(f"{len(view)} bytes would unpack to {total}")
    return found


def following(part: Part, place: int) -> Member | None:
    """The member whose local header is at ``place``, `None` behind the last; whether it may be executed is not known.

    A folder is a member here, too. The header is only one of two: `members` has the last word.

    :raises ArchiveError: where it is odd, or does not tell sizes, as proper archives may do
    """
    signature, *fields = _LOCAL.unpack(part(place, place + _LOCAL.size))
    if signature != b"PK\3\4":
        return None
    flags, method, crc, compressed, size, name_size, extra_size = fields[2], fields[3], *fields[6:]
    begin = place + _LOCAL.size
    name = _name(bytes(part(begin, begin + name_size)), flags)
    if flags & _SIZES_FOLLOW or _FULL in (compressed, size):
        raise ArchiveError(f"the local header of `{name}` does not tell its sizes")
    _acceptable(name, flags, method, 0, 0)
    if compressed > size + size // 8 + _SLACK or (method == STORED and compressed != size):
        raise ArchiveError(f"the sizes of `{name}` cannot be")
    return Member(name, begin + name_size + extra_size, compressed, size, method, crc, False)


def _directory(view: memoryview) -> tuple[int, int, int]:
    """Number of entries, size and offset of the central directory."""
    tail = bytes(view[-(_END.size + 0xFFFF) :])
    place = tail.rfind(b"PK\5\6")
    if place < 0:
        raise ArchiveError("this is not a zip archive: there is no end record")
    _, disk, first, here, count, size, offset, comment = _END.unpack_from(tail, place)
    if place + _END.size + comment != len(tail):
        raise ArchiveError("bytes follow the end record")
    end = len(view) - len(tail) + place
    if _FULL in (size, offset) or count == 0xFFFF:
        disk, first, here, count, size, offset, end = _directory64(view, end)
    if disk or first or here != count:
        raise ArchiveError("the archive is one part of several")
    if offset + size != end:
        raise ArchiveError("the central directory is not where the end record says")
    if count > _MOST_MEMBERS:
        raise ArchiveError(f"{count} members are too many")
    return count, size, offset


def _directory64(view: memoryview, end: int) -> tuple[int, int, int, int, int, int, int]:
    if end < _LOCATOR.size:
        raise ArchiveError("the zip64 locator is missing")
    signature, _, place, _ = _LOCATOR.unpack_from(view, end - _LOCATOR.size)
    if signature != b"PK\6\7" or place + _END64.size > end:
        raise ArchiveError("the zip64 locator is missing")
    signature, _, _, _, disk, first, here, count, size, offset = _END64.unpack_from(view, place)
    if signature != b"PK\6\6":
        raise ArchiveError("the zip64 end record is missing")
    return disk, first, here, count, size, offset, place


def _central(view: memoryview, count: int, size: int, offset: int) -> Iterator[tuple[int, str, Member]]:
    """Offset of the local header, raw name and facts of every entry."""
    place, limit, seen = offset, offset + size, set[str]()
    for _ in range(count):
        fields = _CENTRAL.unpack_from(view, place)
        flags, method, crc, compressed, full = fields[5], fields[6], *fields[9:12]
        name_size, extra_size, comment_size, disk, _, attributes, local = fields[12:]
        begin = place + _CENTRAL.size
        place = begin + name_size + extra_size + comment_size
        if fields[0] != b"PK\1\2" or place > limit:
            raise ArchiveError("the central directory is damaged")
        name = _name(bytes(view[begin : begin + name_size]), flags)
        if _FULL in (compressed, full, local):
            extra = bytes(view[begin + name_size : begin + name_size + extra_size])
            full, compressed, local = _zip64(extra, full, compressed, local, name)
        if name in seen:
            raise ArchiveError(f"`{name}` is there twice")
        seen.add(name)
        _acceptable(name, flags, method, disk, attributes)
        executable = bool(attributes >> 16 & 0o111)
        yield local, name, Member(name, 0, compressed, full, method, crc, executable)
    if place != limit:
        raise ArchiveError("the central directory holds more than it says")


def _name(raw: bytes, flags: int) -> str:
    """Decode a member's name: UTF-8, which also covers ASCII; code page 437 only where it is not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if flags & 0x800:
            raise ArchiveError(f"the name {raw!r} is not UTF-8") from None
        return raw.decode("cp437")


def _zip64(extra: bytes, full: int, compressed: int, local: int, name: str) -> tuple[int, int, int]:
    """Replace the fields that are full by those of the zip64 extra field."""
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, place)
        if kind == 1:
            values = iter(struct.unpack_from(f"<{size // 8}Q", extra, place + 4))
            try:
                full = next(values) if full == _FULL else full
                compressed = next(values) if compressed == _FULL else compressed
                local = next(values) if local == _FULL else local
            except StopIteration:
                break
            return full, compressed, local
        place += 4 + size
    raise ArchiveError(f"the zip64 sizes of `{name}` are missing")


def _acceptable(name: str, flags: int, method: int, disk: int, attributes: int) -> None:
    if flags & 0x41:
        raise ArchiveError(f"`{name}` is encrypted")
    if method not in (STORED, DEFLATED):
        raise ArchiveError(f"`{name}` is packed with method {method}; wheels use 0 and 8")
    if disk:
        raise ArchiveError(f"`{name}` is in another part of the archive")
    kind = attributes >> 16 & _TYPE
    if kind not in (0, _REGULAR, _FOLDER):
        raise ArchiveError(f"`{name}` is a link or a special file")


def _located(view: memoryview, entries: list[tuple[int, str, Member]], limit: int) -> Iterator[Member]:
    """Members with the place of their data; each must begin after the one before has ended."""
    free = 0
    for local, name, member in entries:
        signature, *_, name_size, extra_size = fields = _LOCAL.unpack_from(view, local)
        start = local + _LOCAL.size + name_size + extra_size
        raw = bytes(view[local + _LOCAL.size : local + _LOCAL.size + name_size])
        if signature != b"PK\3\4" or fields[4] != member.method or _name(raw, fields[3]) != name:
            raise ArchiveError(f"the two headers of `{name}` differ")
        if local < free or start + member.compressed > limit:
            raise ArchiveError(f"`{name}` shares bytes with another member")
        free = start + member.compressed
        if member.method == STORED and member.compressed != member.size:
            raise ArchiveError(f"the sizes of `{name}` differ though it is not packed")
        if not name.endswith("/"):
            yield Member(
                name, start, member.compressed, member.size, member.method, member.crc, member.executable
            )
        elif member.size:
            raise ArchiveError(f"`{name}` is a folder with contents")
