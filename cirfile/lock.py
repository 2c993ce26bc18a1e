"""A lock: the requirements of one ecosystem resolved to hashed components for every platform promised.

The resolver writes it at build time; the shim reads it at deployment and has nothing left to
resolve, only to choose. One lock serves all platforms: a component may have several versions, each
with a marker, and several artifacts, each for some platforms.
"""

from __future__ import annotations

from dataclasses import dataclass

LOCK_VERSION = 1


@dataclass(frozen=True, slots=True)
class Artifact:
    """One downloadable build of a component: file name, address, SHA-256 in hex and size in bytes.

    ``size`` is 0 where the index does not tell it.
    """

    name: str
    url: str
    sha256: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Component:
    """One resolved version of a package with the artifacts that fit the promised platforms.

    ``name`` is normalised as the ecosystem does (PEP 503 for ``pypi``). ``marker`` is the condition
    under which this version is part of the environment (PEP 508, empty for always), ``index`` the
    address of the index it comes from (empty for the client's default). ``dependencies`` names the
    components it needs, for the SBOM and for explanations.
    """

    name: str
    version: str
    artifacts: tuple[Artifact, ...]
    marker: str = ""
    index: str = ""
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lock:
    """All components of one ecosystem, sorted by name and version, and what made them.

    ``requires_python`` is the range the lock was made for (PEP 440), empty where it does not apply.
    ``as_of`` is the ISO date up to which the indexes were looked at, empty for "now".
    """

    ecosystem: str
    components: tuple[Component, ...]
    requires_python: str = ""
    as_of: str = ""
    resolver: str = ""
