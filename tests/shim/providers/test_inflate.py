"""Unpacking through libraries: what zlib gives, whole or piece by piece, and nothing else for damaged data."""

from __future__ import annotations

import hashlib
import os
import random
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shim.providers.pypi.archive import DEFLATED, ArchiveError, Member
from shim.providers.pypi.inflate import Inflater, Library, inflater, whole

TEXTS = [
    b"",
    b"x",
    b"the same again and again, " * 40_000,
    random.Random(1).randbytes(3 << 20),
    b"".join(b"%d %d\n" % (n, n * n) for n in range(200_000)),
    random.Random(2).randbytes(1 << 18),
]


def packed(text: bytes, level: int = 6) -> bytes:
    stream = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(text) + stream.flush()


def unpacked(fast: Library | None, data: bytes, size: int, folder: Path) -> tuple[bytes, bytes] | None:
    """Content and hash as `copy_in_pieces` gives them; nothing where it refuses."""
    member = Member("large.so", 0, len(data), size, DEFLATED, 0, False)
    target = os.open(folder / os.urandom(8).hex(), os.O_RDWR | os.O_CREAT)
    try:
        made: Inflater = inflater(whole(bytearray(data)), fast)
        digest = made.copy_in_pieces(member, target)
        os.lseek(target, 0, os.SEEK_SET)
        return os.read(target, size + 1), digest
    except ArchiveError:
        return None
    finally:
        os.close(target)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_in_pieces(tmp_path: Path, fast: Library | None, number: int, level: int) -> None:
    text = TEXTS[number]
    found = unpacked(fast, packed(text, level), len(text), tmp_path)
    assert found == (text, hashlib.sha256(text).digest())


def test_read_only_data(tmp_path: Path, fast: Library | None) -> None:
    text = TEXTS[4]
    data = packed(text)
    member = Member("large.so", 0, len(data), len(text), DEFLATED, 0, False)
    with (tmp_path / "file").open("wb") as target:
        digest = inflater(whole(data), fast).copy_in_pieces(member, target.fileno())
    assert digest == hashlib.sha256(text).digest()


@pytest.mark.parametrize(
    "change",
    [
        lambda data, size: (data, size - 1),
        lambda data, size: (data, size + 1),
        lambda data, size: (data + b"more", size),
        lambda data, size: (data + b"more" * (1 << 19), size),
        lambda data, size: (data[: len(data) // 2], size),
        lambda data, size: (b"", size),
        lambda data, size: (b"\xff" + data[1:], size),
    ],
)
@pytest.mark.parametrize("number", [2, 3, 4])
def test_what_is_not_as_it_claims_is_refused(
    tmp_path: Path, fast: Library | None, number: int, change: object
) -> None:
    text = TEXTS[number]
    data, size = change(packed(text), len(text))  # type: ignore[operator]
    assert unpacked(fast, data, size, tmp_path) is None


@given(st.binary(max_size=3000), st.integers(0, 9), st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_data_give_what_zlib_gives_or_nothing(
    tmp_path: Path, fast: Library | None, text: bytes, level: int, draw: st.DataObject
) -> None:
    """Not the same refusals: an end that is missing is no matter where everything before it is there."""
    text = text * 50
    data = bytearray(packed(text, level))
    for _ in range(draw.draw(st.integers(0, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] ^= draw.draw(st.integers(1, 255))
    data = data[: draw.draw(st.integers(len(data) // 2, len(data)))]
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        expected = stream.decompress(bytes(data)) + stream.flush()
    except zlib.error:
        expected = None
    found = unpacked(fast, bytes(data), len(text), tmp_path)
    if found is not None and expected is not None:
        assert found[0] == expected[: len(text)]
    if expected == text and stream.eof and not stream.unused_data:
        assert found == (text, hashlib.sha256(text).digest())
    if len(expected or b"") > len(text):
        assert found is None
