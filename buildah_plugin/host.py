"""The engine ``host`` of ``cir run``: an application on a machine without an engine, in bubblewrap.

Of the image only what is ours is used, the shim layer and the app layer, laid over this machine's own files, which
stand in for the base. Manifest, store and shim are those of every other engine; the shim comes from its image, as at
every build, and is kept unpacked in the cache folder (``host/<layers>``).
"""

from __future__ import annotations

import argparse
import json
import os
import secrets as tokens
import shlex
import shutil
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildah_plugin.blobs import Blobs
from buildah_plugin.build import opened
from buildah_plugin.engine import environment, secrets_folder
from buildah_plugin.settings import Settings, cache_folder
from buildah_plugin.talk import Talk
from cirfile import hostenv
from cirfile.cli import show
from cirfile.cli.errors import INVALID, NO_INPUT, UNAVAILABLE, USAGE, CliError
from cirfile.cli.host import NOBODY, Host, host
from cirfile.layout import LABEL_VERSION

#: Layers of ours in an image, the shim's and the application's.
_OURS = 2
#: Written by the shim in the container; everything else of the image stays as it is.
_RUN = "/.cir/run"


@dataclass(frozen=True, slots=True)
class Application:
    """What is run: the configuration of its image, and its own files below ``root``."""

    config: dict[str, Any]
    root: Path


def run(arguments: argparse.Namespace) -> int:
    """Become the application."""
    if not arguments.words or arguments.words[0].startswith("-"):
        raise CliError(USAGE, "no application is named", "write: cir run --engine host FOLDER [ARGUMENT...]")
    bubblewrap = shutil.which("bwrap")
    if not bubblewrap:
        raise CliError(
            UNAVAILABLE, "there is no `bwrap` on PATH, which lays an application over this machine's files",
            "install bubblewrap, or use --engine apptainer",
        )  # fmt: skip
    machine = NOBODY if arguments.no_forward else host()
    talk = Talk(quiet=os.environ.get("CIR_LOG") == "quiet")
    where, *words = arguments.words
    application = _application(Path(where), machine, talk)
    settings = variables(application.config, dict(os.environ))
    settings["CIR_STORE"] = arguments.store or settings.get("CIR_STORE") or str(cache_folder())
    argv = [bubblewrap, *_words(application), *_command(application.config, words)]
    if not arguments.dry_run:
        os.execve(bubblewrap, argv, settings)  # noqa: S606 - an argv, no shell
    show(shlex.join(argv))
    return 0


def variables(config: dict[str, Any], own: dict[str, str]) -> dict[str, str]:
    """The environment of the application: this machine's without what leads astray, the image's above it."""
    image = dict(line.partition("=")[::2] for line in config.get("Env") or ())
    path = [*image.get("PATH", "").split(":"), *own.get("PATH", "").split(":")]
    return hostenv.handed_on(own.items()) | image | {"PATH": ":".join(dict.fromkeys(filter(None, path)))}


def _command(config: dict[str, Any], words: list[str]) -> list[str]:
    return [*(config.get("Entrypoint") or ()), *(words or config.get("Cmd") or ())]


def _words(application: Application) -> list[str]:
    """Words for bubblewrap: this machine with the application's files, in the image's working folder."""
    laid = [word for step in lay(application.root, Path("/")) for word in step]
    start = ["--chdir", application.config.get("WorkingDir") or str(Path.cwd())]
    return ["--die-with-parent", *laid, "--tmpfs", _RUN, *start, "--"]


def lay(ours: Path, there: Path) -> Iterator[tuple[str, ...]]:
    """Steps that show the folder ``there`` of this machine with the files of ``ours`` in it, without writing to it.

    A folder gets a new mount only where something is new in it; what it holds is then bound into that one by one.
    """
    mine = {path.name: path for path in sorted(ours.iterdir())}
    new = [name for name in mine if not os.path.lexists(there / name)]
    if new or there == Path("/"):
        yield ("--tmpfs", str(there))
        for path in sorted(there.iterdir()):
            yield _shown(path)
    for name, path in mine.items():
        place = there / name
        if name in new and path.is_symlink():
            yield ("--symlink", str(path.readlink()), str(place))
        elif name in new or not path.is_dir() or path.is_symlink():
            yield ("--ro-bind", str(path), str(place))
        else:
            yield from lay(path, place.resolve())


def _shown(path: Path) -> tuple[str, ...]:
    """One step for something that this machine has."""
    if path.is_symlink():
        return ("--symlink", str(path.readlink()), str(path))
    return ("--dev-bind-try" if stat.S_ISDIR(path.lstat().st_mode) else "--bind-try", str(path), str(path))


def _application(place: Path, machine: Host, talk: Talk) -> Application:
    """Read an image layout, or compose the image of a Cirfile; the layers of ours are unpacked once."""
    if (place / "index.json").is_file():
        with _errors(place):
            return _unpacked(Blobs(place / "blobs"), json.loads((place / "index.json").read_bytes()), talk)
    if not (place / "Cirfile").is_file():
        raise CliError(
            NO_INPUT, f"{place} is neither a folder with a Cirfile nor an image layout", "name one"
        )
    with secrets_folder(machine, {}) as secrets:
        settings = Settings(
            file=place / "Cirfile", context=place, build_args=tuple(sorted(machine.indexes)), secrets=secrets,
            environ=environment(), talk=talk,
        )  # fmt: skip
        with opened(settings) as (build, _, _):
            built = build.run(complete=False)
            return _unpacked(built.blobs, {"manifests": built.composed.manifests}, talk)


@contextmanager
def _errors(place: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, tarfile.TarError) as error:
        raise CliError(INVALID, f"{place} is no complete image layout: {error}", "build it again") from None


def _unpacked(blobs: Blobs, index: dict[str, Any], talk: Talk) -> Application:
    manifest = blobs.json(index["manifests"][0]["digest"])
    while "manifests" in manifest:
        manifest = blobs.json(manifest["manifests"][0]["digest"])
    config = blobs.json(manifest["config"]["digest"])["config"]
    if LABEL_VERSION not in (config.get("Labels") or {}):
        raise CliError(
            INVALID, "the image was not built from a Cirfile", "it needs an engine; this one has no base"
        )
    layers = [layer["digest"] for layer in manifest["layers"][-_OURS:]]
    name = "-".join(digest.partition(":")[2][:32] for digest in layers)
    root = cache_folder() / "host" / name
    if len(manifest["layers"]) > _OURS:
        talk.say("cir: note: this machine stands in for the base image, whose files are not used")
    if not root.is_dir():
        _unpack([blobs.path(digest) for digest in layers], root)
    return Application(config, root)


def _unpack(layers: list[Path], root: Path) -> None:
    """Unpack layers into a new folder; whoever is second uses the first one's."""
    root.parent.mkdir(parents=True, exist_ok=True)
    aside = root.with_name(f".{tokens.token_hex(6)}")
    aside.mkdir(mode=0o700)
    try:
        for layer in layers:
            with tarfile.open(layer) as tar:
                tar.extractall(aside, filter=_without_owner)  # noqa: S202 - the filter keeps it inside
        if not root.is_dir():
            aside.rename(root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _without_owner(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
    """Take a member as the caller's own, who must be able to read it; nothing is written outside of the folder."""
    kept = tarfile.tar_filter(member, path)
    mode = (kept.mode or 0) | (0o700 if kept.isdir() else 0o400)
    return kept.replace(mode=mode, deep=False)
