"""``cir run`` and ``cir materialize`` with a SIF."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from buildah_plugin.apptainer import binding, filesystem, limits, sif, squashfs, unpacked
from buildah_plugin.apptainer import engine as engines
from buildah_plugin.apptainer.binding import Binding
from buildah_plugin.apptainer.engine import Engine
from buildah_plugin.apptainer.job import DEADLINE, Job
from buildah_plugin.apptainer.materialize import materialize
from buildah_plugin.apptainer.store import NOTHING, LayerStore
from buildah_plugin.talk import Talk
from cirfile.cli import apptainer as options
from cirfile.cli import say, show
from cirfile.cli.ending import terminable
from cirfile.cli.errors import UNAVAILABLE, USAGE, CliError
from cirfile.cli.host import NOBODY, Host, host

_UNITS = {"s": 1, "m": 60, "h": 3600}


def store_of(arguments: argparse.Namespace) -> LayerStore:
    """The store: as the user says, else the one in the cache folder of this account."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    place = arguments.store or os.environ.get("CIR_STORE") or str(Path(cache) / "cir")
    return LayerStore(Path(place).absolute())


def run(arguments: argparse.Namespace) -> int:
    """Become the application's container; its layer is made first if it is not there."""
    with terminable():
        engine, start, settings = _prepared(arguments)
    if not arguments.dry_run:
        return engine.become(start, settings)
    given = [f"{name}={value}" for name, value in engine.variables(settings).items()]
    show(shlex.join([*given, engine.program, *start]))
    return 0


def _prepared(arguments: argparse.Namespace) -> tuple[Engine, list[str], dict[str, str]]:
    """What to become: the engine, its words, and the variables of the container."""
    words, image, command = options.split(arguments.words)
    job = _job(arguments, image)
    program = job.engine.program
    way = arguments.layer
    bound = Binding() if arguments.dry_run and not _is_there(job, way) else _bound(job, way, command)
    settings = dict(bound.settings)
    if options.names_folder(words):
        settings["CIR_WORKDIR"] = "host"
    binds: list[str] = []
    if not limits.no_binds(program):
        binds, trust = engines.certificates(job.machine)
        settings |= trust
    unsquash = binding.mount_words(job.engine, job.talk)
    start = ["run", *unsquash, *bound.words, *binds, *words, str(job.sif.path), *command]
    return job.engine, start, settings


def _is_there(job: Job, way: str) -> bool:
    """Whether nothing has to be made."""
    file = way != "folder" and job.store.find(job.names())
    folder = way in ("auto", "folder") and job.store.find_folder(job.names())
    return bool(file or folder)


def _bound(job: Job, way: str, command: list[str]) -> Binding:
    """The layer, found or made, and how it gets into the container."""
    program, talk = job.engine.program, job.talk
    if reason := limits.no_binds(program):
        return binding.at_home(talk, reason)
    found = None if way == "folder" else job.store.find(job.names())
    if found is None and (way == "folder" or (way == "auto" and filesystem.is_local(job.store.root))):
        return _in_store(job, command)
    if found is None:
        _check_online(job)
        try:
            squashfs.program()
        except CliError as error:
            talk.say(f"cir: note: {error.message}: the layer is kept unpacked in {job.store.root}")
            return _in_store(job, command)
        found = materialize(job)
    if found.path is None:
        return Binding()
    bound = binding.of_file(program, found.path, found.key, talk, way)
    if bound is None:
        talk.say(f"cir: note: the layer is kept unpacked in {job.store.root}")
        return _in_store(job, command)
    return bound


def _in_store(job: Job, command: list[str]) -> Binding:
    """The layer as a folder of the store."""
    try:
        found = unpacked.keep(job, command)
    except CliError as error:
        if error.code == UNAVAILABLE:
            _check_online(job)
        raise
    return Binding() if found.key == NOTHING else binding.in_store(job.store)


def _check_online(job: Job) -> None:
    """Raise `CliError` where a layer is missing and must not be made."""
    if os.environ.get("CIR_OFFLINE") == "1":
        raise CliError(
            UNAVAILABLE, f"{job.store.root} has no layer for {job.sif.path}, and CIR_OFFLINE=1 forbids to make it",
            f"where there is network: cir materialize --store {job.store.root} {job.sif.path}",
        )  # fmt: skip


@terminable()
def make(arguments: argparse.Namespace) -> int:
    """Make the layer; print the file, or nothing for an image that needs none."""
    job = _job(arguments, arguments.image)
    if arguments.dry_run:
        raise CliError(USAGE, "--dry-run is for Docker's images", "leave it away")
    if arguments.unpacked:
        return _unpacked(job)
    found = materialize(job)
    if found.path is None:
        say("the image needs no layer")
        return 0
    start = f"{job.engine.name} run -B {found.path}:{squashfs.PLACE}:image-src=/ {job.sif.path}"
    say(f"run it anywhere with:\n  {start}")
    show(str(found.path))
    return 0


def _unpacked(job: Job) -> int:
    """Let the shim keep the layer as a folder of the store."""
    if unpacked.keep(job, afresh=True).path is None:
        say("the image needs no layer")
        return 0
    start = f"{job.engine.name} run -B {job.store.root} --env CIR_STORE={job.store.root} {job.sif.path}"
    say(f"run it with:\n  {start}")
    show(str(job.store.root))
    return 0


def _job(arguments: argparse.Namespace, image: str) -> Job:
    found = sif.read(Path(image))
    found.check_machine()
    machine: Host = NOBODY if arguments.no_forward else host()
    talk = Talk(quiet=os.environ.get("CIR_LOG") == "quiet")
    return Job(Engine.find(), found, store_of(arguments), machine, talk, _deadline())


def _deadline() -> float:
    text = os.environ.get("CIR_TIMEOUT", "")
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        return float(number) * _UNITS[unit] if text else DEADLINE
    except ValueError:
        raise CliError(
            USAGE, f"CIR_TIMEOUT={text} is not understood", "set it to a time such as 90s, 15m or 2h"
        ) from None
