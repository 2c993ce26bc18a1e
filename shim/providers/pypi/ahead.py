"""Members of a large wheel, unpacked while it still arrives: it is ready soon after its last byte, not seconds later.

Nothing of this counts until the whole archive is verified. `shim.providers.pypi.unpack` then takes a file over only
where the central directory and RECORD say the same of it as the local header did, and throws everything away
otherwise. Members are read in the order of their data by their local headers alone, so what those do not tell (data
descriptors, zip64) and everything that is odd just ends the work here.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shim.providers.pypi import wheel
from shim.providers.pypi.archive import ArchiveError, Member, check_growth, following
from shim.providers.pypi.files import Folder, write_all
from shim.providers.pypi.inflate import Inflater, Library, inflater

#: Archives of so many bytes are worth a thread of their own.
LARGE = 4 << 20
#: Members above this size are unpacked piece by piece as they arrive, others once they are there.
_IN_PIECES = 16 << 20
_WINDOW = 1 << 20
_STEP = 0.1


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


class LostError(Exception):
    """What was received is thrown away, or nobody waits for it any more."""


class Ahead:
    """Unpacks one archive into a folder, in a thread of its own, as far as it has come."""

    def __init__(self, folder: Path, fast: Library | None, check: Callable[[], None]) -> None:
        """``check`` raises what shall end the work from outside."""
        self._folder, self._files = folder, Folder(folder)
        self._fast = fast
        self._check = check
        self._changed = threading.Condition()
        self._received = 0
        self._lost = False
        self._placed: dict[str, Placed] = {}
        self._thread: threading.Thread | None = None

    def follow(self, download: Arriving) -> None:
        """Begin, where it is worth it and a thread can be had; the archive is unpacked later otherwise."""
        if download.size < LARGE:
            return
        source = _Window(download, self._wait)
        self._thread = threading.Thread(target=self._run, args=(source, download.size), daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None

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
        if self._thread is not None:
            self._thread.join()

    def placed(self) -> dict[str, Placed]:
        """What was unpacked, by name, once all has arrived; waits for the thread."""
        if self._thread is not None:
            self._thread.join()
        return {} if self._lost else self._placed

    def _run(self, source: _Window, size: int) -> None:
        slow, fast = Inflater(source), inflater(source, self._fast)
        try:
            place = total = 0
            while member := following(source, place):
                place, total = member.start + member.compressed, total + member.size
                check_growth(total, size)
                if _has_known_place(member):
                    self._place(member, slow if member.size > _IN_PIECES and not source.has(place) else fast)
        except (ArchiveError, OSError, LostError, zlib.error):
            pass  # whatever it is, it is met again, and told, when the whole is unpacked
        except BaseException:  # the work as a whole ends, for a reason that others tell
            self._lost = True

    def _place(self, member: Member, source: Inflater) -> None:
        with self._files.opened(place(member), 0o644) as target:
            try:
                digest = _unpack(member, source, target)
            except BaseException:
                self._files.remove(place(member))
                raise
        self._placed[member.name] = Placed(member, digest)

    def _wait(self, end: int) -> int:
        """Wait until so many bytes are there; the result is how many are."""
        with self._changed:
            while self._received < end and not self._lost:
                self._changed.wait(_STEP)
                self._check()
            if self._lost:
                raise LostError
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

    def has(self, end: int) -> bool:
        """Whether what comes before ``end`` is there already."""
        return self._wait(0) >= end


def _unpack(member: Member, source: Inflater, target: int) -> bytes:
    """Unpack a member into an open, empty file; return its SHA-256."""
    if member.size > _IN_PIECES:
        return source.copy(member, target)
    content = source.read(member)
    write_all(target, content)
    return hashlib.sha256(content).digest()


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
