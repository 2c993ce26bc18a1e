"""Unpacked wheels in the store, by the SHA-256 of their archive: made once, hard-linked into every layer.

::

    <sha256>/entry.json           what it holds; written before the folder gets its name
    <sha256>/{site,bin,include,data}/...   the files, by install scheme
    <sha256>/bytecode/<tag>/...   bytecode of `site`, added later file by file, by whoever compiled it; the
                                  CRC-32 of a file is the end of its name
    partial/<sha256>.<boot>       the beginning of a large download
    tmp/<boot>-<random>/          workspaces; each holds a lock while its process lives

An entry is made in a workspace and renamed, so it is whole or absent whenever a process dies. Nothing waits
for the disk: an entry from before the last boot of the host is looked over once it is needed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shim.contents import is_whole
from shim.warm import boot_id

ENTRY = "entry.json"
BYTECODE = "bytecode"
_VERSION = 3
_TEMPORARY, _PARTIAL, _LOCK = "tmp", "partial", "lock"
#: Seconds after which a workspace is left over whose lock tells nothing: of another host, or without locks.
_LEFT_OVER = 2 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class File:
    """One file of an entry: path with its scheme's folder first, bytes, and hash as RECORD writes it."""

    path: str
    size: int
    hash: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What an unpacked wheel is made of; ``commands`` are names, and the modules that they import."""

    dist_info: str
    files: tuple[File, ...]
    commands: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A complete entry: its folder and what is in it."""

    folder: Path
    contents: Contents


class Cache:
    """The provider's folder in the store; any number of processes may work in it at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._boot = boot_id().decode()

    def find(self, sha256: str) -> Entry | None:
        """The entry of a wheel; one that cannot be read or was cut short by a crash is removed."""
        folder = self.folder / sha256
        judged = _identity(folder)
        try:
            fields = json.loads((folder / ENTRY).read_bytes())
            files = tuple(File(*file) for file in fields["files"])
            known = fields["version"] == _VERSION
            entry = Entry(
                folder,
                Contents(
                    fields["dist-info"], files, tuple((name, module) for name, module in fields["commands"])
                ),
            )
        except FileNotFoundError:
            if judged is None:  # what is there now was published meanwhile, whole: next time
                return None
            known, entry = False, None
        except (ValueError, KeyError, TypeError):
            known, entry = False, None
        if not known or (entry and fields["boot"] != self._boot and not _intact(entry)):
            self.discard(sha256, judged)
            return None
        return entry

    def publish(self, made: Path, sha256: str, contents: Contents) -> Entry:
        """Give a folder made in a workspace its name; if another process was faster, take that one's."""
        fields = {
            "version": _VERSION,
            "boot": self._boot,
            "dist-info": contents.dist_info,
            "commands": contents.commands,
            "files": [(file.path, file.size, file.hash) for file in contents.files],
        }
        (made / ENTRY).write_bytes(json.dumps(fields, separators=(",", ":")).encode())
        target = self.folder / sha256
        try:
            made.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            return self.find(sha256) or self.publish(made, sha256, contents)
        return Entry(target, contents)

    def discard(self, sha256: str, judged: tuple[int, int] | None) -> None:
        """Take an entry away: renamed first, so that nobody finds half of it.

        :param judged: the identity of what is to go; what somebody has published since in its place stays
        """
        place = self.folder / sha256
        with self.workspace() as workspace, contextlib.suppress(FileNotFoundError):
            if _identity(place) != judged:
                return
            place.rename(workspace / sha256)
            if _identity(workspace / sha256) != judged:  # published between these two lines
                with contextlib.suppress(OSError):
                    (workspace / sha256).rename(place)

    def discard_ruin(self, entry: Entry, lost: str) -> None:
        """Take an entry away of which a file is not there; not one that somebody else has put in its place."""
        judged = _identity(entry.folder)
        if judged and not (entry.folder / lost).exists():
            self.discard(entry.folder.name, judged)

    def partial(self, sha256: str) -> Path:
        """Where the beginning of a large download is kept for the next attempt, on this host and in this boot.

        Not shared with other hosts: their locks may not be seen here.
        """
        folder = self.folder / _PARTIAL
        folder.mkdir(parents=True, exist_ok=True)
        return folder / self._partial(sha256)

    def _partial(self, sha256: str) -> str:
        return f"{sha256}.{self._boot[:8]}"

    def kept(self, sha256: str) -> int:
        """How much of a large download an earlier start has left, in bytes."""
        try:
            return (self.folder / _PARTIAL / self._partial(sha256)).stat().st_size
        except OSError:
            return 0

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A private folder on the same file system, removed at the end whatever happens."""
        lock = None
        while lock is None:
            folder = self.folder / _TEMPORARY / f"{self._boot[:8]}-{os.urandom(8).hex()}"
            lock = _claim(folder)
        try:
            yield folder
        finally:
            _remove(folder)
            os.close(lock)

    def sweep(self) -> None:
        """Remove what killed processes have left in ``tmp``, and beginnings of downloads that nobody went on with."""
        with contextlib.suppress(OSError):
            for path in (self.folder / _PARTIAL).iterdir():
                with contextlib.suppress(OSError):
                    if _is_old(path):
                        path.unlink()
        with contextlib.suppress(OSError):
            for folder in (self.folder / _TEMPORARY).iterdir():
                with contextlib.suppress(OSError):
                    self._sweep(folder)

    def _sweep(self, folder: Path) -> None:
        """Remove a workspace in which nobody works: on this kernel its lock tells, elsewhere its age."""
        if not folder.name.startswith(self._boot[:8]):
            if _is_old(folder):
                _remove(folder)
            return
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            folder.rmdir()  # works only while it is empty; an owner who is about to lock it makes another
            return
        try:
            free = _lock(lock)
            if free or (free is None and _is_old(folder)):
                _remove(folder)  # with the lock held, so that an owner who has yet to lock it notices
        finally:
            os.close(lock)


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from one that gets its name later."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _claim(folder: Path) -> int | None:
    """Make a workspace and lock it; `None` if a sweep took it before it was locked."""
    folder.mkdir(parents=True)
    try:
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    if _lock(lock) is not False and (folder / _LOCK).exists():
        return lock
    os.close(lock)
    return None


def _lock(handle: int) -> bool | None:
    """Whether the lock was free; `None` where the file system has none."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove(folder: Path) -> None:
    """Remove a workspace, its lock last: death in the middle leaves one that can be asked for its lock."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name != _LOCK:
                shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _is_old(folder: Path) -> bool:
    return time.time() - folder.stat().st_mtime > _LEFT_OVER


def _intact(entry: Entry) -> bool:
    """Whether every file is what it was; bytecode that a crash of the host has cut short is removed."""
    for folder, _, names in os.walk(entry.folder / BYTECODE):
        for path in (Path(folder, name) for name in names if ".pyc." in name):
            if not is_whole(path, f"crc32={path.suffix[1:]}"):
                path.unlink(missing_ok=True)
    return all(is_whole(entry.folder / file.path, file.hash) for file in entry.contents.files)
