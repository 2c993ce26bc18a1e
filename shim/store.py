"""The store: platform layers and downloads, shared by all containers of a host or of a cluster.

    layers/<key>/       a layer, complete since it is there, never changed but for bytecode that is added as long as
                        it has ``layer.part``; ``layer.json`` in it says what was chosen here, ``sbom.json`` the
                        same as CycloneDX
    active/<address>    names the layer of a manifest on a base (see `shim.warm`): ``<key> <boot>``;
                        ``<address>.lock`` is the answer to `PIN as-of` and `PIN latest`, from the indexes
                        that this deployment names
    cache/<ecosystem>/  what its provider keeps
    claims/<key>        held by whoever assembles the layer (see `cirfile.hold`)
    tmp/<token>/        a layer in the making, with the hold ``<token>.hold``
    trash/              on its way out: whatever is removed is first renamed into it

Correct without locks: a layer is made aside and renamed to its place; who comes second finds it taken
and uses it. Nothing is removed in place, so no reader sees half of a removal. Works on file systems
with atomic rename inside one file system; none of the files is ever appended to or rewritten;
the list of a layer's files is replaced by a longer one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cirfile.hold import Hold
from shim import contents
from shim.warm import DURABLE, boot_id

FOLDERS = ("layers", "active", "cache", "claims", "tmp", "trash")
#: Seconds after which work without a hold is given up: longer than any assembly.
ABANDONED = 24 * 3600.0

#: Stands for the boot of a layer that does not tell its own: no record of it makes a start warm.
_UNKNOWN = "none"

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A layer in the making: its folder and the hold that tells others that somebody works on it."""

    folder: Path
    hold: Hold


class Store:
    """A store that exists. Methods raise `OSError`; the caller says what it means."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._looked_over: set[str] = set()

    @classmethod
    def create(cls, root: Path) -> Store:
        """Make the folders that are missing and make sure that the store can be written to."""
        root.mkdir(parents=True, exist_ok=True)
        for name in FOLDERS:
            (root / name).mkdir(exist_ok=True)
        store = cls(root)
        for name in ("layers", "active", "claims", "tmp"):
            os.utime(root / name)  # needs the same permission as making a file, and leaves none behind
        return store

    def path(self, key: str) -> Path:
        """Where the layer of a key is or would be."""
        return self.root / "layers" / key

    def has(self, key: str) -> bool:
        """Whether the layer is there."""
        return self.identity(key) is not None

    def identity(self, key: str) -> tuple[int, int] | None:
        """What tells the layer that is there from one made later; `None` where there is none."""
        try:
            found = (self.path(key) / "layer.json").stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def is_sound(self, key: str) -> bool:
        """Whether a layer that is there was made in this boot, or has survived the boots since.

        Who has looked it over records it as durable: nobody does so again.
        """
        layer = self.path(key)
        if contents.boot_of(layer) in (contents.SEALED, boot_id().decode()) or self._is_durable(key):
            return True
        if not contents.intact(layer):
            return False
        self._looked_over.add(key)
        return True

    def _is_durable(self, key: str) -> bool:
        said = f"{key} {DURABLE.decode()}\n".encode()
        return any(record == said for _, record in self._records(key))

    def has_looked_over(self, key: str) -> bool:
        """Whether this process has read the layer to its end to see that it is sound."""
        return key in self._looked_over

    def claim(self, key: str) -> Path:
        """The file that is held while the layer is assembled."""
        return self.root / "claims" / key

    def cache(self, ecosystem: str) -> Path:
        """The folder of a provider, made if it is missing."""
        folder = self.root / "cache" / ecosystem
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def begin(self, key: str) -> Workspace:
        """Make an empty folder to assemble a layer in; its hold is still to be kept."""
        hold = None
        while hold is None:  # a sweep of another process may take a hold that is not locked yet
            token = f"{key[:16]}.{_token()}"
            hold = Hold.take(self.root / "tmp" / f"{token}.hold")
        folder = self.root / "tmp" / token
        folder.mkdir(mode=0o755)
        return Workspace(folder, hold)

    def publish(self, workspace: Workspace, key: str) -> Path:
        """Move a finished layer to its place; if somebody was faster, use theirs and drop this one.

        What was recorded of one that was there before, such as that it has survived boots, is not said of this one.
        """
        target = self.path(key)
        if not self.has(key):
            self._forget(key)
        for _ in range(10):
            try:
                workspace.folder.rename(target)
            except FileNotFoundError:
                if not self.has(key):  # else: NFS repeated a rename that had worked
                    raise
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                if not self.has(key):  # a ruin that nobody published: make room
                    self.discard(target)
                    continue
                self.discard(workspace.folder)
            break
        workspace.hold.release()
        return target

    def _forget(self, key: str) -> None:
        """Drop what is known of the layer of a key."""
        self._looked_over.discard(key)
        for path, _ in self._records(key):
            with contextlib.suppress(OSError):
                path.unlink()

    def _records(self, key: str) -> Iterator[tuple[Path, bytes]]:
        """The records that name the layer of a key, and what they say; others may remove them at any moment."""
        for path in _entries(self.root / "active"):
            try:
                record = b"" if path.suffix == ".lock" else path.read_bytes()
            except OSError:
                continue
            if record.startswith(f"{key} ".encode()):
                yield path, record

    def abandon(self, workspace: Workspace) -> None:
        """Remove a layer that was not finished."""
        with contextlib.suppress(OSError):
            self.remove(workspace.folder)
        with contextlib.suppress(OSError):
            workspace.hold.release()

    def record(self, address: str, key: str) -> None:
        """Remember the layer of an address, so that the next start is a warm one.

        A layer of another host or boot that this process has not looked over is recorded with that boot: its maker
        starts warm, everybody else looks it over first.
        """
        made = contents.boot_of(self.path(key))
        durable = made == contents.SEALED or key in self._looked_over or self._is_durable(key)
        self.keep(address, f"{key} {DURABLE.decode() if durable else made or _UNKNOWN}\n".encode())

    def answer(self, address: str) -> Path:
        """Where the lock is kept that an address was resolved to at deployment."""
        return self.root / "active" / f"{address}.lock"

    def keep(self, name: str, data: bytes) -> None:
        """Write a file of ``active`` atomically."""
        aside = self.root / "active" / f".{_token()}"
        aside.write_bytes(data)
        aside.chmod(0o644)
        aside.replace(self.root / "active" / name)

    def discard(self, path: Path) -> Path:
        """Move something to the trash and return where it is now."""
        target = self.root / "trash" / f"{path.name[:64]}.{_token()}"
        path.rename(target)
        return target

    def remove(self, path: Path) -> None:
        """Remove a folder through the trash."""
        shutil.rmtree(self.discard(path), ignore_errors=True)

    def sweep(self) -> None:
        """Remove what killed starts have left: work without an owner, and the trash.

        May be cut short at any moment.
        """
        for path in _entries(self.root / "claims"):
            with contextlib.suppress(OSError):
                hold = Hold.take(path)
                if hold:
                    hold.release()
        for path in _entries(self.root / "active"):
            with contextlib.suppress(OSError):
                if path.name.startswith(".") and _is_old(path):
                    path.unlink()
        for path in _entries(self.root / "tmp"):
            self._sweep_work(path)
        for path in _entries(self.root / "trash"):
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink()

    def _sweep_work(self, path: Path) -> None:
        """Drop one entry of ``tmp`` if nobody works on it any more."""
        with contextlib.suppress(OSError):
            if path.suffix == ".hold":
                hold = Hold.take(path)
                if hold is None:
                    if not _is_old(path):
                        return
                    path.unlink(missing_ok=True)
                folder = path.with_suffix("")
                if folder.is_dir():
                    self.discard(folder)
                if hold:
                    hold.release()
            elif _is_old(path) and not path.with_name(path.name + ".hold").exists():
                self.discard(path)


def _token() -> str:
    """A name that no other process of any host has."""
    return f"{socket.gethostname()[:32].replace('/', '_')}.{os.getpid()}.{secrets.token_hex(6)}"


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _is_old(path: Path) -> bool:
    return time.time() - path.lstat().st_mtime > ABANDONED
