"""The one interface every ecosystem implements, and what it is given to work with.

A provider first *selects* (pure: lock and facts in, choices out), then *assembles* what was selected
into a temporary folder that the caller publishes. It never decides where a layer lives.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cirfile.lock import Artifact, Lock
from cirfile.manifest import Manifest
from shim import unfinished
from shim.facts import Facts


@dataclass(frozen=True, slots=True)
class Choice:
    """One component chosen for this machine, and why: the artifact to fetch and the rejected ones' reasons."""

    name: str
    version: str
    artifact: Artifact
    index: str = ""
    reason: str = ""
    rejected: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Everything an ecosystem adds to a layer, sorted by name; equal selections give equal layers."""

    ecosystem: str
    choices: tuple[Choice, ...]

    @property
    def size(self) -> int:
        """Bytes to fetch if nothing is cached, as far as the lock tells."""
        return sum(choice.artifact.size for choice in self.choices)


class Progress(Protocol):
    """Where long work is shown; safe to call from several threads."""

    def phase(self, name: str, total: int = 0) -> None:
        """Begin a phase such as ``fetch`` with its total amount (bytes or files; 0 if unknown)."""

    def advance(self, amount: int) -> None:
        """Report progress inside the phase."""

    def note(self, text: str) -> None:
        """Say one line that a person should see."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What is known of the application that will be started, so that what it needs first is ready first.

    ``files`` are its own, ``words`` are names of programs that it may start, ``modules`` those that its command line
    names. An empty one tells nothing.
    """

    files: tuple[Path, ...] = ()
    words: frozenset[str] = frozenset()
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a provider may touch during assembly.

    ``cache`` is the provider's own folder in the store (shared by containers and hosts, so every write is
    aside-then-rename), ``target`` the temporary layer root to fill, both on one filesystem, and ``aside`` a folder in
    it for files on their way. ``check``
    raises `ShimError` (75) once the deadline has passed; call it between pieces of work. ``hint``
    tells what should be ready first. ``check_room`` raises `ShimError` (75)
    where so many bytes, which are still to be fetched, cannot fit; before it does, it calls what it is given to
    remove what killed starts have left in the cache. ``niceness`` is for what goes on behind the application.
    """

    cache: Path
    target: Path
    facts: Facts
    manifest: Manifest
    progress: Progress
    check: Callable[[], None]
    environment: dict[str, str]
    offline: bool = False
    hint: Hint = Hint()
    check_room: Callable[[int, Callable[[], None]], None] = lambda _size, _sweep: None
    niceness: int = 0

    @property
    def aside(self) -> Path:
        """Where files are made that get their place in the layer by a rename."""
        return self.target / unfinished.NAME


@dataclass(frozen=True, slots=True)
class Attended:
    """What was added to a layer that works without it: hashes of files by path.

    ``whole`` tells whether all of it could be made; ``ended``, whether that was ended before it was through, so that
    another start may go on with it.
    """

    hashes: dict[str, str]
    whole: bool
    ended: bool = False


class Assembly(Protocol):
    """A selection on its way into a layer: by this process, and by one beside it that may take longer.

    What `run` has made is a layer that works. What `attend` adds is not needed for that, as bytecode is not, and
    may come when the application has been started.
    """

    @property
    def descriptors(self) -> Collection[int]:
        """The open files that `attend` needs; none where there is nothing to attend to."""

    def run(self) -> Mapping[str, str]:
        """Fetch, verify and lay out; return the hashes of files by path, as far as known (see `shim.contents`).

        Whatever was started in this process has ended when this returns or raises.

        :raises ShimError: on failure
        :raises OSError: for the store's file system
        """

    def attend(self) -> Attended:
        """In the process beside it, from before `run` to the end: add what may come later."""

    def has_to_be_whole(self) -> bool:
        """After `run`: whether `attend` has to come to its end before the layer is used."""

    def resume(self) -> Attended:
        """In such a process, for a layer that was published long ago: add what is missing; as `attend`."""


class Provider(Protocol):
    """An ecosystem at run time."""

    ecosystem: str

    def select(self, lock: Lock, facts: Facts) -> Selection:
        """Choose one artifact a component. Raise `ShimError` (78) where nothing fits, naming what was promised."""

    def assembly(self, selection: Selection, workplace: Workplace) -> Assembly:
        """What fills ``workplace.target`` with a selection; no thread and no process is started yet."""
