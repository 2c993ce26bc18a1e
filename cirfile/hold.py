"""Who is at work on something in the store: a file that its owner keeps locked and keeps touching.

A hold saves double work and is never needed for correctness, because publishing is atomic. Two
signs tell whether the owner is alive:

- its POSIX record lock, which the kernel drops when the owner dies, however it dies, and which
  containers of one host see of each other whatever process namespaces they have;
- its heartbeat, the modification time, renewed every few seconds. It decides where the file system
  has no locks (Lustre without ``-o flock``, some NFS mounts), where locks hold within one host only
  (Lustre with ``-o localflock``, NFS with ``local_lock=all``) and where the owner is alive but
  stopped. A waiter compares it only with itself and measures with its own clock, so clocks of
  different hosts need not agree.

So a free lock says that the owner is dead if it was an owner of this host and boot, whose identifier is
in the file; the file of another one is taken when nobody has touched it for a long time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

#: Seconds between heartbeats, and without one after which an owner is passed over.
HEARTBEAT = 5.0
STALE = 30.0
#: Seconds after which a file of another host or boot is one that was left; clocks may be apart by that much.
LEFT = 600.0
#: Seconds between two looks at another's work: the first and the longest pause.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25
#: What an owner's file says where the file system has no locks; else it says `boot`.
NO_LOCKS = b"no locks\n"
#: A pause after which the wait is worth a line.
_TELL = 0.04

_BUSY = (errno.EACCES, errno.EAGAIN)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Hold:
    """A hold that this process has."""

    #: Those of this process: the kernel would grant it each of them again, and drop the lock afterwards.
    _mine: ClassVar[set[Path]] = set()
    _one_at_a_time: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._released = threading.Event()

    @classmethod
    def take(cls, path: Path, *, seize: bool = False) -> Hold | None:
        """Take the hold on `path`; `None` while somebody else has it.

        :param seize: take it away from an owner whose heartbeat has stopped (see `Watch`)
        """
        with cls._one_at_a_time:
            if path in cls._mine:
                return None
            if seize:
                path.unlink(missing_ok=True)
            hold = cls._take(path)
            if hold:
                cls._mine.add(path)
            return hold

    @classmethod
    def _take(cls, path: Path) -> Hold | None:
        for _ in range(10):
            try:
                handle, created = _open(path)
            except PermissionError:
                if path.exists():  # made by another user of a shared store
                    return None
                raise
            try:
                locked = _lock(handle)
                mine = created if locked is None else locked and (created or not _is_anothers(handle))
                if mine and _is(path, handle):
                    _mark(handle, has_lock=locked is not None)
                    return cls(path, handle)
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)
            if not mine:
                return None
        return None

    def keep(self) -> None:
        """Renew the heartbeat from a thread until the hold is released."""
        threading.Thread(target=self._beat, name="cir-heartbeat", daemon=True).start()

    def release(self) -> None:
        """Let others have it: remove the file, then the lock."""
        self._released.set()
        with self._one_at_a_time:  # else a sweep of this process takes it in between, and loses its file
            self._mine.discard(self.path)
            if _is(self.path, self._handle):
                self.path.unlink(missing_ok=True)
            os.close(self._handle)

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT):
            try:
                os.utime(self.path)
            except OSError:
                return


class Watch:
    """Watches somebody else's hold for a heartbeat."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._since = time.monotonic()

    def stopped(self) -> bool:
        """Whether there was no heartbeat for `STALE` seconds of this watch."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        now = (found.st_ino, found.st_mtime_ns)
        if now != self._seen:
            self._seen = now
            self._since = time.monotonic()
        return time.monotonic() - self._since > STALE


def claim_or_wait(
    path: Path, is_done: Callable[[], bool], say: Callable[[str], object], check: Callable[[], None]
) -> Hold | None:
    """The claim on a piece of work, or `None` once somebody else has done it.

    :param path: the claim
    :param is_done: whether the work is done
    :param say: told once that somebody else is at work
    :param check: raises once the deadline has passed
    """
    watch = Watch(path)
    pause = _FIRST_PAUSE
    told = False
    while True:
        claim = Hold.take(path, seize=watch.stopped())
        if is_done():
            if claim:
                claim.release()
            return None
        if claim:
            return claim
        if not told and pause > _TELL:
            told = True
            say("waiting for another container that makes the same platform layer")
        check()
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _open(path: Path) -> tuple[int, bool]:
    """A handle of the file, and whether this call made it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    while True:
        try:
            return os.open(path, flags | os.O_EXCL, 0o666), True
        except FileExistsError:
            pass
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC), False
        except FileNotFoundError:
            continue  # released in between


def _lock(handle: int) -> bool | None:
    """Whether the lock was free; `None` where the file system has none."""
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _BUSY else None
    return True


def _mark(handle: int, *, has_lock: bool) -> None:
    """Say whose the file is. A lock serves without that, on a disk that has no room left for a word."""
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, boot() if has_lock else NO_LOCKS, 0)
    except OSError:
        if not has_lock:
            raise


def _is_anothers(handle: int) -> bool:
    """Whether a file whose lock is free may have an owner: one that got no lock, or whose lock is not seen here."""
    owner = os.pread(handle, 100, 0)
    if owner == NO_LOCKS:
        return True
    return owner not in (b"", boot()) and abs(time.time() - os.fstat(handle).st_mtime) < LEFT


def boot() -> bytes:
    """What tells this host and boot of it from others; containers have it in common."""
    try:
        return _BOOT_ID.read_bytes()
    except OSError:
        return b""


def _is(path: Path, handle: int) -> bool:
    """Whether `path` still is the file of `handle`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False
