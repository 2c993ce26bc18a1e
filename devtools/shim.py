"""The shim image without Docker and without rights, for this machine's architecture: an OCI layout on disk.

Made of the same packages, by the same scripts as in the Containerfile. `CIR_SHIM=oci:FOLDER` names it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from buildah_plugin import disk, layout, tar
from buildah_plugin.blobs import Blobs
from cirfile import __version__
from cirfile.plan import Platform
from devtools import apt, docker, images, paths
from devtools.errors import DevError
from devtools.progress import step

#: The Python of the packages, which compiles our code for itself.
PYTHON = (3, 11)
SCRIPTS = paths.CHECKOUT / "shim/image"


def ensure(uv: Path) -> Path:
    """Make the layout of the present sources unless it is there; the result is its folder.

    :param uv: a folder with the program `uv`, which knows what its own wheel is
    :raises DevError: when the packages cannot be fetched, or this Python cannot compile for theirs
    """
    home = paths.cache() / "shim" / images.fingerprint()
    if home.is_dir():
        return home
    if sys.version_info[:2] != PYTHON:
        raise DevError(
            f"the shim is compiled by Python {PYTHON[0]}.{PYTHON[1]}", f"this is {sys.version.split()[0]}",
            "run ./dev with the python3 of Debian 12",
        )  # fmt: skip
    home.parent.mkdir(parents=True, exist_ok=True)
    with step("shim (once)"), tempfile.TemporaryDirectory(prefix=".new-", dir=home.parent) as folder:
        work = Path(folder)
        write(_packed(work, uv), Blobs(work / "blobs"), work / "layout")
        (work / "layout").rename(home)
    return home


def _packed(work: Path, uv: Path) -> Path:
    """Fetch the parts and pack them; the result is the root of the shim image."""
    variables = apt.environment()
    tools = [str(uv)]
    if not shutil.which("patchelf"):
        tools.append(str(apt.unpack(variables, work / "tools", "patchelf") / "usr/bin"))
    variables["PATH"] = ":".join([*tools, os.environ.get("PATH", os.defpath)])
    bundle = docker.certificates()
    if bundle:
        variables["SSL_CERT_FILE"] = str(bundle)
    parts, packed = work / "parts", work / "packed"
    log = paths.cache() / "shim.log"
    apt.call([str(SCRIPTS / "shim-parts"), apt.architecture(), str(parts)], variables, log)
    before = os.umask(0o022)
    try:
        argv = [
            sys.executable,
            "-B",
            "-m",
            "shim.pack",
            *(str(parts / n) for n in ("debian", "vendor", "uv.json")),
        ]
        apt.call([*argv, str(paths.CHECKOUT), str(packed)], variables, log, cwd=paths.CHECKOUT)
    finally:
        os.umask(before)
    return packed


def write(root: Path, blobs: Blobs, folder: Path) -> None:
    """Write an image with one layer, the files below `root`, as an OCI layout."""
    epoch = int(images.EPOCH)
    layer = blobs.put_layer(lambda out: tar.write(disk.tree(str(root)), out, epoch))
    platform = Platform("linux", apt.architecture())
    fields = {"architecture": platform.architecture, "os": platform.os, "config": {}}
    top = layout.manifest(
        blobs, "oci", layout.config(fields, [layer.diff_id]), [layout.layer(layer)], platform
    )
    layout.write(folder, blobs, top, __version__)
