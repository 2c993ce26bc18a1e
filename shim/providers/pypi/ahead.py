"""Members of a large wheel, unpacked while it still arrives: it is ready soon after its last byte, not seconds later.

Nothing of this counts until the whole archive is verified. `shim.providers.pypi.unpack` then takes a file over only
where the central directory and RECORD say the same of it as the local header did, and throws everything away
otherwise. Members are read in the order of their data by their local headers alone, so what those do not tell (data
descriptors, zip64) and everything that is odd just ends the work here.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shim.providers.pypi import machine, wheel
from shim.providers.pypi.archive import ArchiveError, Member, following
from shim.providers.pypi.files import Folder, write_all
from shim.providers.pypi.inflate import Library, inflater

#: Archives of so many bytes are worth a thread of their own.
LARGE = 4 << 20
#: Members above this size, or this part of the container's memory, are unpacked piece by piece as they arrive, others
#: once they are there.
_IN_PIECES, _PART = 16 << 20, 256
_WINDOW = 1 << 20
#: Before an archive is verified less is believed than afterwards: members, bytes, and times what has arrived.
_MOST_MEMBERS, _MUCH, _RATIO = 100_000, 256 << 20, 20
_STEP = 0.1
#: Members are told of so many at a time.
_TOLD = 32


@dataclass(frozen=True, slots=True)
class Placed:
    """A member that was unpacked to `place`, as its local header describes it, and the SHA-256 of its content."""

    member: Member
    digest: bytes


class Arriving(Protocol):
    """A download: its whole size, and any part of it that was received, writable."""

    size: int

    def part(self, begin: int, end: int) -> memoryview:
        """Bytes that were received."""


class Starter(Protocol):
    """Who has threads and ends them together."""

    def start(self, work: Callable[[], None]) -> threading.Thread:
        """Run something in a thread."""

    def check(self) -> None:
        """Raise what shall end the work."""


class EndedError(Exception):
    """What is waited for does not come."""


class Ahead:
    """Unpacks one archive into a folder, in a thread of its own, as far as it has come."""

    def __init__(
        self,
        folder: Path,
        fast: Library | None,
        crew: Starter,
        tell: Callable[[Path, list[str]], None] = lambda _folder, _names: None,
    ) -> None:
        """`tell` is called with names of members that lie below the folder, while others are still to come."""
        self._folder, self._tell = folder, tell
        self._files = Folder(folder)
        self._fast = fast
        self._crew = crew
        self._in_pieces = min(_IN_PIECES, machine.memory() // _PART)
        self._changed = threading.Condition()
        self._received = 0
        self._complete = self._lost = False
        self._placed: dict[str, Placed] = {}
        self._thread: threading.Thread | None = None

    def follow(self, download: Arriving) -> None:
        """Begin, where it is worth it and a thread can be had; the archive is unpacked later otherwise."""
        if download.size >= LARGE:
            source = _Window(download, self._wait)
            with contextlib.suppress(RuntimeError):
                self._thread = self._crew.start(lambda: self._run(source))

    def arrived(self, received: int) -> None:
        """So many bytes are there now."""
        with self._changed:
            self._received = received
            self._changed.notify_all()

    def lose(self) -> None:
        """The download begins again, or has failed: nothing of it is of use."""
        with self._changed:
            self._lost = True
            self._changed.notify_all()
        self._end()

    def placed(self) -> dict[str, Placed]:
        """What was unpacked, by name, once all has arrived; waits for the thread."""
        with self._changed:
            self._complete = True
            self._changed.notify_all()
        self._end()
        return {} if self._lost else self._placed

    def _end(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _run(self, source: _Window) -> None:
        """Unpack what comes. An odd header ends this; after anything else nothing of it can be told to be whole."""
        try:
            new: list[str] = []
            for member in _members(source):
                if new and (len(new) >= _TOLD or member.size > self._in_pieces):
                    self._tell(self._folder, new)
                    new = []
                if _has_known_place(member):
                    self._place(member, source)
                    new.append(member.name)
            self._tell(self._folder, new)
        except _OddError:
            pass
        except BaseException as error:
            self._lost = True
            if not isinstance(error, ArchiveError | OSError | EndedError):
                raise  # the end of the work, or a mistake: the crew's

    def _place(self, member: Member, source: _Window) -> None:
        with self._files.opened(place(member), 0o644) as target:
            if member.size > self._in_pieces:
                digest = inflater(source, self._fast).copy_in_pieces(member, target)
            else:
                content = inflater(source, self._fast).read(member)
                write_all(target, content)
                digest = hashlib.sha256(content).digest()
        self._placed[member.name] = Placed(member, digest)

    def _wait(self, end: int) -> int:
        """Wait until so many bytes are there; the result is how many are."""
        self._crew.check()
        with self._changed:
            while self._received < end and not self._lost and not self._complete:
                self._changed.wait(_STEP)
                self._crew.check()
            if self._lost or self._received < end:
                raise EndedError
            return self._received


class _Window:
    """Parts of a download, which are waited for; a stretch is held, since most members are small."""

    def __init__(self, download: Arriving, wait: Callable[[int], int]) -> None:
        self._download, self._wait = download, wait
        self._begin, self._held = 0, memoryview(b"")

    def __call__(self, begin: int, end: int) -> memoryview:
        if end > self._download.size:
            raise ArchiveError("the archive is cut short")
        if not self._begin <= begin <= end <= self._begin + len(self._held):
            there = self._wait(end)
            self._begin, self._held = begin, self._download.part(begin, max(end, min(there, begin + _WINDOW)))
        return self._held[begin - self._begin : end - self._begin]


class _OddError(Exception):
    """A header that members cannot be told from, which does not say that those before are wrong."""


def _members(source: _Window) -> Iterator[Member]:
    """Members in the order of their data, until something is odd or too much."""
    place = count = total = 0
    while True:
        try:
            member = following(source, place)
        except (ArchiveError, struct.error) as error:
            raise _OddError from error
        if member is None:
            return
        place, count, total = member.start + member.compressed, count + 1, total + member.size
        if count > _MOST_MEMBERS or total > max(_MUCH, _RATIO * place):
            raise _OddError
        yield member


def place(member: Member) -> str:
    """Where a member is put, below the folder."""
    return f"{wheel.SITE}/{member.name}"


def _has_known_place(member: Member) -> bool:
    """Whether it is a file that goes to ``site`` whatever the wheel's metadata say.

    :raises ArchiveError: for a name that no wheel may have
    """
    if member.name.endswith("/"):
        return False
    wheel.check_name(member.name)
    top = member.name.partition("/")[0]
    return not top.endswith((".data", ".dist-info"))
