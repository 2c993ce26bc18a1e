"""The cold path: everything that a start needs when the warm path did not find the layer."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from cirfile.lock import Lock
from shim import (
    advice,
    application,
    choice,
    image,
    location,
    materialize,
    probe,
    promise,
    report,
    unfinished,
    warm,
)
from shim.choice import Choices
from shim.errors import USAGE, ShimError
from shim.facts import Facts
from shim.guard import Guard, guarded
from shim.image import Image
from shim.progress import Silent, reporter
from shim.settings import Settings
from shim.store import Store


def prepare(given: warm.Environment, settings: Settings, run: bool, argv: Sequence[str]) -> str | None:
    """Do what `CIR_MODE` asks; return the folder of the layer, `None` where the image needs none here.

    :param given: the environment of the container
    :param run: whether the application is to be started afterwards, whatever the mode says
    :param argv: the application's command line
    :raises ShimError: with the exit code of the failure
    """
    if run and not argv:
        hint = "give one after the image's name, or add ENTRYPOINT or CMD to the Cirfile"
        raise ShimError(USAGE, "there is no command to run", hint)
    progress = reporter(settings.log, given)
    # Layers are for every user, whatever the container's umask is; a group may share the store.
    before = os.umask(0)
    os.umask(before & 0o020 | 0o002)
    try:
        with guarded(settings.timeout) as guard:
            return _Start(given, settings, progress, guard).perform("run" if run else settings.mode, argv)
    finally:
        os.umask(before)
        progress.close()


class _Start:
    """One start, with what every step of it needs."""

    def __init__(self, given: warm.Environment, settings: Settings, progress: Silent, guard: Guard) -> None:
        self.given = given
        self.settings = settings
        self.progress = progress
        self.guard = guard

    def perform(self, mode: str, argv: Sequence[str]) -> str | None:
        """Do what a mode asks; see `prepare`."""
        loaded = image.load()
        facts = probe.probe(self.given, self.settings.accelerator)
        if mode == "status":
            address = warm.address(loaded.data, self.given)
            stores = location.existing(self.settings, self.given)
            report.status(stores, address, self._key(loaded, facts), facts, self.settings.log == "json")
            return None
        self.progress.debug(f"machine: {promise.describe(facts)}")
        choice.check(loaded.manifest, facts)
        choices = None
        if choice.ecosystems(loaded.manifest, facts):
            choices = choice.choose(loaded.manifest, facts, self._locks(loaded, facts, mode))
        if mode == "plan":
            holding = location.holding(self.settings, self.given, choices.key) if choices else []
            held = next(iter(holding), None)
            report.plan(loaded.manifest, facts, choices, held, self.settings.log == "json")
            return None
        return str(self._layer(loaded, choices, argv, mode == "run")) if choices else None

    def _key(self, loaded: Image, facts: Facts) -> str:
        """The key of a locked image's layer; empty where it is known by resolving alone, or is none here."""
        if loaded.manifest.pin.mode != "lock" or not choice.ecosystems(loaded.manifest, facts):
            return ""
        try:
            return choice.choose(loaded.manifest, facts, dict(loaded.locks)).key
        except ShimError:  # a start says why
            return ""

    def _locks(self, loaded: Image, facts: Facts, mode: str) -> dict[str, Lock]:
        """The image's locks, or those that its requirements are resolved to here."""
        if loaded.manifest.pin.mode == "lock":
            return dict(loaded.locks)
        from shim import resolve  # with a reader of TOML, which a locked image has no use for

        return {
            resolve.ECOSYSTEM: resolve.locked(
                warm.address(loaded.data, self.given),
                resolve.Request(loaded.manifest, facts, self._text(), self.progress, self.guard.check),
                [Store(path) for path in location.existing(self.settings, self.given)],
                lambda: location.writable(self.settings, self.given, self.progress.note),
                afresh=mode == "materialize",
                offline=self.settings.offline,
            )
        }

    def _text(self) -> dict[str, str]:
        """The environment as text, with the index settings that count."""
        names = (*warm.DEFAULT_INDEX, *warm.EXTRA_INDEXES)
        others = {name: value for name, value in self.given.items() if name not in names}
        found = {**others, **warm.index_settings(self.given)}
        return {os.fsdecode(name): os.fsdecode(value) for name, value in found.items()}

    def _layer(self, loaded: Image, choices: Choices, argv: Sequence[str], run: bool) -> Path:
        """The layer: found in a store, or made."""
        work = self._work(loaded, choices, argv, run)
        for store in location.holding(self.settings, self.given, choices.key):
            if store.is_sound(choices.key):
                if unfinished.is_unfinished(store.path(choices.key)):
                    materialize.resume(work, store)
                self._record(store, work.address, choices.key)
                return store.path(choices.key)
        store = location.writable(self.settings, self.given, self.progress.note)
        begun = time.monotonic()
        layer = materialize.materialize(work, store)
        if work.wait and unfinished.is_unfinished(layer):  # another container has made it
            materialize.resume(work, store)
        self._record(store, work.address, choices.key)
        self.progress.note(f"platform layer {choices.key[:12]} ready in {time.monotonic() - begun:.1f} s")
        if location.is_lost_with_container(store):
            self.progress.note(
                f"note: {store.root} is inside this container and goes with it; {advice.store()}"
            )
        return layer

    def _work(self, loaded: Image, choices: Choices, argv: Sequence[str], run: bool) -> materialize.Work:
        return materialize.Work(
            choices=choices,
            manifest=loaded.manifest,
            progress=self.progress,
            check=self.guard.check,
            environment=self._text(),
            offline=self.settings.offline,
            hint=application.hint(argv),
            address=warm.address(loaded.data, self.given),
            # Where Apptainer ends, what it has mounted goes, whoever still works in it.
            wait=not run or warm.in_apptainer(self.given),
            whole=not run,
        )

    def _record(self, store: Store, address: str, key: str) -> None:
        """Make the next start a warm one; a store that cannot be written stays as it is.

        Of a layer that is unfinished, whoever finishes it does so: until then each start has to look after it.
        """
        if unfinished.is_unfinished(store.path(key)):
            return
        try:
            store.record(address, key)
        except OSError as error:
            if store.has_looked_over(key):
                self.progress.note(
                    f"note: {store.root} is read-only, and its layer was made before this host was started or by"
                    " another, so that each start reads it to its end; start once with the store writable"
                )
            self.progress.debug(f"{store.root}: the next start will look again: {error.strerror}")
