"""Unpacked wheels in the store, by the SHA-256 of their archive: made once, hard-linked into every layer.

::

    <sha256>/entry.json           what it holds; written before the folder gets its name
    <sha256>/{site,bin,include,data}/...   the files, by install scheme
    <sha256>/bytecode/<tag>/...   bytecode of `site`, added later file by file, by whoever compiled it; the
                                  CRC-32 of a file is the end of its name
    partial/<sha256>              the beginning of a large download
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
from shim.paths import BOOT_ID

ENTRY = "entry.json"
BYTECODE = "bytecode"
_VERSION = 2
_TEMPORARY, _PARTIAL, _LOCK = "tmp", "partial", "lock"
#: A workspace of another host cannot be asked for its lock; after this many seconds it is left over.
_LEFT_OVER = 2 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class File:
    """One file of an entry: path with its scheme's folder first, bytes, and hash as RECORD writes it."""

    path: str
    size: int
    hash: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What an unpacked wheel is made of; ``modules`` are those that its commands import."""

    dist_info: str
    files: tuple[File, ...]
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A complete entry: its folder and what is in it."""

    folder: Path
    contents: Contents


class Cache:
    """The provider's folder in the store; any number of processes may work in it at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._boot = boot_id()

    def find(self, sha256: str) -> Entry | None:
        """The entry of a wheel; one that cannot be read or was cut short by a crash is removed."""
        folder = self.folder / sha256
        try:
            fields = json.loads((folder / ENTRY).read_bytes())
            files = tuple(File(*file) for file in fields["files"])
            known = fields["version"] == _VERSION
            entry = Entry(folder, Contents(fields["dist-info"], files, tuple(fields["modules"])))
        except FileNotFoundError:
            known = not folder.exists()
            entry = None
        except (ValueError, KeyError, TypeError):
            known, entry = False, None
        if not known or (entry and fields["boot"] != self._boot and not _intact(entry)):
            self.discard(sha256)
            return None
        return entry

    def publish(self, made: Path, sha256: str, contents: Contents) -> Entry:
        """Give a folder made in a workspace its name; if another process was faster, take that one's."""
        fields = {
            "version": _VERSION,
            "boot": self._boot,
            "dist-info": contents.dist_info,
            "modules": contents.modules,
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

    def discard(self, sha256: str) -> None:
        """Take an entry away: renamed first, so that nobody finds half of it."""
        with self.workspace() as workspace, contextlib.suppress(FileNotFoundError):
            (self.folder / sha256).rename(workspace / sha256)

    def partial(self, sha256: str) -> Path:
        """Where the beginning of a large download is kept for the next attempt."""
        folder = self.folder / _PARTIAL
        folder.mkdir(parents=True, exist_ok=True)
        return folder / sha256

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A private folder on the same file system, removed at the end whatever happens."""
        folder = self.folder / _TEMPORARY / f"{self._boot[:8]}-{os.urandom(8).hex()}"
        folder.mkdir(parents=True)
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.suppress(OSError):  # a file system without locks: `sweep` goes by age there
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def sweep(self) -> None:
        """Remove what killed processes have left in ``tmp``."""
        with contextlib.suppress(OSError):
            for folder in (self.folder / _TEMPORARY).iterdir():
                if self._abandoned(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def _abandoned(self, folder: Path) -> bool:
        """Whether nobody works in a workspace: on this kernel its lock tells, elsewhere its age."""
        try:
            age = time.time() - folder.stat().st_mtime
            if not folder.name.startswith(self._boot[:8]):
                return age > _LEFT_OVER
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return (
                folder.is_dir() and time.time() - folder.stat().st_mtime > 60
            )  # killed before it had a lock
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(lock)
        return True


def boot_id() -> str:
    """What tells one boot of this host from another, and from other hosts; the same in all its containers."""
    try:
        return Path(BOOT_ID).read_text("ascii").strip()
    except OSError:
        return "unknown"


def _intact(entry: Entry) -> bool:
    """Whether every file is what it was; bytecode that a crash of the host has cut short is removed."""
    for path in (entry.folder / BYTECODE).rglob("*.pyc.*"):
        if not is_whole(path, f"crc32={path.suffix[1:]}"):
            path.unlink(missing_ok=True)
    return all(is_whole(entry.folder / file.path, file.hash) for file in entry.contents.files)
