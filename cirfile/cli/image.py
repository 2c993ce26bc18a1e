"""An image of ours, read without running it: manifest, locks, and what its base tells of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from cirfile.cli import docker
from cirfile.cli.errors import INVALID, CliError
from cirfile.codec import CodecError, decode_lock, decode_manifest
from cirfile.lock import Lock
from cirfile.manifest import LOCK_FOLDER, MANIFEST_PATH, LockReference, Manifest

_AGAIN = "build it again"


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself; ``locks`` by ecosystem, ``environment`` is its ``Env``."""

    reference: str
    manifest: Manifest
    locks: Mapping[str, Lock]
    environment: Mapping[str, str]

    @property
    def is_resolved_later(self) -> bool:
        """Whether what its requirements stand for is found out at deployment, so that it has no lock."""
        requires = any(requirement.ecosystem == "pypi" for requirement in self.manifest.requirements)
        return requires and self.manifest.pin.mode != "lock"


def read_image(reference: str, platform: str = "") -> Image:
    """Read an image, pulling it where it is not there. Raise `CliError` where it is none of ours."""
    known = docker.ensure_image(reference, platform)
    with docker.opened(reference, platform) as read:
        try:
            manifest = decode_manifest(_wanted(read(MANIFEST_PATH), reference, MANIFEST_PATH))
            entries = [(entry, _inside(reference, entry.path)) for entry in manifest.locks]
            locks = {
                entry.ecosystem: _lock(reference, entry, _wanted(read(path), reference, path))
                for entry, path in entries
            }
        except CodecError as error:
            raise CliError(INVALID, f"image {reference}: {error}", _AGAIN) from None
    pairs = (entry.partition("=") for entry in (known.get("Config") or {}).get("Env") or ())
    environment = {name: value for name, _, value in pairs}
    return Image(reference, manifest, locks, environment)


def _wanted(data: bytes | None, reference: str, path: str) -> bytes:
    if data is None:
        raise CliError(INVALID, f"image {reference} has no {path}", _AGAIN)
    return data


def _inside(reference: str, path: str) -> str:
    if not PurePosixPath(path).is_relative_to(LOCK_FOLDER) or ".." in PurePosixPath(path).parts:
        raise CliError(INVALID, f"image {reference} names a lock outside of {LOCK_FOLDER}: {path}", _AGAIN)
    return path


def _lock(reference: str, entry: LockReference, data: bytes) -> Lock:
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise CliError(INVALID, f"image {reference}: {entry.path} is not what the manifest says", _AGAIN)
    return decode_lock(data)
