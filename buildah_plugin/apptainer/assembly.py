"""The shim of an image at work in a container of its own, with what an assembly needs of this machine.

The application's container gets no logins, and the settings of indexes for its shim alone
(`cirfile.cli.run.shim_indexes`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from buildah_plugin.apptainer import engine as engines
from buildah_plugin.apptainer import limits
from buildah_plugin.apptainer.job import Job
from buildah_plugin.apptainer.sif import Sif
from buildah_plugin.process import ProcessError
from cirfile.cli.errors import INVALID, TRY_AGAIN, UNAVAILABLE, USAGE, CliError
from cirfile.cli.host import netrc_of
from cirfile.manifest import MANIFEST_PATH

_SHIM, _PYTHON = "/.cir/shim", "/.cir/bin/python3"
#: Both write the manifest first, a line of JSON.
_MANIFEST = f"import os, sys; sys.stdout.write(open({MANIFEST_PATH!r}).read()); sys.stdout.flush(); "
_THEN_SHIM = f"{_MANIFEST}os.execv({_SHIM!r}, [{_SHIM!r}])"
#: Started by the shim, and so with the layer's folder first on PATH; a link in the image may lead there.
_THEN_LAYER = f"{_MANIFEST}print(os.path.realpath(os.environ['PATH'].partition(':')[0]))"
_LAYER = re.compile(r"/layers/([0-9a-f]{64})/bin")


class AssemblyError(CliError):
    """What the shim said, with its status."""


class Assembly:
    """Runs the shim of a job's image with the store at ``store``; ``folder`` is private, for secrets.

    Methods raise `AssemblyError`, and `CliError` where the shim did not get as far as to say something.

    :param room: what to do where there is no room for ``store``
    """

    def __init__(self, job: Job, store: Path, folder: Path, room: str) -> None:
        self._job, self._room = job, room
        machine = job.machine.beside(job.settings)
        binds, settings = engines.forwarded(machine, netrc_of(machine, folder))
        if limits.no_binds(job.engine.program):  # the home folder is there nevertheless
            binds, settings = [], dict(machine.indexes)
        else:
            check_bind(store)
            binds += ["--bind", str(store)]
        unpacked = ["--unsquash"] if job.engine.unpacks_image else []
        # `--pwd`, because SingularityCE 3 does not know `--cwd`.
        self._words = ["exec", *unpacked, *binds, "--pwd", "/", str(job.sif.path)]
        self._settings = settings | dict(job.settings) | {"CIR_STORE": str(store)}

    def plan(self) -> tuple[str, bytes]:
        """The key of the layer on this machine, empty where none is needed, and the image's manifest."""
        settings = {"CIR_MODE": "plan", "CIR_LOG": "json"}
        manifest, _, plan = self._run([_PYTHON, "-IS", "-c", _THEN_SHIM], settings).partition(b"\n")
        found: dict[str, Any] = json.loads(plan)
        return found["key"] or "", manifest

    def materialize(self) -> None:
        """Make the layer."""
        self._run([_SHIM], {"CIR_MODE": "materialize"}, show=True)

    def keep(self, command: Sequence[str]) -> tuple[str, bytes]:
        """Find the layer or make it; return its key, empty where none is needed, and the image's manifest.

        :param command: the application's, whose files tell what to prepare first
        """
        program = [_SHIM, _PYTHON, "-IS", "-c", _THEN_LAYER, *command]
        manifest, _, place = self._run(program, {"CIR_MODE": "run"}, show=True).partition(b"\n")
        found = _LAYER.search(os.fsdecode(place))
        return found[1] if found else "", manifest

    def _run(self, program: list[str], settings: dict[str, str], show: bool = False) -> bytes:
        follow = self._job.talk.say if show else None
        log = {"CIR_LOG": self._job.setting("CIR_LOG") or "info"}
        try:
            return self._job.engine.call([*self._words, *program], self._settings | log | settings, follow)
        except ProcessError as error:
            raise _explained(error, self._job.sif, self._room) from None


def check_bind(path: Path) -> None:
    """Raise `CliError` (64) for a folder that Apptainer cannot bind: its words for binds have these signs in them."""
    if found := {",", ":"} & set(str(path)):
        message = f"{path} cannot be bound into a container: Apptainer allows no `{min(found)}` in its name"
        raise CliError(USAGE, message, "name another folder with --store, or with TMPDIR")


def _said(lines: Sequence[str]) -> tuple[str, str]:
    """Message and hint of the shim, in words or in JSON (`shim.failure`); empty where it said nothing."""
    for line in reversed(lines):
        if line.startswith('{"event":"error"') and line.endswith("}"):
            found: dict[str, str] = json.loads(line)
            return found["message"], found["hint"]
    said = next((line for line in reversed(lines) if line.startswith("cir: error: ")), "")
    hint = next((line for line in lines if line.startswith("cir: hint: ")), "")
    return said.removeprefix("cir: error: "), hint.removeprefix("cir: hint: ")


def _explained(error: ProcessError, sif: Sif, room: str) -> CliError:
    """What the shim said, with its status; else what Apptainer said."""
    lines = [line.strip() for line in error.tail.splitlines()]
    said, hint = _said(lines)
    if said:
        if (error.status == TRY_AGAIN and "space" in said) or " are free" in said:
            hint = room
        return AssemblyError(error.status, said, hint)
    fatal = next((line for line in reversed(lines) if line.startswith("FATAL:")), "")
    if "no such file or directory" in fatal and "/.cir/" in fatal:
        return CliError(INVALID, f"{sif.path} was not built from a Cirfile", "use `apptainer run` itself")
    reason = fatal.removeprefix("FATAL:").strip() or str(error)
    return CliError(UNAVAILABLE, f"{sif.path}: {reason}", "see what `apptainer exec` says with this image")
