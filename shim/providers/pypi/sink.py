"""Where the bytes of a download go: memory or a file, hashed on the way, and begun again where needed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from shim.errors import UNAVAILABLE, ShimError
from shim.provider import Choice
from shim.providers.pypi.ahead import Ahead
from shim.providers.pypi.archive import Buffer
from shim.providers.pypi.cache import Cache
from shim.providers.pypi.files import write_all

#: Larger archives, and those of unknown size, go to a file, which a later start continues.
IN_MEMORY = 64 << 20
_PIECE = 1 << 20


class Sink:
    """Bytes received so far; ``received`` counts them, ``size`` is how many there will be, 0 while nobody knows."""

    def __init__(self, choice: Choice) -> None:
        self.received = 0
        self.size = choice.artifact.size
        self._follower: Ahead | None = None
        self._choice = choice
        self._digest = hashlib.sha256()

    def room(self) -> memoryview:
        """Memory for the next bytes, never empty."""
        raise NotImplementedError

    def took(self, count: int) -> None:
        """Note that so many bytes were put into `room`. Raise `ShimError` (69) where that is too many."""
        raise NotImplementedError

    def data(self) -> Buffer:
        """Everything that was received."""
        raise NotImplementedError

    def part(self, begin: int, end: int) -> memoryview:
        """Bytes that were received, writable, while others arrive; only until the next `reset`."""
        raise NotImplementedError

    def tell(self, follower: Ahead) -> None:
        """Tell somebody what arrives, once the size is known, until the next `reset`."""
        self._follower = follower
        follower.arrived(self.received)
        if self.size:
            follower.follow(self)

    def expect(self, size: int) -> None:
        """Note the size that a server tells; a lock need not know it, since not every index does."""
        if not self.size and size > 0:
            self.size = size
            if self._follower is not None:
                self._follower.follow(self)

    def reset(self) -> None:
        """Begin again with nothing."""
        if self._follower is not None:
            self._follower.lose()
            self._follower = None
        self.received = 0
        self._digest = hashlib.sha256()

    def right(self) -> bool:
        """Whether what was received is what the lock says."""
        return self._digest.hexdigest() == self._choice.artifact.sha256

    def _count(self, piece: memoryview) -> None:
        self._digest.update(piece)
        self.received += len(piece)
        if 0 < self._choice.artifact.size < self.received:
            raise wrong(self._choice, "longer")

    def _arrived(self) -> None:
        if self._follower is not None:
            self._follower.arrived(self.received)


class MemorySink(Sink):
    """A download of known size in memory: read into place, never copied."""

    def __init__(self, choice: Choice) -> None:
        super().__init__(choice)
        self._data = bytearray(choice.artifact.size)
        self._view = memoryview(self._data)
        self._excess = memoryview(bytearray(1))

    def room(self) -> memoryview:
        """The next piece of the whole; one byte beside it where the whole is full."""
        return self._view[self.received : self.received + _PIECE] or self._excess

    def took(self, count: int) -> None:
        """Hash what was put there."""
        self._count(self.room()[:count])
        self._arrived()

    def data(self) -> Buffer:
        """The whole, which fast inflaters want writable."""
        return self._data

    def part(self, begin: int, end: int) -> memoryview:
        """Just these bytes of the whole."""
        return self._view[begin:end]


class FileSink(Sink):
    """A download in an open file, continuing what the file already holds."""

    def __init__(self, choice: Choice, descriptor: int) -> None:
        super().__init__(choice)
        self._descriptor = descriptor
        self._room = memoryview(bytearray(_PIECE))
        while count := os.readv(descriptor, [self._room]):
            self._digest.update(self._room[:count])
            self.received += count
        if 0 < choice.artifact.size <= self.received and not self.right():
            self.reset()  # no more of it would make it right

    def room(self) -> memoryview:
        """A buffer, the same every time."""
        return self._room

    def took(self, count: int) -> None:
        """Hash and write what was put there."""
        self._count(self._room[:count])
        write_all(self._descriptor, self._room[:count])
        self._arrived()

    def part(self, begin: int, end: int) -> memoryview:
        """Read them from the file. Raise `OSError` where it has become shorter."""
        found = memoryview(bytearray(end - begin))
        read = 0
        while read < len(found):
            count = os.preadv(self._descriptor, [found[read:]], begin + read)
            if not count:
                raise OSError(errno.EIO, "the file of a download has become shorter")
            read += count
        return found

    def reset(self) -> None:
        """Empty the file."""
        super().reset()
        os.truncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)

    def data(self) -> Buffer:
        """The file mapped into memory; private and writable, so that fast inflaters need no copy."""
        if not self.received:
            raise wrong(self._choice, "shorter")
        return memoryview(mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_COPY))


@contextlib.contextmanager
def open_sink(choice: Choice, cache: Cache) -> Iterator[Sink]:
    """The right sink for a component. A file is removed once the ``with`` ends well, and kept otherwise."""
    if 0 < choice.artifact.size <= IN_MEMORY:
        yield MemorySink(choice)
        return
    place = cache.partial(choice.artifact.sha256)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = _locked(place, flags)
    if descriptor is None:
        place = place.with_name(f"{place.name}.{os.urandom(8).hex()}")
        descriptor = os.open(place, flags | os.O_EXCL, 0o600)
        place.unlink()
    try:
        yield FileSink(choice, descriptor)
        place.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _locked(place: Path, flags: int) -> int | None:
    """Open a file that belongs to this process alone; `None` where that can't be, so that it takes one without a name.

    Another process fetches the same, another user of a shared store has left it, or there are no locks here.
    """
    try:
        descriptor = os.open(place, flags, 0o666)
    except PermissionError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def wrong(choice: Choice, how: str) -> ShimError:
    """The error for a download that is ``longer``, ``shorter`` or ``another`` than the lock says."""
    name = choice.artifact.name
    message = f"{name} is {how} than the lock says"
    if how == "another":
        message = f"{name} does not have the SHA-256 that the lock says"
    hint = "the index, or something on the way, gives another file than when the image was built"
    return ShimError(UNAVAILABLE, f"{message}; nothing of it was kept", hint)
