"""Base images as users name them, made from Debian 12 packages for amd64 and arm64.

The trees are made by mmdebstrap, once; what is kept in the cache are the compressed layers.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from devtools import paths
from devtools.engines import rootfs
from devtools.engines.images import Image, Layer
from devtools.progress import step

ARCHITECTURES = ("amd64", "arm64")

SUITE = "bookworm"

LAYER_TOOL = Path(__file__).with_name("layer.py")

#: As in slim images: no manuals, no translations, of the documentation only the licences.
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
)

APT_OPTIONS = ('Acquire::Check-Valid-Until "false"',)

#: Where the official Python image has its interpreter, so that scripts with that path work.
PYTHON_LINKS = (
    'ln -s /usr/bin/python3.11 "$1/usr/local/bin/python3.11"',
    'ln -s python3.11 "$1/usr/local/bin/python3"',
    'ln -s python3 "$1/usr/local/bin/python"',
)


@dataclass(frozen=True)
class Tree:
    """A tree made by mmdebstrap and the layers that are cut from it.

    :param variant: variant of mmdebstrap
    :param packages: installed at first
    :param stages: layer name and the shell commands that lead to it, lowest first; `$1` is the tree
    """

    variant: str
    packages: tuple[str, ...]
    stages: tuple[tuple[str, tuple[str, ...]], ...]


INSTALL_PYTHON = 'chroot "$1" apt-get install --yes --no-install-recommends python3'

TREES = (
    Tree("minbase", ("ca-certificates",), (("debian", ()), ("python", (INSTALL_PYTHON, *PYTHON_LINKS)))),
    Tree("extract", ("musl", "busybox-static"), (("musl", ('mkdir -p "$1/tmp" && chroot "$1" /bin/busybox --install -s /bin',)),)),
)


def ensure(architecture: str, log: Path) -> None:
    """Make the layers of one architecture unless the cache has them.

    :raises DevError: when packages cannot be fetched or unpacked
    """
    for tree in TREES:
        if not all((layer_folder(architecture, name) / "layer.json").is_file() for name, _ in tree.stages):
            rootfs.require_mmdebstrap(log)
            names = ", ".join(name for name, _ in tree.stages)
            with step(f"base images {architecture}: {names} (once)"):
                make(tree, architecture, log)


def make(tree: Tree, architecture: str, log: Path) -> None:
    """Run mmdebstrap for one tree; each layer appears in the cache complete or not at all."""
    partial = paths.bases() / f"{architecture}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    rootfs.mmdebstrap(
        SUITE,
        partial / "unused.tar",
        log,
        variant=tree.variant,
        include=tree.packages,
        architecture=architecture,
        dpkg=DPKG_OPTIONS,
        apt=APT_OPTIONS,
        hooks=hooks(tree, partial),
    )
    for name, _ in tree.stages:
        final = layer_folder(architecture, name)
        shutil.rmtree(final, ignore_errors=True)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.rename(partial / name, final)
    shutil.rmtree(partial)


def hooks(tree: Tree, out: Path) -> tuple[str, ...]:
    """The shell commands that cut the layers into folders below `out` while mmdebstrap has the tree."""
    commands: list[str] = []
    below = ""
    for name, steps in tree.stages:
        folder = shlex.quote(str(out / name))
        cut = shlex.join([sys.executable, "-I", str(LAYER_TOOL), str(int(time.time()))])
        commands += [*steps, f'{cut} "$1" {folder} {below}']
        below = folder
    return tuple(commands)


def layer_folder(architecture: str, name: str) -> Path:
    """Where a finished layer lies."""
    return paths.bases() / architecture / name


def images(architecture: str) -> dict[str, Image]:
    """The base images of one architecture whose layers are in the cache, by `repository:tag`."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    python = (f"PATH=/usr/local/bin:{path}", "LANG=C.UTF-8", f"PYTHON_VERSION={python_version(architecture)}")
    table = {
        "library/debian:12-slim": Image(architecture, layers(architecture, "debian"), (f"PATH={path}",), ("bash",)),
        "library/python:3.11-slim": Image(architecture, layers(architecture, "debian", "python"), python, ("python3",)),
        "library/musl:1": Image(architecture, layers(architecture, "musl"), (f"PATH={path}",), ("sh",)),
    }
    return table


def python_version(architecture: str) -> str:
    """Version of the interpreter in the Python layer, `x.y.z`."""
    packages: dict[str, str] = json.loads((layer_folder(architecture, "python") / "packages.json").read_text())
    return packages["python3.11"].partition("-")[0]


def layers(architecture: str, *names: str) -> tuple[Layer, ...]:
    """Finished layers by name, lowest first."""
    folders = [layer_folder(architecture, name) for name in names]
    return tuple(Layer(folder / "layer.tar.gz", **json.loads((folder / "layer.json").read_text())) for folder in folders)
