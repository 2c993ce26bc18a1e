"""What the image says: its manifest and locks, read and checked. Cold path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cirfile.codec import CodecError, decode_lock, decode_manifest
from cirfile.lock import Lock
from cirfile.manifest import LockReference, Manifest
from shim.errors import INVALID, ShimError
from shim.paths import HERE, MANIFEST, OWN
from shim.warm import read

_REBUILD = "the image is damaged or was made by another version: build it again or pull it again"


@dataclass(frozen=True, slots=True)
class Image:
    """The manifest, its bytes (they address the active layer), and the locks by ecosystem."""

    data: bytes
    manifest: Manifest
    locks: Mapping[str, Lock]


def load() -> Image:
    """Read the image's manifest and every lock it names.

    :raises ShimError: 65 where one is missing or wrong
    """
    data = _bytes(MANIFEST, "manifest")
    try:
        manifest = decode_manifest(data)
    except CodecError as error:
        raise ShimError(INVALID, f"{MANIFEST}: {error}", _REBUILD) from None
    return Image(data, manifest, {reference.ecosystem: _lock(reference) for reference in manifest.locks})


def _lock(reference: LockReference) -> Lock:
    data = _bytes(HERE + reference.path.removeprefix(OWN), "lock")
    found = hashlib.sha256(data).hexdigest()
    if found != reference.sha256:
        message = (
            f"{reference.path}: the lock is not the one of the manifest: "
            f"its sha256 is {found}, the manifest says {reference.sha256}"
        )
        raise ShimError(INVALID, message, _REBUILD)
    try:
        lock = decode_lock(data)
    except CodecError as error:
        raise ShimError(INVALID, f"{reference.path}: {error}", _REBUILD) from None
    if lock.ecosystem != reference.ecosystem:
        message = (
            f"{reference.path}: the lock is of {lock.ecosystem}, the manifest says {reference.ecosystem}"
        )
        raise ShimError(INVALID, message, _REBUILD)
    return lock


def _bytes(path: str, what: str) -> bytes:
    try:
        return read(path)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise ShimError(INVALID, f"{path}: the {what} cannot be read: {reason}", _REBUILD) from None
