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
from cirfile.manifest import MANIFEST_PATH, Manifest

_FOLDER = "/.cir"
#: Where a container of the image finds what was baked in.
_MANIFEST = MANIFEST_PATH


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself; ``locks`` by ecosystem, ``environment`` is its ``Env``."""

    reference: str
    manifest: Manifest
    locks: Mapping[str, Lock]
    environment: Mapping[str, str]
    arch: str


def read_image(reference: str, platform: str = "") -> Image:
    """Read an image, pulling it where it is not there. Raise `CliError` where it is none of ours."""
    known = docker.ensure_image(reference, platform)
    manifest_data = _only(docker.read_files(reference, _MANIFEST), reference)
    try:
        manifest = decode_manifest(manifest_data)
        locks = {entry.ecosystem: _lock(reference, entry.path, entry.sha256) for entry in manifest.locks}
    except CodecError as error:
        raise CliError(INVALID, f"image {reference}: {error}", "build it again") from None
    pairs = (entry.partition("=") for entry in (known.get("Config") or {}).get("Env") or ())
    environment = {name: value for name, _, value in pairs}
    return Image(reference, manifest, locks, environment, str(known.get("Architecture") or ""))


def _only(files: Mapping[str, bytes], reference: str) -> bytes:
    if len(files) != 1:
        raise CliError(INVALID, f"image {reference} has no {_MANIFEST}", "build it again")
    return next(iter(files.values()))


def _lock(reference: str, path: str, digest: str) -> Lock:
    if not PurePosixPath(path).is_relative_to(_FOLDER) or ".." in PurePosixPath(path).parts:
        raise CliError(
            INVALID, f"image {reference} names a lock outside of {_FOLDER}: {path}", "build it again"
        )
    data = _only(docker.read_files(reference, path), reference)
    if hashlib.sha256(data).hexdigest() != digest:
        raise CliError(INVALID, f"image {reference}: {path} is not what the manifest says", "build it again")
    return decode_lock(data)
