"""``cir run`` and ``cir materialize`` with a SIF."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from buildah_plugin.apptainer import engine as engines
from buildah_plugin.apptainer import layer, limits, sif, squashfs, unpacked
from buildah_plugin.apptainer.engine import Engine
from buildah_plugin.apptainer.job import DEADLINE, Job
from buildah_plugin.apptainer.materialize import materialize
from buildah_plugin.apptainer.store import LayerStore
from buildah_plugin.talk import Talk
from cirfile.cli import apptainer as options
from cirfile.cli import say, show
from cirfile.cli.ending import terminable
from cirfile.cli.errors import USAGE, CliError
from cirfile.cli.host import NOBODY, Host, host
from cirfile.cli.run import is_setting, shim_indexes

_UNITS = {"s": 1, "m": 60, "h": 3600}


def store_of(arguments: argparse.Namespace) -> LayerStore:
    """The store: as the user says, else the one in the cache folder of this account."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    place = arguments.store or os.environ.get("CIR_STORE") or str(Path(cache) / "cir")
    return LayerStore(Path(place).resolve())  # Apptainer looks for a link's target inside of the container


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
    given = options.assignments(words)
    job = _job(arguments, image, {name: value for name, value in given.items() if is_setting(name)})
    way = arguments.layer
    bound = layer.foreseen(job, way) if arguments.dry_run else layer.bound(job, way, command)
    settings = shim_indexes(job.machine, given)
    if os.environ.get("CIR_STORE"):
        settings["CIR_STORE"] = str(job.store.root)  # what this process has may be relative to its folder
    settings |= bound.settings
    if options.names_folder(words):
        settings["CIR_WORKDIR"] = "host"
    binds: list[str] = []
    if not limits.no_binds(job.engine.program):
        binds, trust = engines.certificates(job.machine)
        settings |= trust
    start = ["run", *_mount_words(job), *bound.words, *binds, *words, str(job.sif.path), *command]
    return job.engine, start, settings


def _mount_words(job: Job) -> list[str]:
    """Words that let the engine start an image at all where it cannot mount one."""
    if not job.engine.unpacks_image:
        return []
    job.talk.say(
        f"cir: note: {limits.no_mounts(job.engine.program)}: the image itself is unpacked for this start"
    )
    return ["--unsquash"]


@terminable()
def make(arguments: argparse.Namespace) -> int:
    """Make the layer; print the file, or nothing for an image that needs none."""
    job = _job(arguments, arguments.image)
    if arguments.dry_run:
        raise CliError(USAGE, "--dry-run is for Docker's images", "leave it away")
    if arguments.unpacked:
        return _unpacked(job)
    found = materialize(job, afresh=True)
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


def _job(arguments: argparse.Namespace, image: str, settings: Mapping[str, str] | None = None) -> Job:
    found = sif.read(Path(image))
    found.check_machine()
    machine: Host = NOBODY if arguments.no_forward else host()
    settings = settings or {}
    given = {**os.environ, **settings}
    talk = Talk(quiet=given.get("CIR_LOG") == "quiet")
    deadline = _deadline(given.get("CIR_TIMEOUT", ""))
    return Job(Engine.find(), found, store_of(arguments), machine, talk, deadline, settings)


def _deadline(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        return float(number) * _UNITS[unit] if text else DEADLINE
    except ValueError:
        raise CliError(
            USAGE, f"CIR_TIMEOUT={text} is not understood", "set it to a time such as 90s, 15m or 2h"
        ) from None
