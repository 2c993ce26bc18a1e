"""Unpack deflated data: with libdeflate and ISA-L where they lie beside the interpreter, with zlib elsewhere.

libdeflate takes whole buffers, needs no copies and was 2.4 times as fast as zlib (1.2.13) on real wheels; ISA-L
takes what arrives piece by piece, twice as fast as zlib. They are only loaded from the folder of the interpreter's
own libraries: one found in a base image may be built for another C library.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shim.providers.pypi import machine
from shim.providers.pypi.archive import DEFLATED, ArchiveError, Buffer, Member, Part
from shim.providers.pypi.files import write_all

LIBRARY, STREAMS = "libdeflate.so.0", "libisal.so.2"
_PIECE = 1 << 20
#: Larger members are unpacked piece by piece: this many bytes, or this part of the container's memory.
_AT_ONCE, _PART = 256 << 20, 16


class Inflater:
    """Unpacks members of one archive; not shared between threads.

    :param part: gives the archive's bytes; writable ones save fast inflaters a copy
    """

    def __init__(self, part: Part) -> None:
        self._part = part

    def read(self, member: Member) -> Buffer:
        """The unpacked bytes of a member, exactly `member.size` of them; to be used before the next call.

        :raises ArchiveError: where the data are damaged or of another size
        """
        packed = self._part(member.start, member.start + member.compressed)
        if member.method != DEFLATED:
            return packed
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # One byte more than allowed tells a longer stream from a whole one, without unpacking all of it.
            content = stream.decompress(packed, member.size + 1)
        except zlib.error as error:
            raise ArchiveError(f"`{member.name}` is damaged: {error}") from None
        if len(content) != member.size or not stream.eof or stream.unused_data:
            raise ArchiveError(f"`{member.name}` does not have the size it claims")
        return content

    def copy(self, member: Member, target: int, algorithm: str = "sha256") -> bytes:
        """Unpack a member into an open, empty file; return its hash.

        :raises ArchiveError: where the data are damaged or of another size
        """
        return self.copy_in_pieces(member, target, algorithm)

    def copy_in_pieces(self, member: Member, target: int, algorithm: str = "sha256") -> bytes:
        """The same with little memory, while the data still arrive."""
        digest, written = hashlib.new(algorithm), 0
        for piece in self._pieces(member):
            written += len(piece)
            if written > member.size:
                break
            digest.update(piece)
            write_all(target, piece)
        if written != member.size:
            raise ArchiveError(f"`{member.name}` does not have the size it claims")
        return digest.digest()

    def _pieces(self, member: Member) -> Iterator[Buffer]:
        end = member.start + member.compressed
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        for place in range(member.start, end, _PIECE):
            rest: Buffer = self._part(place, min(place + _PIECE, end))
            if member.method != DEFLATED:
                yield rest
                continue
            while rest and not stream.eof:
                try:
                    yield stream.decompress(rest, _PIECE)
                except zlib.error as error:
                    raise ArchiveError(f"`{member.name}` is damaged: {error}") from None
                rest = stream.unconsumed_tail
            if rest and stream.eof:
                break
        if member.method == DEFLATED:
            yield stream.flush()
            if not stream.eof or stream.unused_data:
                raise ArchiveError(f"`{member.name}` does not have the size it claims")


class FastInflater(Inflater):
    """The same through libdeflate."""

    def __init__(self, part: Part, library: Library) -> None:
        super().__init__(part)
        self._library = library

    def read(self, member: Member) -> Buffer:
        """The unpacked bytes of a member; see `Inflater.read`."""
        if member.method != DEFLATED or not member.size:
            return super().read(member)
        packed = self._part(member.start, member.start + member.compressed)
        content = self._library.scratch(member.size)
        if not self._library.inflate(packed, content):
            raise ArchiveError(f"`{member.name}` is damaged, or not of the size it claims")
        return content

    def copy(self, member: Member, target: int, algorithm: str = "sha256") -> bytes:
        """Unpack through memory where that much may be used; see `Inflater.copy`.

        Not into the mapped file: on a full disk that is the end of the process (SIGBUS), and the file has its
        whole size before it has its content.
        """
        if member.method != DEFLATED or member.size > self._library.at_once:
            return super().copy(member, target, algorithm)
        content = self.read(member)
        write_all(target, content)
        return hashlib.new(algorithm, content).digest()

    def _pieces(self, member: Member) -> Iterator[Buffer]:
        streams = self._library.streams
        if member.method != DEFLATED or streams is None:
            yield from super()._pieces(member)
            return
        stream, end = streams.begin(), member.start + member.compressed
        for place in range(member.start, end, _PIECE):
            packed = self._part(place, min(place + _PIECE, end))
            try:
                yield from stream.unpack(memoryview(packed))
            except ValueError as error:
                raise ArchiveError(f"`{member.name}` is damaged: {error}") from None
        if stream.left:
            raise ArchiveError(f"`{member.name}` does not have the size it claims")


class Library:
    """A loaded libdeflate; each thread has a decompressor of its own."""

    def __init__(self, path: str) -> None:
        """Load the library. Raise `OSError` where that cannot be done."""
        import ctypes

        self._ctypes = ctypes
        library = ctypes.CDLL(path)
        library.libdeflate_alloc_decompressor.restype = ctypes.c_void_p
        library.libdeflate_free_decompressor.argtypes = [ctypes.c_void_p]
        self._decompress: Any = library.libdeflate_deflate_decompress
        size, pointer = ctypes.c_size_t, ctypes.c_void_p
        self._decompress.argtypes = [pointer, pointer, size, pointer, size, pointer]
        self._allocate: Any = library.libdeflate_alloc_decompressor
        self._free: Any = library.libdeflate_free_decompressor
        self._own = threading.local()
        #: For what is unpacked piece by piece; zlib does it without.
        self.streams = _streams(Path(path).with_name(STREAMS))
        self.at_once = min(_AT_ONCE, machine.memory() // _PART)

    def scratch(self, size: int) -> memoryview:
        """Memory of this thread, used again and again: fresh pages cost more than what is written to them."""
        scratch: bytearray = getattr(self._own, "scratch", bytearray())
        if len(scratch) < size:
            scratch = self._own.scratch = bytearray(max(size, _PIECE))
        return memoryview(scratch)[:size]

    def inflate(self, packed: memoryview, content: memoryview) -> bool:
        """Fill ``content`` from ``packed``; whether that worked and gave exactly as many bytes."""
        if not packed:
            return False
        decompressor = getattr(self._own, "decompressor", None)
        if decompressor is None:
            decompressor = self._own.decompressor = _Decompressor(self._allocate(), self._free)
        source = self._address(packed)
        target = self._ctypes.addressof(self._ctypes.c_char.from_buffer(content))
        result = self._decompress(decompressor.handle, source, len(packed), target, len(content), None)
        return bool(result == 0)

    def _address(self, packed: memoryview) -> Any:
        """A pointer to the data; a copy only where the buffer is read-only."""
        if packed.readonly:
            return bytes(packed)
        return self._ctypes.addressof(self._ctypes.c_char.from_buffer(packed))


class Streams:
    """A loaded ISA-L. Of its ``inflate_state`` the first fields are ours, the rest is its own (``igzip_lib.h``)."""

    #: More than any version needs for a state: tables of 30, a window of 66 kB.
    _STATE = 1 << 18

    def __init__(self, path: str) -> None:
        """Load the library. Raise `OSError` or `AttributeError` where that cannot be done."""
        import ctypes

        class State(ctypes.Structure):
            _fields_ = (
                ("next_out", ctypes.c_void_p), ("avail_out", ctypes.c_uint32), ("total_out", ctypes.c_uint32),
                ("next_in", ctypes.c_void_p), ("read_in", ctypes.c_uint64), ("avail_in", ctypes.c_uint32),
                ("read_in_length", ctypes.c_int32), ("rest", ctypes.c_char * self._STATE),
            )  # fmt: skip

        self._state = State
        self.ctypes = ctypes
        library = ctypes.CDLL(path)
        self.inflate: Any = library.isal_inflate
        self._init: Any = library.isal_inflate_init
        for function in (self.inflate, self._init):
            function.argtypes = [ctypes.c_void_p]

    def begin(self) -> Stream:
        """A stream of its own."""
        state = self._state()
        self._init(self.ctypes.addressof(state))
        return Stream(self, state)


class Stream:
    """One deflated stream on its way."""

    _ROOM = 1 << 18  # what is unpacked at once is hashed and written while the processor's cache has it

    def __init__(self, library: Streams, state: Any) -> None:
        self._library = library
        self._state = state
        self._room = bytearray(self._ROOM)
        self._target = library.ctypes.c_char.from_buffer(self._room)

    @property
    def left(self) -> int:
        """Bytes that are behind the stream's end, once everything was given; some are in the state already."""
        return int(self._state.avail_in + max(0, self._state.read_in_length) // 8)

    def unpack(self, packed: memoryview) -> Iterator[Buffer]:
        """What a piece gives, each part to be used before the next. Raise `ValueError` where the data are damaged."""
        if self._state.avail_in:
            raise ValueError("data behind its end")
        ctypes, state, view = self._library.ctypes, self._state, memoryview(self._room)
        kind = ctypes.c_char * len(packed)
        source = kind.from_buffer_copy(packed) if packed.readonly else kind.from_buffer(packed)
        state.next_in, state.avail_in = ctypes.addressof(source), len(packed)
        while True:
            state.next_out, state.avail_out = ctypes.addressof(self._target), self._ROOM
            error = self._library.inflate(ctypes.addressof(state))
            if error < 0:
                raise ValueError(f"igzip error {error}")
            yield view[: self._ROOM - state.avail_out]
            if state.avail_out:
                return


def _streams(path: Path) -> Streams | None:
    try:
        return Streams(str(path)) if path.is_file() else None
    except (OSError, AttributeError):
        return None


class _Decompressor:
    """A handle of libdeflate, freed with its thread."""

    def __init__(self, handle: int, free: Any) -> None:
        self.handle = handle
        self._free = free

    def __del__(self) -> None:
        self._free(self.handle)


def library(path: str = "") -> Library | None:
    """Load libdeflate from ``path``, by default beside the running interpreter; `None` without it."""
    place = path or str(Path(os.path.realpath(sys.executable)).parent.parent / "lib" / LIBRARY)
    if not Path(place).is_file():
        return None
    try:
        return Library(place)
    except (OSError, ImportError, AttributeError):
        return None


def inflater(part: Part, fast: Library | None) -> Inflater:
    """The best inflater there is for an archive."""
    return FastInflater(part, fast) if fast else Inflater(part)


def whole(data: Buffer) -> Part:
    """Parts of an archive that is there."""
    view = memoryview(data)
    return lambda begin, end: view[begin:end]
