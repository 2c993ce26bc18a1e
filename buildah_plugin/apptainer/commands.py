"""``cir run`` and ``cir materialize`` with a SIF."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from buildah_plugin.apptainer import binding, limits, sif, squashfs
from buildah_plugin.apptainer import engine as engines
from buildah_plugin.apptainer.binding import Binding
from buildah_plugin.apptainer.engine import Engine
from buildah_plugin.apptainer.materialize import DEADLINE, Job, materialize, names
from buildah_plugin.apptainer.store import LayerStore
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
    bound = (
        Binding()
        if arguments.dry_run and not job.store.find(names(job.sif))
        else _bound(job, arguments.layer)
    )
    settings = dict(bound.settings)
    if options.names_folder(words):
        settings["CIR_WORKDIR"] = "host"
    binds: list[str] = []
    if not limits.no_binds(program):
        binds, trust = engines.certificates(job.machine)
        settings |= trust
    unsquash = binding.mount_words(program, job.talk)
    start = ["run", *unsquash, *bound.words, *binds, *words, str(job.sif.path), *command]
    return job.engine, start, settings


def _bound(job: Job, way: str) -> Binding:
    """The layer, found or made, and how it gets into the container."""
    program = job.engine.program
    found = job.store.find(names(job.sif))
    if found is None and os.environ.get("CIR_OFFLINE") == "1":
        raise CliError(
            UNAVAILABLE, f"{job.store.root} has no layer for {job.sif.path}, and CIR_OFFLINE=1 forbids to make it",
            f"where there is network: cir materialize --store {job.store.root} {job.sif.path}",
        )  # fmt: skip
    if found is None and (way == "folder" or limits.no_binds(program)):
        return binding.in_store(program, job.store, job.talk)
    if found is None:
        try:
            squashfs.program()
        except CliError as error:
            job.talk.say(f"cir: note: {error.message}")
            return binding.in_store(program, job.store, job.talk)
        found = materialize(job)
    if found.file is None:
        return Binding()
    return binding.of_file(program, found.file, found.key, job.store, job.talk, way)


@terminable()
def make(arguments: argparse.Namespace) -> int:
    """Make the layer; print the file, or nothing for an image that needs none."""
    job = _job(arguments, arguments.image)
    if arguments.dry_run:
        raise CliError(USAGE, "--dry-run is for Docker's images", "leave it away")
    if arguments.unpacked:
        return _unpacked(job)
    found = materialize(job)
    if found.file is None:
        say("the image needs no layer")
        return 0
    start = f"{job.engine.name} run -B {found.file}:{squashfs.PLACE}:image-src=/ {job.sif.path}"
    say(f"run it anywhere with:\n  {start}")
    show(str(found.file))
    return 0


def _unpacked(job: Job) -> int:
    """Let the shim keep the layer as a folder of the store."""
    job.store.prepare()
    binds, settings = engines.forwarded(job.machine, job.machine.netrc)
    settings |= {"CIR_STORE": str(job.store.root), "CIR_MODE": "materialize"}
    words = ["exec", "--bind", str(job.store.root), *binds, "--cwd", "/", str(job.sif.path), "/.cir/shim"]
    job.engine.call(words, settings, job.talk.say)
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
