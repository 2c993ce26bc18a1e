"""Make a layer: one of all containers assembles, the others wait for it; what is published works.

It lacks at most what may come later (see `shim.behind`).
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cirfile.hold import Hold, claim_or_wait
from cirfile.manifest import Manifest
from shim import advice, behind, contents, records, unfinished
from shim.choice import Choices, provider
from shim.errors import FULL, TRY_AGAIN, ShimError
from shim.progress import Silent, megabytes
from shim.provider import Assembly, Hint, Workplace
from shim.store import Store, Workspace
from shim.warm import boot_id

#: Seconds to wait at the end until what killed starts have left is removed; the next start does the rest.
_SWEEP = 2.0


@dataclass(frozen=True, slots=True)
class Work:
    """One layer to be made, and what is needed for it.

    ``address`` leads to it on the next start; ``wait`` tells whether to wait until it is finished, or to start the
    application when it works; ``whole``, whether that is all that is wanted.
    """

    choices: Choices
    manifest: Manifest
    progress: Silent
    check: Callable[[], None]
    environment: Mapping[str, str]
    offline: bool
    hint: Hint
    address: str
    wait: bool
    whole: bool

    def goal(self, store: Store) -> behind.Goal:
        """What is to be finished in the end."""
        return behind.Goal(store, self.choices.key, self.address, self.wait, self.whole)


def materialize(work: Work, store: Store) -> Path:
    """Return the layer, made by this process or by another that was faster.

    One that a crash of the host has damaged is made again. It is only taken away under the claim, and only if
    it still is the one that was looked at.

    :raises ShimError: as the providers do, or 75 past the deadline and on a full disk
    :raises OSError: for the store's file system
    """
    try:
        return _materialize(work, store)
    except OSError as error:
        if error.errno in FULL:  # there was no room for the claim, whose error names no place
            raise _no_space(store) from None
        raise


def _materialize(work: Work, store: Store) -> Path:
    key = work.choices.key
    seen = store.identity(key)
    if seen and store.is_sound(key):
        return store.path(key)
    if seen:
        work.progress.note("the platform layer did not survive a crash of this host; making it again")
    claim = claim_or_wait(
        store.claim(key), lambda: store.identity(key) not in (None, seen), work.progress.phase, work.check
    )
    if claim is None:
        return store.path(key)
    try:
        if seen:
            with contextlib.suppress(FileNotFoundError):  # a claim can be taken away from who stood still
                store.discard(store.path(key))
        return _assemble(work, store, claim)
    finally:
        claim.release()


def _assemble(work: Work, store: Store, claim: Hold) -> Path:
    workspace = store.begin(work.choices.key)
    companion = None
    try:
        (workspace.folder / unfinished.NAME).mkdir()
        assemblies = _assemblies(work, store, workspace.folder)
        companion = behind.Behind.start(work.goal(store), workspace.folder, assemblies, work.progress)
        sweeper = _begin_threads(store, claim, workspace)
        layer = _fill(work, store, workspace, assemblies)
    except BaseException as error:
        full = isinstance(error, OSError) and error.errno in FULL
        failure = _no_space(store) if full else error
        if companion:
            companion.stop()
        store.abandon(workspace)
        raise failure from None
    companion.published(assemblies, work.progress, work.check)
    sweeper.join(_SWEEP)
    return layer


def _fill(work: Work, store: Store, workspace: Workspace, assemblies: list[Assembly]) -> Path:
    """Make the layer and publish it."""
    hashes: dict[str, str] = {}
    for assembly in assemblies:
        hashes.update(assembly.run())
        work.check()
    records.write(workspace.folder, work.choices)
    files, size = contents.write(workspace.folder, boot_id().decode(), hashes)
    work.progress.debug(f"layer {work.choices.key[:12]}: {files} files, {megabytes(size)}")
    return store.publish(workspace, work.choices.key)


def resume(work: Work, store: Store) -> None:
    """Have a layer finished that is there and unfinished (see `shim.unfinished`)."""
    layer = store.path(work.choices.key)
    behind.resume(work.goal(store), lambda: _assemblies(work, store, layer), work.progress, work.check)


def _assemblies(work: Work, store: Store, folder: Path) -> list[Assembly]:
    return [
        provider(selection.ecosystem).assembly(
            selection, _workplace(work, store, selection.ecosystem, folder)
        )
        for selection in work.choices.selections
    ]


def _begin_threads(store: Store, claim: Hold, workspace: Workspace) -> threading.Thread:
    """Start what runs beside the assembly: heartbeats, and a sweep, which is returned."""
    claim.keep()
    workspace.hold.keep()
    sweeper = threading.Thread(target=store.sweep, name="cir-sweep", daemon=True)
    sweeper.start()
    return sweeper


def _workplace(work: Work, store: Store, ecosystem: str, target: Path) -> Workplace:
    return Workplace(
        cache=store.cache(ecosystem),
        target=target,
        facts=work.choices.facts,
        manifest=work.manifest,
        progress=work.progress,
        check=work.check,
        environment=dict(work.environment),
        offline=work.offline,
        hint=work.hint,
        check_room=functools.partial(_check_room, store),
        niceness=0 if work.wait else behind.NICENESS,
    )


def _no_space(store: Store) -> ShimError:
    """What to say when the disk is full, measured before what is half-made is removed."""
    message = f"{store.root}: no space left for the platform layer ({megabytes(_free(store))} free)"
    return ShimError(TRY_AGAIN, message, advice.space())


def _check_room(store: Store, size: int, sweep: Callable[[], None]) -> None:
    """Raise `ShimError` (75) at once where the downloads alone cannot fit; the rest shows while working."""
    if size <= _free(store):
        return
    store.sweep()
    sweep()
    free = _free(store)
    if size > free:
        message = f"{store.root}: {megabytes(free)} are free, the downloads alone are {megabytes(size)}"
        raise ShimError(TRY_AGAIN, message, advice.space())


def _free(store: Store) -> int:
    return shutil.disk_usage(store.root).free
