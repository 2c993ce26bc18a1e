"""Assembly of a selection: fetch, verify, unpack, link and compile, all at the same time.

Fetching threads hand archives to unpacking threads, which publish them in the cache, link them into the layer
and tell the compiler, which runs beside this process. Large archives go first, so that no core is left alone with one
at the end.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path

from shim.errors import UNAVAILABLE, ShimError
from shim.facts import Interpreter
from shim.provider import Attended, Choice, Selection, Workplace
from shim.providers.pypi import indexes, inflate, machine
from shim.providers.pypi.access import Access
from shim.providers.pypi.ahead import Ahead
from shim.providers.pypi.archive import ArchiveError
from shim.providers.pypi.attendant import Attendant
from shim.providers.pypi.bytecode import Compiler
from shim.providers.pypi.cache import Cache, Entry
from shim.providers.pypi.crew import Channel, Crew, Parcel
from shim.providers.pypi.fetch import Fetcher, Surroundings
from shim.providers.pypi.layer import Layer, LostError
from shim.providers.pypi.sink import IN_MEMORY
from shim.providers.pypi.unpack import Unpacker

#: Connections at once; more do not make a link faster, and indexes limit them.
FETCHERS = 6
#: Bytes of archives in memory at once, where the container allows that much.
_BUDGET = 192 << 20
_UNKNOWN = 1 << 60
#: Bytes of memory below which nothing goes on behind the application: it might need them, and some container engines
#: end all of a container for the want of one process.
_ROOM = 1 << 30


class Pipeline:
    """One assembly."""

    def __init__(self, selection: Selection, workplace: Workplace, python: Interpreter) -> None:
        self._selection = selection
        self._place = workplace
        self._python = python
        self._cache = Cache(workplace.cache)
        self._layer = Layer(workplace.target, python)
        self._compiler = Compiler(self._layer, workplace.hint)
        self._attendant = (
            Attendant(self._layer, workplace, python) if python.implementation == "cpython" else None
        )
        self._fast = inflate.library()
        self._crew = Crew(workplace.check)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """See `shim.provider.Assembly`."""
        return (self._attendant.site, *self._compiler.descriptors) if self._attendant else ()

    def attend(self) -> Attended:
        """See `shim.provider.Assembly`."""
        if self._attendant is None:
            return Attended({}, whole=False)
        return self._attendant.run(*self._compiler.descriptors)

    def has_to_be_whole(self) -> bool:
        """Where several wheels bring a module, and where there is not the processor or the memory for both."""
        return self._compiler.contested or machine.processors() < 2 or machine.memory() < _ROOM

    def resume(self) -> Attended:
        """See `shim.provider.Assembly`."""
        if self._attendant is None:
            return Attended({}, whole=False)
        entries = []
        for choice in self._selection.choices:
            entry = self._cache.find(choice.artifact.sha256)
            if entry:
                entries.append(entry)
                self._layer.know(entry, choice.name)
        found = self._attendant.resume(self._compiler, entries)
        return replace(found, hashes=self._layer.relinked | found.hashes)

    def run(self) -> dict[str, str]:
        """Fill the workplace's target and return the hashes of its files.

        Whatever was started has ended when this returns or raises.

        :raises ShimError: see `shim.providers.pypi.Pypi.assembly`
        :raises OSError: for the store's file system
        """
        workers = machine.workers()
        for descriptor in self.descriptors or self._compiler.descriptors:
            os.close(descriptor)  # they are the companion's now
        self._compiler.begin()
        try:
            self._layer.begin(self._python)
            self._cache.folder.mkdir(parents=True, exist_ok=True)
            missing = self._link_cached()
            if missing:
                self._check_online(missing)
                self._place.check_room(self._to_come(missing), self._cache.sweep)
                self._fetch(missing, workers)
            self._compiler.finish()
            return self._layer.hashes
        finally:
            self._crew.stop()
            self._compiler.close()

    def _link_cached(self) -> list[Choice]:
        """Link what the cache has; return what is missing, the largest first, before them those of unknown size.

        Indexes that tell no sizes are those of large wheels, such as PyTorch's.
        """
        missing, ruined = [], []
        for choice in self._selection.choices:
            self._place.check()
            entry = self._cache.find(choice.artifact.sha256)
            if entry is None:
                missing.append(choice)
            elif not self._link_whole(entry, choice):
                ruined.append(choice)
        if ruined:
            self._place.progress.note(f"the store has lost files of {_listed(ruined)}")
            missing += ruined
        return sorted(missing, key=lambda choice: (-(choice.artifact.size or _UNKNOWN), choice.name))

    def _link_whole(self, entry: Entry, choice: Choice) -> bool:
        """Link an entry; `False` for one that lacks files, as where old ones are purged. That is taken away."""
        try:
            self._link(entry, choice)
        except LostError as lost:
            self._cache.discard_ruin(entry, str(lost))
            return False
        return True

    def _check_online(self, missing: list[Choice]) -> None:
        if self._place.offline:
            message = f"CIR_OFFLINE is set, and the store does not have {_listed(missing)}"
            raise ShimError(UNAVAILABLE, message, "run once with a network, or bring a store that is filled")

    def _to_come(self, missing: list[Choice]) -> int:
        """Bytes that are still to be fetched; only of large archives a beginning is kept."""
        sizes = {choice.artifact.sha256: choice.artifact.size for choice in missing}
        return sum(
            max(0, size - self._cache.kept(sha256)) if size > IN_MEMORY else size
            for sha256, size in sizes.items()
        )

    def _fetch(self, missing: list[Choice], workers: int) -> None:
        environment = self._place.environment
        here = indexes.read(environment, self._place.manifest)
        known = tuple(address for address in (here.default, *here.extra) if address)
        access = Access(environment, known)
        shared = Surroundings(access, here, self._cache, self._place.progress, self._crew.check)
        self._place.progress.phase("fetch", sum(choice.artifact.size for choice in missing))
        with contextlib.suppress(RuntimeError):  # where no thread can be had for it, the next start sweeps
            threading.Thread(target=self._cache.sweep, daemon=True).start()
        jobs, archives = deque(missing), Channel(min(_BUDGET, machine.memory() // 4), self._crew.check)
        fetchers = min(FETCHERS, len(missing))
        archives.expect(fetchers)
        with self._cache.workspace() as workspace, contextlib.ExitStack() as ends:
            ends.callback(self._crew.stop)  # before the workspace goes
            started = self._crew.start_some(
                fetchers, lambda: self._fetch_all(shared, jobs, archives, workspace)
            )
            for _ in range(fetchers - started):
                archives.leave()
            self._crew.start_some(
                min(workers + 1, len(missing)), lambda: self._unpack_all(archives, workspace)
            )
            self._crew.wait()

    def _fetch_all(
        self, shared: Surroundings, jobs: deque[Choice], archives: Channel, workspace: Path
    ) -> None:
        """Fetch jobs until none is left. Archives are handed over open; whoever unpacks them closes them."""
        fetcher = Fetcher(shared)
        try:
            while True:
                try:
                    choice = jobs.popleft()
                except IndexError:
                    return
                size = choice.artifact.size if choice.artifact.size <= IN_MEMORY else 0
                archives.reserve(size)
                ahead = Ahead(
                    workspace / choice.artifact.sha256, self._fast, self._crew, self._compiler.expect
                )
                with contextlib.ExitStack() as stack:
                    data = stack.enter_context(fetcher.fetch(choice, ahead))
                    archives.put(Parcel(choice, data, ahead, size, stack.pop_all()))
        finally:
            fetcher.close()
            archives.leave()

    def _unpack_all(self, archives: Channel, workspace: Path) -> None:
        while parcel := archives.take():
            entry = self._unpack(parcel, workspace / parcel.choice.artifact.sha256)
            archives.done(parcel)
            self._link(entry, parcel.choice)

    def _unpack(self, parcel: Parcel, folder: Path) -> Entry:
        choice, ahead = parcel.choice, parcel.ahead.placed()
        try:
            contents = Unpacker(parcel.data, choice.name, folder, self._fast, ahead).run()
        except ArchiveError as error:
            message = f"{choice.artifact.name} is not a proper wheel: {error}"
            hint = "nothing of it was kept; require another version, or report it to its authors"
            raise ShimError(UNAVAILABLE, message, hint) from None
        with self._crew.lasting():
            return self._cache.publish(folder, choice.artifact.sha256, contents)

    def _link(self, entry: Entry, choice: Choice) -> None:
        self._layer.add(entry, choice.name)
        self._compiler.add(entry)


def _listed(choices: list[Choice]) -> str:
    """Components for a message, the first few by name."""
    shown = ", ".join(f"{choice.name} {choice.version}" for choice in choices[:5])
    return shown + (f" and {len(choices) - 5} more" if len(choices) > 5 else "")
