"""Archives: what real tools write is read as they read it, and whatever is odd is refused."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shim.providers.pypi.archive import ArchiveError, members
from shim.providers.pypi.inflate import Inflater
from shim.providers.pypi.inflate import whole as parts

NAMES = st.text(alphabet="abcDE_.é日-", min_size=1, max_size=12).filter(lambda name: name not in (".", ".."))
FILES = st.dictionaries(NAMES, st.binary(max_size=3000), max_size=8)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, **info: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            for field, value in info.items():
                setattr(entry, field, value)
            archive.writestr(entry, content)
    return target.getvalue()


@given(FILES, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_members_are_those_that_zipfile_wrote(files: dict[str, bytes], method: int) -> None:
    data = zipped(files, method)
    inflater = Inflater(parts(data))
    assert {member.name: bytes(inflater.read(member)) for member in members(data)} == files


@given(st.binary(max_size=400))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        members(data)


@settings(max_examples=500)
@given(FILES, st.data())
def test_a_damaged_archive_is_refused_or_read_within_its_bounds(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    whole = bytearray(zipped(files))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole))) :]
    try:
        inflater = Inflater(parts(bytes(whole)))
        for member in members(bytes(whole)):
            if member.size < 1 << 20:
                assert len(inflater.read(member)) == member.size
    except ArchiveError:
        pass


def test_zip64_is_read() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive, archive.open("large", "w", force_zip64=True) as stream:
        stream.write(b"content")
    assert [(m.name, m.size) for m in members(target.getvalue())] == [("large", 7)]


def test_executables_are_told() -> None:
    assert members(zipped({"run": b""}, external_attr=0o100755 << 16))[0].executable
    assert not members(zipped({"read": b""}, external_attr=0o100644 << 16))[0].executable


def central(data: bytes, offset: int, value: bytes) -> bytes:
    """Change bytes of the first central header."""
    place = data.index(b"PK\1\2") + offset
    return data[:place] + value + data[place + len(value) :]


def local(data: bytes, offset: int, value: bytes) -> bytes:
    return data[:offset] + value + data[offset + len(value) :]


def twice(data: bytes) -> bytes:
    return zipped({"a": b"1", "b": b"2"}).replace(b"b", b"a")


def overlapping(data: bytes) -> bytes:
    """Two entries that share one member's bytes, as in zip bombs."""
    both = zipped({"a": b"x" * 100, "b": b"y"})
    first = both.index(b"PK\1\2")
    second = both.index(b"PK\1\2", first + 1)
    offset = struct.pack("<L", 0)
    return both[: second + 42] + offset + both[second + 46 :]


HOSTILE: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("no end record", lambda data: b""),
    ("cut short", lambda data: data[:-5]),
    ("follow the end", lambda data: data + b"more"),
    ("not where", lambda data: b"prefix" + data),
    ("encrypted", lambda data: central(data, 8, b"\1")),
    ("method 12", lambda data: zipped({"a": b"1"}, zipfile.ZIP_BZIP2)),
    ("link or a special file", lambda data: zipped({"a": b"/etc/passwd"}, external_attr=0o120777 << 16)),
    ("link or a special file", lambda data: zipped({"a": b""}, external_attr=0o010644 << 16)),
    ("there twice", twice),
    ("headers of `a` differ", lambda data: local(data, 30, b"b")),
    ("headers of `a` differ", lambda data: local(data, 0, b"PK\3\5")),
    ("headers of `b` differ|shares bytes", overlapping),
    ("shares bytes", lambda data: central(data, 20, struct.pack("<L", 1 << 20))),
    ("several", lambda data: data[:-18] + b"\1" + data[-17:]),
    ("another part", lambda data: central(data, 34, b"\1")),
    ("folder with contents", lambda data: zipped({"a/": b"content"})),
    ("not packed", lambda data: central(zipped({"a": b"1234"}, zipfile.ZIP_STORED), 24, struct.pack("<L", 3))),
    ("would unpack to", lambda data: central(zipped({"a": b"1234"}), 24, struct.pack("<L", 0xFFFFFFF0))),
]  # fmt: skip


@pytest.mark.parametrize(("message", "make"), HOSTILE)
def test_hostile_archives_are_refused(message: str, make: Callable[[bytes], bytes]) -> None:
    data = make(zipped({"a": b"content " * 20}))
    with pytest.raises(ArchiveError, match=message):
        members(data)


@pytest.mark.parametrize("size", [0, 10, 159, 161, 5000])
def test_a_wrong_size_is_found_while_unpacking(size: int) -> None:
    data = central(zipped({"a": b"content " * 20}), 24, struct.pack("<L", size))
    with pytest.raises(ArchiveError, match="size"):
        Inflater(parts(data)).read(members(data)[0])
