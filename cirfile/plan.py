"""The plan: what a Cirfile means for one request, frozen and engine-neutral.

Builders (BuildKit frontend, Buildah, Apptainer) only read it. Everything that needs thought - which
files go where, what the image configuration is, what the shim must know - is decided here once.
"""

from __future__ import annotations

from dataclasses import dataclass

from cirfile.imageconfig import ImageConfig
from cirfile.manifest import Manifest
from cirfile.source import Span


@dataclass(frozen=True, slots=True)
class Platform:
    """An OCI platform; ``variant`` is empty where the architecture has none (``arm64``, not ``arm64/v8``)."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Base:
    """The image of ``FROM``; ``reference`` is ``None`` for ``scratch``, ``platform`` that of its flag."""

    reference: str | None
    span: Span
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class ContextPath:
    """A path or wildcard pattern below the root of the copy's origin, as written after expansion."""

    pattern: str


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A here-document: a file with its content in the Cirfile."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An ``http``/``https`` address of ``ADD``; ``name`` is the file name it gets in a folder."""

    url: str
    name: str


@dataclass(frozen=True, slots=True)
class GitTree:
    """A git address of ``ADD`` with its reference and sub-folder, as BuildKit understands them."""

    url: str


CopySource = ContextPath | InlineFile | RemoteFile | GitTree


@dataclass(frozen=True, slots=True)
class Copy:
    """One ``COPY`` or ``ADD``.

    ``destination`` is absolute (``WORKDIR`` applied) and keeps its trailing slash. ``origin`` is
    ``None`` for the build context, else a named context or an image. ``unpack`` is ``ADD``'s treatment
    of local archives, ``unpack_remote`` that of fetched ones (``ADD --unpack``). ``chown`` is
    ``user[:group]``, ``chmod`` octal or symbolic, as written. ``created_by`` is the line in the history.
    """

    sources: tuple[CopySource, ...]
    destination: str
    span: Span
    origin: str | None = None
    chown: str = ""
    chmod: str = ""
    exclude: tuple[str, ...] = ()
    link: bool = False
    parents: bool = False
    unpack: bool = False
    unpack_remote: bool = False
    keep_git_dir: bool = False
    checksum: str = ""
    created_by: str = ""


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """The folder a ``WORKDIR`` makes where it is missing, owned by the ``USER`` in force (empty: root).

    Without ``created_by`` it is no instruction of its own but a folder of the base that the next step
    writes into: it exists there already, as root's with mode 0755 (see ``base_folders``).
    """

    path: str
    span: Span
    user: str = ""
    created_by: str = ""


Step = Copy | MakeFolder


@dataclass(frozen=True, slots=True)
class Argument:
    """A variable of an ``ARG`` line with the value this request gives it (``None``: not set)."""

    name: str
    value: str | None
    span: Span
    description: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """Where things of a plan were written; only rules and descriptions need it.

    ``requirements`` runs parallel to the manifest's, ``reads_base`` to the plan's. ``undefined`` holds
    variables that were used and not set. ``arguments`` are the variables of ``ARG`` lines, the last
    definition of each.
    """

    requirements: tuple[Span, ...] = ()
    reads_base: tuple[Span, ...] = ()
    undefined: tuple[tuple[str, Span], ...] = ()
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build for one platform.

    ``steps`` fill the app layer in order. ``config`` is the complete configuration of the image *without*
    the shim: what the stock frontend would write. ``reads_base`` gives the reasons, each a sentence,
    why the app layer can't be made without unpacking the base; empty means it can. ``history`` holds
    the ``created_by`` line of every instruction, in order. ``author`` is that of ``MAINTAINER``.
    """

    base: Base
    steps: tuple[Step, ...]
    config: ImageConfig
    manifest: Manifest
    platform: Platform = Platform()
    reads_base: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    author: str = ""
    trace: Trace = Trace()
