"""What is run: the configuration of an image, and the files of its shim and app layers, unpacked once.

Of an image only what is ours is used. This machine stands in for the base, with its files and with its settings; a
base that a Cirfile names is not looked up. The shim comes from its image, as at every build. Layers are kept
unpacked in the cache folder (``host/<layers>``).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildah_plugin import archives, disk, folders, process
from buildah_plugin.blobs import Blobs
from buildah_plugin.build import opened
from buildah_plugin.engine import environment, secrets_folder
from buildah_plugin.nodes import TreeError
from buildah_plugin.project import own_platform
from buildah_plugin.settings import Settings, cache_folder
from buildah_plugin.talk import Talk
from cirfile import ociconfig
from cirfile.cli.errors import INVALID, NO_INPUT, NOT_PROMISED, CliError
from cirfile.cli.host import Host
from cirfile.layout import LABEL_VERSION

#: Layers of ours in an image, the shim's and the application's.
_OURS = 2
#: Names that Pythons have on PATH, as the shim looks for them.
_PYTHONS = ("python3", "python")
_VERSION = "import sys; print(*sys.version_info[:3], sep='.')"


@dataclass(frozen=True, slots=True)
class Application:
    """What is run: the configuration of its image, and its own files below ``root``."""

    config: dict[str, Any]
    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the image sets."""
        return dict(line.partition("=")[::2] for line in self.config.get("Env") or ())

    @property
    def workdir(self) -> str:
        """The folder that it starts in, empty where the image does not care."""
        folder = str(self.config.get("WorkingDir") or "")
        return "" if folder == "/" else folder

    def command(self, words: list[str]) -> list[str]:
        """Return the shim and the command line behind it, with ``words`` in the place of the image's CMD."""
        return [*(self.config.get("Entrypoint") or ()), *(words or self.config.get("Cmd") or ())]


def application(place: Path, machine: Host, talk: Talk) -> Application:
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
            environ=environment(machine), talk=talk, base=this_machine(os.environ),
        )  # fmt: skip
        with opened(settings) as (build, _, _):
            built = build.run(complete=False)
            return _unpacked(built.blobs, {"manifests": built.composed.manifests}, talk)


def this_machine(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration of this machine as if it were a base image: where programs are, and its Python."""
    env = [f"PATH={environ.get('PATH', os.defpath)}"]
    found = next((path for name in _PYTHONS if (path := shutil.which(name))), None)
    if found:
        with suppress(process.ProcessError):  # one that does not run is told by the shim, with all it knows
            version = process.run([found, "-I", "-S", "-c", _VERSION]).decode().strip()
            env.append(f"PYTHON_VERSION={version}")
    return {"config": {"Env": env}}


@contextmanager
def _errors(place: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise CliError(INVALID, f"{place} is no complete image layout: {error}", "build it again") from None


def _unpacked(blobs: Blobs, index: dict[str, Any], talk: Talk) -> Application:
    manifest = index
    while "manifests" in manifest:
        manifest = blobs.json(_for_this_machine(manifest["manifests"])["digest"])
    config = blobs.json(manifest["config"]["digest"])["config"]
    if LABEL_VERSION not in (config.get("Labels") or {}):
        raise CliError(
            INVALID, "the image was not built from a Cirfile", "it needs an engine; this one has no base"
        )
    layers = [layer["digest"] for layer in manifest["layers"][-_OURS:]]
    name = "-".join(digest.partition(":")[2][:32] for digest in layers)
    root = (cache_folder() / "host" / name).resolve()
    if len(manifest["layers"]) > _OURS:
        talk.say("cir: note: this machine stands in for the base image, whose files are not used")
    if not root.is_dir():
        _unpack([blobs.path(digest) for digest in layers], root)
    return Application(config, root)


def _for_this_machine(entries: list[dict[str, Any]]) -> dict[str, Any]:
    own = own_platform()
    for entry in entries:
        if (entry.get("platform") or {}).get("architecture", own.architecture) == own.architecture:
            return entry
    raise CliError(NOT_PROMISED, f"the image is not for {own}", f"build it with `--platform {own}`")


def _unpack(layers: list[Path], root: Path) -> None:
    """Unpack layers into a new folder; whoever is second uses the first one's."""
    root.parent.mkdir(parents=True, exist_ok=True)
    try:
        with folders.made(".new-", root.parent) as aside:
            tree = archives.layers(layers, aside)
            disk.write(tree, aside / "root", ociconfig.DEFAULT_EPOCH)
            if not root.is_dir():
                (aside / "root").rename(root)
    except TreeError as error:
        raise CliError(INVALID, f"the application cannot be unpacked: {error}", "build it again") from None
