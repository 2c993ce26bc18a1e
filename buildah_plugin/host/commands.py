"""``cir run --engine host``: become the application, in the best of the ways that this machine allows.

In bubblewrap; in a namespace of our own, which gives the same; or, where the kernel gives an ordinary account none,
with the files where they are, as far as that can be right (see `direct`).
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
from pathlib import Path

from buildah_plugin import process
from buildah_plugin.host import direct, namespace
from buildah_plugin.host.application import Application, application
from buildah_plugin.host.laying import LaidStep, lay
from buildah_plugin.settings import cache_folder
from buildah_plugin.talk import Talk
from cirfile import hostenv
from cirfile.cli import show
from cirfile.cli.ending import terminable
from cirfile.cli.errors import PERMISSION, UNAVAILABLE, USAGE, CliError
from cirfile.cli.host import NOBODY, host

#: Written by the shim in the container; everything else of the image stays as it is.
_RUN = "/.cir/run"
_OURS = (
    "the application runs in a mount namespace of its own instead; processes, network and other files are this "
    "machine's"
)


def run(arguments: argparse.Namespace) -> int:
    """Become the application."""
    if not arguments.words or arguments.words[0].startswith("-"):
        raise CliError(USAGE, "no application is named", "write: cir run --engine host FOLDER [ARGUMENT...]")
    machine = NOBODY if arguments.no_forward else host()
    talk = Talk(quiet=os.environ.get("CIR_LOG") == "quiet")
    where, *words = arguments.words
    with terminable():
        found = application(Path(where), machine, talk)
    settings = variables(found, dict(os.environ))
    settings["CIR_STORE"] = arguments.store or settings.get("CIR_STORE") or str(cache_folder())
    _start(found, found.command(words), settings, talk, dry=arguments.dry_run)
    return 0


def variables(found: Application, own: dict[str, str]) -> dict[str, str]:
    """The environment of the application: this machine's without what leads astray, the image's above it."""
    image = found.environment
    path = [*image.get("PATH", "").split(":"), *own.get("PATH", "").split(":")]
    return hostenv.handed_on(own.items()) | image | {"PATH": ":".join(dict.fromkeys(filter(None, path)))}


def _start(
    found: Application, command: list[str], settings: dict[str, str], talk: Talk, *, dry: bool
) -> None:
    """Execute the command, or with ``dry`` show the words that would; say what is not apart from this machine."""
    bubblewrap = shutil.which("bwrap")
    reason = _refused(bubblewrap) if bubblewrap else "there is no `bwrap` on PATH"
    folder = found.workdir or str(Path.cwd())
    steps = _steps(found)
    if reason and (obstacle := namespace.obstacle()):
        because = f"{reason}, and there is no user namespace ({obstacle})"
        command, folder = direct.planned(found, command, because)
        talk.say(f"cir: note: {because}: {direct.NOTE.format(folder=folder)}")
        os.chdir(folder)
    elif reason and not dry:
        talk.say(f"cir: note: {reason}: {_OURS}")
        namespace.enter(steps)
        os.chdir(folder)
    else:
        laid = [word for step in steps for word in step]
        command = [bubblewrap or "bwrap", "--die-with-parent", *laid, "--chdir", folder, "--", *command]
    if dry:
        show(shlex.join(command))
    else:
        _become(command, settings)


def _steps(found: Application) -> list[LaidStep]:
    try:
        return [*lay(found.root, Path("/")), ("--tmpfs", _RUN)]
    except PermissionError as error:
        raise CliError(
            PERMISSION, f"{error.filename} cannot be listed, so nothing can be laid into it",
            "copy the files to another folder of the image",
        ) from None  # fmt: skip


def _become(command: list[str], settings: dict[str, str]) -> None:
    try:
        os.execve(command[0], command, settings)  # noqa: S606 - an argv, no shell
    except OSError as error:
        raise CliError(
            UNAVAILABLE, f"{command[0]} cannot be started: {error.strerror}",
            "name a cache folder whose programs may be run with XDG_CACHE_HOME",
        ) from None  # fmt: skip


def _refused(bubblewrap: str) -> str:
    """Why bubblewrap does not work here, empty where it does."""
    try:
        process.run([bubblewrap, "--dev-bind", "/", "/", "--", "true"])
    except process.ProcessError as error:
        return error.tail.strip().splitlines()[-1] if error.tail.strip() else str(error)
    return ""
