"""A layer as a folder of the store, which the image's shim makes and keeps there: ready at once, nothing to pack.

That is the best for a store on a disk of this machine. On a parallel file system it would be thousands of small files.
"""

from __future__ import annotations

from collections.abc import Sequence

from buildah_plugin.apptainer import workplace
from buildah_plugin.apptainer.assembly import Assembly, AssemblyError
from buildah_plugin.apptainer.job import Job
from buildah_plugin.apptainer.store import NOTHING, Found
from cirfile.cli.errors import PERMISSION

_ROOM = "free some space or quota, or name another folder with --store"


def keep(job: Job, command: Sequence[str] = (), *, afresh: bool = False) -> Found:
    """Return the layer of an image as a folder; the shim makes it if it is not there, and waits for one that does.

    A store that can only be read does if the layer is in it. Raise `CliError` with what the shim says.

    :param command: the application's, whose files tell what to prepare first
    :param afresh: look it over even if it is there, and ask anew what `PIN latest` means
    """
    if not afresh and (found := job.store.find_folder(job.names())):
        return found
    if not (job.store.root / "layers").is_dir():
        job.store.prepare()
    with workplace.make() as folder:
        assembly = Assembly(job, job.store.root, folder, _ROOM)
        try:
            if afresh:
                assembly.materialize()
            key, manifest = assembly.keep(command)
        except AssemblyError as error:
            if error.code == PERMISSION:
                job.store.prepare()  # says it with the way out that users of `cir` have
            raise
    return job.store.record_folder(job.name(manifest), key or NOTHING)
