"""Which locks a plan needs, what the resolver is asked, and the manifest complete with the answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from cirfile import codec
from cirfile.manifest import LOCK_FOLDER, LockReference, Manifest, Requirement

#: Ecosystems whose requirements are resolved at build time; the others are resolved at deployment.
LOCKED = ("pypi",)


def wanted(manifest: Manifest) -> tuple[str, ...]:
    """Return the ecosystems that have to be locked at build time."""
    if manifest.pin.mode != "lock":
        return ()
    return tuple(ecosystem for ecosystem in LOCKED if manifest.of(ecosystem))


def lock_path(ecosystem: str) -> str:
    """Return where the lock of an ecosystem is in the image."""
    return f"{LOCK_FOLDER}/{ecosystem}.json"


def question(manifest: Manifest) -> bytes:
    """Return what the resolver is asked: equal questions have equal locks.

    Whoever keeps answers keeps them by these bytes, so nothing may be in them that cannot change an answer:
    a new ``WORKDIR``, or two lines swapped, must not move versions. What is left out is what
    `cirfile.resolver` does not read; it sorts requirements itself, and heeds the order of indexes.
    """
    asked = replace(
        manifest,
        requirements=_sorted(manifest.requirements),
        constraints=_sorted(manifest.constraints),
        indexes=tuple(index for index in manifest.indexes if index.ecosystem in LOCKED),
        setup=(),
        locks=(),
        workdir="",
    )
    return codec.encode_manifest(asked)


def _sorted(requirements: tuple[Requirement, ...]) -> tuple[Requirement, ...]:
    locked = {each for each in requirements if each.ecosystem in LOCKED}
    return tuple(sorted(locked, key=lambda each: (each.ecosystem, each.text, each.when, each.hashes)))


def complete(manifest: Manifest, locks: Mapping[str, bytes]) -> bytes:
    """Return the bytes of the manifest with its ``locks``, by ecosystem."""
    references = tuple(
        LockReference(ecosystem, lock_path(ecosystem), hashlib.sha256(data).hexdigest())
        for ecosystem, data in locks.items()
    )
    return codec.encode_manifest(replace(manifest, locks=references))
