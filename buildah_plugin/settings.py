"""What a build is asked for, whichever command line says it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildah_plugin.access import Access
from buildah_plugin.talk import Talk
from cirfile import references
from cirfile.imageconfig import Pairs
from cirfile.plan import Platform

_NO_ACCESS = Access(Path("/nonexistent"))
_ALOUD = Talk()


@dataclass(frozen=True, slots=True)
class Output:
    """Where the image goes.

    ``kind`` is ``storage``, ``push``, or a file: ``oci``, ``docker`` or ``oci-dir``; ``place`` is a path or a name.
    """

    kind: str
    place: str


@dataclass(frozen=True, slots=True)
class NamedContext:
    """What ``--build-context`` puts behind a name: a folder, or an image with its transport (``scratch``: no file)."""

    place: str
    folder: bool = False

    @property
    def empty(self) -> bool:
        """Whether it is the image that holds no file."""
        return self.place == "scratch" and not self.folder


def context_key(name: str) -> str:
    """Return the name under which a context is known: as a client writes it, and as a Cirfile may write an image's."""
    try:
        return references.familiar(name)
    except references.ImageNameError:
        return name


@dataclass(frozen=True, slots=True)
class Settings:
    """One build.

    ``tags`` are names in the storage of this user; ``manifest`` is the list of manifests to add to. ``platforms`` is
    empty for that of this machine. ``contexts`` are named contexts by their `context_key`.
    ``timestamp`` is in seconds, `None` for ``SOURCE_DATE_EPOCH`` or the usual. ``environ`` and ``secrets`` are for
    the resolver. Without ``outputs`` the image goes into the storage. ``base`` is a configuration to take for that of
    the base image, which is then not looked up.
    """

    file: Path
    context: Path
    tags: tuple[str, ...] = ()
    build_args: Pairs = ()
    labels: Pairs = ()
    platforms: tuple[Platform, ...] = ()
    target: str = ""
    manifest: str = ""
    contexts: Mapping[str, NamedContext] = field(default_factory=dict)
    ignorefile: Path | None = None
    timestamp: int | None = None
    no_cache: bool = False
    pull: str = "missing"
    kind: str = "oci"
    outputs: tuple[Output, ...] = ()
    iidfile: Path | None = None
    access: Access = _NO_ACCESS
    environ: Mapping[str, str] = field(default_factory=dict)
    secrets: Path = Path("/nonexistent")
    talk: Talk = _ALOUD
    base: Mapping[str, Any] | None = None

    def context_of(self, name: str) -> NamedContext | None:
        """Return the context that stands behind a name of the Cirfile; `None` for the image of that name."""
        return self.contexts.get(context_key(name))


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this user's cache: ``$XDG_CACHE_HOME/cir``, else ``~/.cache/cir``."""
    home = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or "/tmp") / ".cache")  # noqa: S108
    return Path(home) / "cir"
