"""Which way the layer of a job is kept and gets into a container (see `buildah_plugin.apptainer.binding`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from buildah_plugin.apptainer import binding, filesystem, limits, squashfs, unpacked
from buildah_plugin.apptainer.assembly import AssemblyError
from buildah_plugin.apptainer.binding import Binding
from buildah_plugin.apptainer.job import Job
from buildah_plugin.apptainer.materialize import materialize
from buildah_plugin.apptainer.store import NOTHING, LayerStore
from cirfile.cli.errors import UNAVAILABLE, CliError

HOME, FOLDER, FILE = "home", "folder", "file"


def bound(job: Job, way: str, command: Sequence[str]) -> Binding:
    """Find the layer or make it, and say how it gets into the container.

    Raise `CliError` where it cannot be made, 69 where it is missing and nothing may be fetched.

    :param way: one of `binding.WAYS`
    :param command: the application's
    """
    kept = _kept_as(job, way)
    if kept == HOME:
        return _at_home(job, command)
    if kept == FOLDER:
        return _in_store(job, command)
    return _of_file(job, way) or _in_store(job, command)


def foreseen(job: Job, way: str) -> Binding:
    """The same, as far as it can be told without making anything."""
    kept = _kept_as(job, way)
    if kept == HOME:
        return binding.at_home(_home_store())
    if kept == FOLDER:
        return binding.in_store(job.store)
    found = job.store.find(job.names())
    if found is None:
        job.talk.say("cir: note: the layer's file is not there yet; a start makes and binds it")
    if found is None or found.path is None:
        return Binding()
    return Binding(("--bind", f"{found.path}:{squashfs.PLACE}:ro,image-src=/"))


def _kept_as(job: Job, way: str) -> str:
    """Where the layer is, or would be made."""
    if limits.no_binds(job.engine.program):
        return HOME
    if way != "auto":
        return FOLDER if way == "folder" else FILE
    if job.store.find(job.names()):
        return FILE
    is_folder = filesystem.is_local(job.store.root) or job.store.find_folder(job.names()) is not None
    return FOLDER if is_folder else FILE


def _of_file(job: Job, way: str) -> Binding | None:
    """The layer as a file; `None` where none can be made, or bound or unpacked on this node."""
    found = job.store.find(job.names())
    if found is None:
        _check_online(job)
        try:
            squashfs.program()
        except CliError as error:
            job.talk.say(f"cir: note: {error.message}: the layer is kept unpacked in {job.store.root}")
            return None
        found = materialize(job)
    if found.path is None:
        return Binding()
    bound = binding.of_file(job.engine.program, found.path, found.key, job.talk, way)
    if bound is None:
        job.talk.say(f"cir: note: the layer is kept unpacked in {job.store.root}")
    return bound


def _in_store(job: Job, command: Sequence[str]) -> Binding:
    """The layer as a folder of the store."""
    return binding.in_store(job.store) if _has_folder(job, command) else Binding()


def _at_home(job: Job, command: Sequence[str]) -> Binding:
    """The layer as a folder in the home, which the container sees where nothing can be bound."""
    store = _home_store()
    reason = limits.no_binds(job.engine.program)
    job.talk.say(f"cir: note: {reason}: the layer is kept unpacked in {store.root}")
    return binding.at_home(store) if _has_folder(replace(job, store=store), command) else Binding()


def _home_store() -> LayerStore:
    return LayerStore(Path.home() / ".cache/cir")


def _has_folder(job: Job, command: Sequence[str]) -> bool:
    """Make sure that the layer is there as a folder; `False` for an image that needs none."""
    try:
        return unpacked.keep(job, command).key != NOTHING
    except AssemblyError as error:
        if error.code == UNAVAILABLE:
            _check_online(job)
        raise


def _check_online(job: Job) -> None:
    """Raise `CliError` where a layer is missing and must not be made."""
    if job.offline:
        raise CliError(
            UNAVAILABLE, f"{job.store.root} has no layer for {job.sif.path}, and CIR_OFFLINE=1 forbids to make it",
            f"where there is network: cir materialize --store {job.store.root} {job.sif.path}",
        )  # fmt: skip
