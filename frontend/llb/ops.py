"""The operations of the build graph as frozen values, one class for each kind of ``pb.Op``.

A `Vertex` is an operation with what surrounds it (platform, metadata, place in the source); a
`State` is one output of a vertex, or nothing at all: ``scratch``.

Values are named tuples here, and not dataclasses as elsewhere: the server waits for the first graph
while this module is imported, and twenty dataclasses take longer to make than that graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from frontend.proto import ops_pb2 as pb

Pairs = tuple[tuple[str, str], ...]

#: "Keep what is there" or "now", where 0 would mean mode 000 or the year 1970.
UNSET = -1


class Platform(NamedTuple):
    """An OCI platform; empty fields are not set."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SourceFile:
    """The text a graph was made from, so that the server can say which line failed."""

    filename: str
    data: bytes
    language: str
    definition: pb.Definition | None = None


class Location(NamedTuple):
    """Lines of a source file, counted from 1, the end included."""

    source: SourceFile
    first_line: int
    last_line: int


class ProgressGroup(NamedTuple):
    """Vertices with one group are shown as one line; a weak group gives way to others."""

    id: str
    name: str
    weak: bool = False


class Surroundings(NamedTuple):
    """What is said about an operation without being part of its digest."""

    name: str = ""
    ignore_cache: bool = False
    group: ProgressGroup | None = None
    locations: tuple[Location, ...] = ()


PLAIN = Surroundings()


class State(NamedTuple):
    """One output of a vertex; without a vertex it is ``scratch``, the empty file system."""

    vertex: Vertex | None = None
    output: int = 0


SCRATCH = State()
#: As the source of a `Copy`: the result of the actions before it, copied onto an empty file system.
#: The one way to give a whole tree one time stamp, folders included, within one operation.
EARLIER = State(output=-1)


class Owner(NamedTuple):
    """User and group to give files to: a number, a name to look up in the file system, or unset."""

    user: int | str | None = None
    group: int | str | None = None


class Copy(NamedTuple):
    """Copy files between file systems; the flags are those of ``FileActionCopy``."""

    source: State
    src: str
    dest: str
    owner: Owner | None = None
    mode: int = UNSET
    mode_text: str = ""
    follow_symlink: bool = False
    contents_only: bool = False
    unpack: bool = False
    make_parents: bool = False
    wildcard: bool = False
    empty_wildcard: bool = False
    timestamp: int = UNSET
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


class Mkdir(NamedTuple):
    """Make a folder; one that is there stays as it is."""

    path: str
    mode: int = 0o755
    make_parents: bool = False
    owner: Owner | None = None
    timestamp: int = UNSET


class Mkfile(NamedTuple):
    """Write a file whose content is part of the graph; its folder must be there."""

    path: str
    data: bytes
    mode: int = 0o644
    owner: Owner | None = None
    timestamp: int = UNSET


class Rm(NamedTuple):
    """Remove a file or a folder."""

    path: str
    allow_not_found: bool = False
    wildcard: bool = False


class Symlink(NamedTuple):
    """Make a symbolic link at ``path``; its folder must be there."""

    target: str
    path: str
    owner: Owner | None = None
    timestamp: int = UNSET


Action = Copy | Mkdir | Mkfile | Rm | Symlink


class Mount(NamedTuple):
    """A file system in an `Exec`.

    ``readonly`` or ``discard`` mounts have no output. A ``cache`` mount is shared between builds under
    its id; a ``tmpfs`` mount lives as long as the command. With ``as_defined`` the cache key has the
    operations that make the source, and the server need not read its files for it; else it has both.
    """

    dest: str
    source: State = SCRATCH
    selector: str = ""
    readonly: bool = False
    discard: bool = False
    cache: str = ""
    locked: bool = False
    tmpfs: bool = False
    as_defined: bool = False

    @property
    def has_output(self) -> bool:
        """Whether what the command leaves here can be used further."""
        return not (self.readonly or self.discard or self.cache or self.tmpfs)


class Secret(NamedTuple):
    """A secret of the client as a file; it is in no layer and in no cache key."""

    id: str
    dest: str
    optional: bool = False
    mode: int = 0o400
    uid: int = 0
    gid: int = 0


class Proxies(NamedTuple):
    """Proxy addresses a command gets without their being part of its cache key."""

    http: str = ""
    https: str = ""
    ftp: str = ""
    no: str = ""
    all: str = ""


class Source(NamedTuple):
    """Files from outside the graph: an image, the client, a repository, an address."""

    identifier: str
    attrs: Pairs = ()
    caps: frozenset[str] = frozenset()

    @property
    def platform_specific(self) -> bool:
        """Whether the platform is part of the operation: only images have one."""
        return self.identifier.startswith(("docker-image://", "oci-layout://"))


class File(NamedTuple):
    """Actions on a file system, one after the other; together they make one layer."""

    base: State
    actions: tuple[Action, ...]


class Merge(NamedTuple):
    """File systems laid over each other, the last on top, without copying."""

    inputs: tuple[State, ...]


class Diff(NamedTuple):
    """What ``upper`` has that ``lower`` has not."""

    lower: State
    upper: State


class Exec(NamedTuple):
    """A command in a container; its first mount must be ``/``. ``network`` is a value of ``pb.NetMode``."""

    args: tuple[str, ...]
    mounts: tuple[Mount, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    user: str = ""
    secrets: tuple[Secret, ...] = ()
    network: int = 0
    proxies: Proxies | None = None
    hosts: Pairs = ()
    hostname: str = ""
    cgroup_parent: str = ""
    ulimits: tuple[tuple[str, int, int], ...] = ()

    def output(self, dest: str) -> int:
        """Return the output index of the mount at ``dest``. Raise `KeyError` where it has none."""
        outputs = [mount.dest for mount in self.sorted_mounts() if mount.has_output]
        if dest not in outputs:
            raise KeyError(dest)
        return outputs.index(dest)

    def sorted_mounts(self) -> list[Mount]:
        """Return the mounts in the order in which their outputs are counted."""
        return sorted(self.mounts, key=lambda mount: mount.dest)


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """A graph that somebody else marshalled; its operations are taken over byte by byte."""

    definition: pb.Definition


Operation = Source | File | Merge | Diff | Exec | Foreign


@dataclass(frozen=True, slots=True, eq=False)
class Vertex:
    """An operation in its surroundings; two vertices are the same only if they are one object."""

    op: Operation
    platform: Platform | None = None
    around: Surroundings = PLAIN

    def inputs(self) -> tuple[State, ...]:
        """Return the states the operation reads, in the order in which the Go client visits them."""
        op = self.op
        if isinstance(op, File):
            sources = [a.source for a in reversed(op.actions) if isinstance(a, Copy)]
            return (op.base, *sources)
        if isinstance(op, Merge):
            return op.inputs
        if isinstance(op, Diff):
            return (op.lower, op.upper)
        if isinstance(op, Exec):
            return tuple(mount.source for mount in op.sorted_mounts())
        return ()
