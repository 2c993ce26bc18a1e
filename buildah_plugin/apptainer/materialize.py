"""Make the platform layer of a SIF in a store: the image's own shim assembles it, here it becomes one file.

The work is done in a folder of this node (``TMPDIR``); what the store sees is one file that is written once.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildah_plugin.apptainer import engine as engines
from buildah_plugin.apptainer import squashfs, workplace
from buildah_plugin.apptainer.engine import Engine
from buildah_plugin.apptainer.sif import Sif
from buildah_plugin.apptainer.store import NOTHING, Found, LayerStore, for_everyone
from buildah_plugin.process import ProcessError
from buildah_plugin.talk import Talk
from cirfile.cli.errors import INVALID, TRY_AGAIN, UNAVAILABLE, CliError
from cirfile.cli.host import Host, netrc_of
from cirfile.hold import claim_or_wait
from cirfile.manifest import MANIFEST_PATH

#: Seconds that everything may take, the wait for another process included; `CIR_TIMEOUT` says otherwise.
DEADLINE = 1800.0
_SHIM, _PYTHON = "/.cir/shim", "/.cir/bin/python3"
_ROOM = "set TMPDIR to a folder of this node with more room"
_READ = f"import sys; sys.stdout.buffer.write(open({MANIFEST_PATH!r}, 'rb').read())"


@dataclass(frozen=True, slots=True)
class Job:
    """A layer to be made: of which image, where, with what of this machine."""

    engine: Engine
    sif: Sif
    store: LayerStore
    machine: Host
    talk: Talk
    deadline: float = DEADLINE


def names(sif: Sif) -> tuple[str, ...]:
    """What an image may be recorded under: with this processor's features, if they matter to it, and without."""
    common = f"cir-sif-1\0{sif.identifier}\0{os.environ.get('CIR_ACCELERATOR', '')}"
    return tuple(hashlib.sha256(f"{common}\0{part}".encode()).hexdigest() for part in (_processor(), ""))


def materialize(job: Job) -> Found:
    """Return the layer of an image, made by this process or by another that was faster.

    Raise `CliError` where it cannot be made, 75 past the deadline.
    """
    if found := job.store.find(names(job.sif)):
        return found
    job.store.prepare()
    squashfs.program()
    end = time.monotonic() + job.deadline
    with workplace.make() as folder:
        work = _Work(job, folder)
        key, name = work.plan()
        if key == NOTHING:
            return job.store.record(name, key)
        with for_everyone():
            claim = claim_or_wait(
                job.store.claim(key), lambda: job.store.has(key), _own(job.talk), _deadline(end)
            )
        if claim:
            claim.keep()
            try:
                job.store.sweep()
                work.make(key)
            finally:
                claim.release()
    return job.store.record(name, key)


def _own(talk: Talk) -> Callable[[str], None]:
    """Say a line as the shim says its own."""
    return lambda text: talk.say(f"cir: {text}")


def _deadline(end: float) -> Callable[[], None]:
    def check() -> None:
        if time.monotonic() > end:
            message = "another process has been making this layer for too long"
            raise CliError(TRY_AGAIN, message, "start again, or allow more time with CIR_TIMEOUT")

    return check


class _Work:
    """The work in a folder of this node."""

    def __init__(self, job: Job, folder: Path) -> None:
        self._job = job
        self._store = folder / "store"
        self._store.mkdir()
        self._folder = folder
        binds, settings = engines.forwarded(job.machine, netrc_of(job.machine, folder))
        self._words = ["exec", "--bind", str(self._store), *binds, "--cwd", "/", str(job.sif.path)]
        self._settings = settings | {"CIR_STORE": str(self._store)}

    def plan(self) -> tuple[str, str]:
        """The key of the layer, as the shim of the image finds it here, and the name to record it under."""
        manifest = self._run([_PYTHON, "-IS", "-c", _READ], {})
        with_processor, without = names(self._job.sif)
        name = with_processor if b'"microarch"' in manifest else without
        plan: dict[str, Any] = json.loads(self._run([_SHIM], {"CIR_MODE": "plan", "CIR_LOG": "json"}))
        return plan["key"] or NOTHING, name

    def make(self, key: str) -> None:
        """Assemble, seal, pack, publish."""
        before = os.umask(0o022)  # modes belong to the layer, not to whoever makes it
        try:
            log = os.environ.get("CIR_LOG", "info")
            self._run([_SHIM], {"CIR_MODE": "materialize", "CIR_LOG": log}, show=True)
            tree = squashfs.seal(self._store, key, self._folder / "tree")
            made = self._folder / "layer.sqfs"
            with self._job.talk.phase("cir: one file"):
                squashfs.pack(tree, made)
        finally:
            os.umask(before)
        self._job.store.publish(made, key)

    def _run(self, program: list[str], settings: dict[str, str], show: bool = False) -> bytes:
        follow = self._job.talk.say if show else None
        try:
            return self._job.engine.call([*self._words, *program], self._settings | settings, follow)
        except ProcessError as error:
            raise _explained(error, self._job.sif) from None


def _explained(error: ProcessError, sif: Sif) -> CliError:
    """What the shim said, with its status; else what Apptainer said."""
    lines = [line.strip() for line in error.tail.splitlines()]
    said = next((line for line in reversed(lines) if line.startswith("cir: error: ")), "")
    if said:
        hint = next(
            (line.removeprefix("cir: hint: ") for line in lines if line.startswith("cir: hint: ")), ""
        )
        if (error.status == TRY_AGAIN and "space" in said) or " are free" in said:
            hint = _ROOM
        return CliError(error.status, said.removeprefix("cir: error: "), hint)
    fatal = next((line for line in reversed(lines) if line.startswith("FATAL:")), "")
    if "no such file or directory" in fatal and "/.cir/" in fatal:
        return CliError(INVALID, f"{sif.path} was not built from a Cirfile", "use `apptainer run` itself")
    reason = fatal.removeprefix("FATAL:").strip() or str(error)
    return CliError(UNAVAILABLE, f"{sif.path}: {reason}", "see what `apptainer exec` says with this image")


def _processor() -> str:
    """The features of the processor, as the shim takes them into account."""
    try:
        head = Path("/proc/cpuinfo").read_text()[: 16 << 10]
    except OSError:
        return ""
    lines = (line for line in head.splitlines() if line.startswith(("flags", "Features")))
    return next(lines, "").partition(":")[2].strip()
