"""What an image promises and needs at run time: the plan as stored in ``/.cir/cir.json``.

The manifest is the hinge between the builders and the shim. It says nothing of how the image was
built (files, labels, command), so that a change there finds the same platform layer again. All
values are frozen, hashable and independent of the platform the image is built for.
"""

from __future__ import annotations

from dataclasses import dataclass

MANIFEST_PATH = "/.cir/cir.json"
LOCK_FOLDER = "/.cir/lock"
MANIFEST_VERSION = 1

#: Ecosystems a requirement may name, by their package-URL type (https://github.com/package-url/purl-spec).
ECOSYSTEMS = ("pypi", "deb", "cran")

#: Facts a ``PLATFORMS`` line or a ``--when`` flag may speak of.
FACTS = ("arch", "accelerator", "libc", "python", "microarch")

#: ``((fact, (value, ...)), ...)``, sorted by fact; every fact must have one of its values.
Conditions = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A dependency identifier as written, in the notation of its ecosystem.

    ``text`` is one dependency: PEP 508 for ``pypi``, a Debian dependency for ``deb`` (policy §7.1),
    a DESCRIPTION dependency for ``cran``. An empty ``when`` means on every platform. ``hashes`` are those
    a requirements file demands (``sha256:<hex>``): no other file of this package may be used.
    """

    ecosystem: str
    text: str
    when: Conditions = ()
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Index:
    """A package index other than the client's own default.

    ``role`` is ``default`` (replaces the client's index) or ``extra`` (asked as well). ``url`` never
    holds credentials.
    """

    ecosystem: str
    url: str
    role: str


@dataclass(frozen=True, slots=True)
class Pin:
    """When dependencies are resolved: ``lock`` (at build), ``as-of`` (with ``date``) or ``latest``."""

    mode: str = "lock"
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """A command run once in a platform layer, after its components: an argv and its working folder."""

    argv: tuple[str, ...]
    cwd: str = "/"


@dataclass(frozen=True, slots=True)
class LockReference:
    """Where the lock of one ecosystem is in the image, and its SHA-256 in hex."""

    ecosystem: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything the shim needs to know of an image.

    ``constraints`` narrow versions without requiring anything (``-c`` files). ``platforms`` holds what
    the image promises to run on; a fact without an entry promises nothing about it. ``workdir`` is where
    the application starts, for engines that pass over the image's own word (empty: anywhere).
    ``require_hashes``: nothing may be used that the requirements give no hash of, also no dependency of theirs.
    """

    requirements: tuple[Requirement, ...] = ()
    constraints: tuple[Requirement, ...] = ()
    indexes: tuple[Index, ...] = ()
    platforms: Conditions = ()
    pin: Pin = Pin()
    setup: tuple[Setup, ...] = ()
    locks: tuple[LockReference, ...] = ()
    workdir: str = ""
    require_hashes: bool = False

    def of(self, ecosystem: str) -> tuple[Requirement, ...]:
        """Return the requirements of one ecosystem, in the order they were written."""
        return tuple(r for r in self.requirements if r.ecosystem == ecosystem)
