"""The store as a cluster keeps it: each platform layer one squashfs file, beside what the shim itself may keep there.

    layers/<key>.sqfs         a layer, complete since it is there, never changed
    layers/<key>.sqfs.sha256  its digest, as `sha256sum -c` reads it
    layers/<key>/             a layer as a folder, which the shim keeps (see `shim.store`)
    active/sif-<name>         which layer an image gets on a kind of machine, as a file: ``<key> <bytes>``, ``none 0``
                              for an image without dependencies
    active/sif-<name>.folder  the same as a folder: ``<key> <boot>``, the boot that saw it whole; ``any`` where
                              that is no matter of this machine, ``none any`` for an image without dependencies
    claims/<key>              held by whoever makes the layer (see `cirfile.hold`)
    tmp/                      files in the making

The rules are those of the shim's store: written aside, flushed, renamed; correct without locks.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from buildah_plugin.apptainer import filesystem
from cirfile.cli.errors import FULL, INTERNAL, PERMISSION, TRY_AGAIN, USAGE, CliError
from cirfile.hold import boot

FOLDERS = ("layers", "active", "claims", "tmp")
#: In a record: the image needs no layer.
NOTHING = "none"
#: In a record: no boot of one machine.
ANY_BOOT = "any"


@dataclass(frozen=True, slots=True)
class Found:
    """What a store knows for an image: the key of its layer, and where that is (`None`: no layer needed)."""

    key: str
    path: Path | None


@contextmanager
def for_everyone() -> Iterator[None]:
    """Let everybody read what is made in a block, whatever the caller's umask is; a group may share a store."""
    before = os.umask(0)
    os.umask(before & 0o020 | 0o002)  # as the shim has it in a store
    try:
        yield
    finally:
        os.umask(before)


class LayerStore:
    """A store at ``root``, which need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._checked: dict[tuple[int, int, int], bool] = {}

    @for_everyone()
    def prepare(self) -> None:
        """Make what is missing. Raise `CliError` where it cannot be written (77) or is no folder (64)."""
        try:
            for name in FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
            os.utime(self.root / "layers")
        except (NotADirectoryError, FileExistsError):
            raise CliError(USAGE, f"{self.root} is not a folder", "name a folder with --store") from None
        except PermissionError as error:
            raise CliError(
                PERMISSION, f"{error.filename}: the store cannot be written: permission denied",
                "name a folder of your own with --store, or ask its owner to run `cir materialize`",
            ) from None  # fmt: skip
        except OSError as error:
            reason = (error.strerror or "").lower()
            hint = "name a folder that you can write with --store"
            raise CliError(PERMISSION, f"{self.root}: {reason}", hint) from None

    def layer(self, key: str) -> Path:
        """The file of a key."""
        return self.root / "layers" / f"{key}.sqfs"

    def folder(self, key: str) -> Path:
        """The folder of a key."""
        return self.root / "layers" / key

    def has(self, key: str) -> bool:
        """Whether the file of a key is there and is what was made; it is read as a whole, once."""
        path = self.layer(key)
        try:
            found = path.stat()
            version = (found.st_ino, found.st_size, found.st_mtime_ns)
            if version not in self._checked:
                wanted = path.with_name(f"{path.name}.sha256").read_text().partition(" ")[0]
                self._checked[version] = digest_of(path) == wanted
        except OSError:
            return False
        return self._checked[version]

    def claim(self, key: str) -> Path:
        """The file that is held while a layer is made."""
        return self.root / "claims" / key

    def find(self, names: tuple[str, ...]) -> Found | None:
        """The file recorded for an image under the first of its names; one that was cut short does not count."""
        for name in names:
            try:
                key, size = (self.root / "active" / f"sif-{name}").read_text().split()
                if key == NOTHING:
                    return Found(key, None)
                if self.layer(key).stat().st_size == int(size):
                    return Found(key, self.layer(key))
            except (OSError, ValueError):
                continue
        return None

    def find_folder(self, names: tuple[str, ...]) -> Found | None:
        """The folder recorded for an image under the first of its names, if it is there.

        After a reboot of the machine whose disk it is on, it counts once the shim has looked it over: it was published
        without waiting for the disk.
        """
        for name in names:
            try:
                key, seen = (self.root / "active" / f"sif-{name}.folder").read_text().split()
                if seen not in (ANY_BOOT, boot_name()) and filesystem.is_local(self.root):
                    continue
                if key == NOTHING:
                    return Found(key, None)
                (self.folder(key) / "layer.json").stat()
                return Found(key, self.folder(key))
            except (OSError, ValueError):
                continue
        return None

    def record(self, name: str, key: str) -> Found:
        """Remember which layer an image gets as a file. Raise `OSError` where the store cannot be written."""
        file = None if key == NOTHING else self.layer(key)
        self._write(f"sif-{name}", f"{key} {file.stat().st_size if file else 0}\n")
        return Found(key, file)

    def record_folder(self, name: str, key: str) -> Found:
        """Remember which layer an image gets as a folder, if the store can be written; forget another one's file."""
        seen = ANY_BOOT if key == NOTHING or not filesystem.is_local(self.root) else boot_name()
        with suppress(OSError):
            self._write(f"sif-{name}.folder", f"{key} {seen}\n")
            file = self.find((name,))
            if file and file.key != key:
                (self.root / "active" / f"sif-{name}").unlink()
        return Found(key, None if key == NOTHING else self.folder(key))

    @for_everyone()
    def _write(self, name: str, text: str) -> None:
        aside = self._aside()
        aside.write_text(text)
        aside.replace(self.root / "active" / name)

    @for_everyone()
    def publish(self, made: Path, key: str) -> Path:
        """Copy a finished file into the store, compare what has arrived with what was made, give it its name.

        Raise `CliError` where it did not arrive whole.
        """
        target, aside = self.layer(key), self._aside()
        try:
            digest = digest_of(made, copy_to=aside)
            if digest_of(aside) != digest:
                message = f"{self.root}: the layer was not stored as it was made (sha256 {digest} expected)"
                raise CliError(
                    INTERNAL, message, "the file system of the store is at fault; try another with --store"
                )
            digests = self._aside()
            digests.write_text(f"{digest}  {target.name}\n")
            digests.replace(target.with_name(target.name + ".sha256"))
            aside.replace(target)
        except OSError as error:
            if error.errno not in FULL:
                raise
            message = (
                f"{self.root}: {(error.strerror or '').lower()}, the layer has {made.stat().st_size} bytes"
            )
            raise CliError(
                TRY_AGAIN, message, "free some space or quota, or name another folder with --store"
            ) from None
        finally:
            aside.unlink(missing_ok=True)
        _flush(target.parent)
        return target

    def sweep(self) -> None:
        """Remove what killed processes of this host have left in ``tmp``."""
        prefix = f"sqfs.{_host()}."
        for path in (self.root / "tmp").glob(f"{prefix}*"):
            number = path.name.removeprefix(prefix).partition(".")[0]
            if number.isdigit() and not Path("/proc", number).exists():
                path.unlink(missing_ok=True)

    def _aside(self) -> Path:
        return self.root / "tmp" / f"sqfs.{_host()}.{os.getpid()}.{secrets.token_hex(6)}"


def boot_name() -> str:
    """Name the boot that this machine is in; where the kernel does not tell, it is like any other."""
    return boot().decode("ascii", "replace").strip() or ANY_BOOT


def digest_of(path: Path, copy_to: Path | None = None) -> str:
    """The SHA-256 of a file in hex; while it is read it may be copied, and the copy is then on disk."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        if copy_to is None:
            _pump(source, digest.update)
            return digest.hexdigest()
        with copy_to.open("xb") as target:
            _pump(source, digest.update, target.write)
            target.flush()
            os.fsync(target.fileno())
    copy_to.chmod(0o644)
    return digest.hexdigest()


def free(folder: Path) -> int:
    """Bytes that may still be written below a folder."""
    return shutil.disk_usage(folder).free


def _pump(source: BinaryIO, *takers: Callable[[bytes], object]) -> None:
    while chunk := source.read(1 << 20):
        for take in takers:
            take(chunk)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        return  # some network file systems have no such thing for folders
    finally:
        os.close(handle)


def _host() -> str:
    return socket.gethostname()[:32].replace("/", "_").replace(".", "_")
