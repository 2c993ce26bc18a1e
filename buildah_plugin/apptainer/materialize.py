"""Make the platform layer of a SIF in a store: the image's own shim assembles it, here it becomes one file.

The work is done in a folder of this node (``TMPDIR``); what the store sees is one file that is written once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from buildah_plugin.apptainer import squashfs, workplace
from buildah_plugin.apptainer.assembly import Assembly
from buildah_plugin.apptainer.job import Job
from buildah_plugin.apptainer.store import NOTHING, Found, for_everyone
from buildah_plugin.talk import Talk
from cirfile.cli.errors import TRY_AGAIN, CliError
from cirfile.hold import claim_or_wait

_ROOM = "set TMPDIR to a folder of this node with more room"


def materialize(job: Job, *, afresh: bool = False) -> Found:
    """Return the layer of an image as a file, made by this process or by another that was faster.

    Raise `CliError` where it cannot be made, 75 past the deadline.

    :param afresh: look it over even if it is there, and ask anew what `PIN latest` means
    """
    if not afresh and (found := job.store.find(job.names())):
        return found
    job.store.prepare()
    squashfs.program()
    end = time.monotonic() + job.deadline
    with workplace.make() as folder:
        store = folder / "store"
        store.mkdir()
        assembly = Assembly(job, store, folder, _ROOM)
        key, manifest = assembly.plan()
        name = job.name(manifest)
        if not key:
            return job.store.record(name, NOTHING)
        with for_everyone():
            claim = claim_or_wait(
                job.store.claim(key), lambda: job.store.has(key), _own(job.talk), _deadline(end)
            )
        if claim:
            claim.keep()
            try:
                job.store.sweep()
                job.store.publish(_made(assembly, key, store, job.talk), key)
            finally:
                claim.release()
    return job.store.record(name, key)


def _made(assembly: Assembly, key: str, store: Path, talk: Talk) -> Path:
    """Assemble a layer in ``store``, seal it, pack it; return the file, which lies beside."""
    before = os.umask(0o022)  # modes belong to the layer, not to whoever makes it
    try:
        assembly.materialize()
        tree = squashfs.seal(store, key, store.with_name("tree"))
        made = store.with_name("layer.sqfs")
        with talk.phase("cir: one file"):
            squashfs.pack(tree, made)
        return made
    finally:
        os.umask(before)


def _own(talk: Talk) -> Callable[[str], None]:
    """Say a line as the shim says its own."""
    return lambda text: talk.say(f"cir: {text}")


def _deadline(end: float) -> Callable[[], None]:
    def check() -> None:
        if time.monotonic() > end:
            message = "another process has been making this layer for too long"
            raise CliError(TRY_AGAIN, message, "start again, or allow more time with CIR_TIMEOUT")

    return check
