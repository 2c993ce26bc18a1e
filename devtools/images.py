"""`./dev images`: build the frontend and shim images, for this machine or for a registry of the user's.

Locally they are named below `localhost/`, a name nobody can register. `--push REGISTRY/PATH` builds both
for all architectures, pushes them, and prints the reference to write behind `# syntax=`; the frontend
then carries the digest of the shim it was built with. An account with neither Docker nor root gets the shim alone, on
disk and for this machine, and what `CIR_SHIM` is to say.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

from cirfile import __version__
from devtools import docker, paths
from devtools.docker import Docker
from devtools.progress import say, step

FRONTEND = f"localhost/cir/frontend:{__version__}"
SHIM = f"localhost/cir/shim:{__version__}"
ARCHITECTURES = ("amd64", "arm64")
#: What goes into the images; a change in one of these makes them anew.
INPUTS = ("Containerfile", "cirfile", "frontend", "shim")
EPOCH = "315532800"
_PUSHED = ["--platform", ",".join(f"linux/{name}" for name in ARCHITECTURES), "--push"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--push", metavar="REGISTRY/PATH", help="push both images there, for all architectures"
    )
    parser.add_argument(
        "--engines", action="store_true", help="use the test engines even if Docker is installed"
    )


def run(args: argparse.Namespace) -> int:
    """Build, and push if asked to; the result is the exit status."""
    if not args.engines and not args.push and (reason := docker.hindrance()):
        from devtools import shim, venv

        say(f"no engine: {reason}; the shim image is made on disk")
        print(f"oci:{shim.ensure(venv.ensure(extra='') / 'bin')}")
        return 0
    found = docker.find(own=not args.engines)
    if args.push:
        print(push(found, args.push.rstrip("/")))
    else:
        print(ensure(found))
    return 0


def ensure(found: Docker) -> str:
    """Build both images unless this Docker has them of the present sources; the result names the frontend.

    :raises DevError: when a build fails
    """
    mark = f"cir.sources={fingerprint()}"
    if all(_has(found, name, mark) for name in (SHIM, FRONTEND)):
        return FRONTEND
    many = (
        ["--platform", ",".join(f"linux/{name}" for name in ARCHITECTURES)] if _keeps_indexes(found) else []
    )
    with step("shim image"):
        build(found, "shim", ["-t", SHIM, "--label", mark, "--load", *many])
    with step("frontend image"):
        build(
            found, "frontend", ["-t", FRONTEND, "--label", mark, "--load", "--build-arg", f"CIR_SHIM={SHIM}"]
        )
    return FRONTEND


def push(found: Docker, where: str) -> str:
    """Build and push both images below `where`; the result is the frontend's reference with its digest."""
    name = f"{where}/frontend:{__version__}"
    return _push(found, "frontend", name, [*_PUSHED, "--build-arg", f"CIR_SHIM={push_shim(found, where)}"])


def push_shim(found: Docker, where: str) -> str:
    """Build the shim image and push it below `where`; the result is its reference with its digest."""
    return _push(found, "shim", f"{where}/shim:{__version__}", _PUSHED)


def _push(found: Docker, target: str, name: str, flags: list[str]) -> str:
    with tempfile.TemporaryDirectory(dir=_shared()) as folder:
        metadata = Path(folder, "metadata.json")
        with step(f"{target} image to {name}"):
            build(found, target, ["-t", name, "--metadata-file", str(metadata), *flags])
        digest = json.loads(metadata.read_text())["containerimage.digest"]
    return f"{name}@{digest}"


def build(found: Docker, target: str, flags: list[str]) -> None:
    """Build one of the two images, its output shown; the flags say for what and where to.

    :raises DevError: when the build fails
    """
    found.run(
        "buildx", "build", "--target", target, "--provenance=false", "--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}",
        "-f", str(paths.CHECKOUT / "Containerfile"), *docker.certificate_secret(), *flags, str(paths.CHECKOUT),
        show=True,
    )  # fmt: skip


def fingerprint() -> str:
    """A digest over everything that goes into the two images."""
    digest = hashlib.sha256()
    for name in INPUTS:
        place = paths.CHECKOUT / name
        files = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(paths.CHECKOUT)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _has(found: Docker, name: str, mark: str) -> bool:
    label, _, value = mark.partition("=")
    done = found.run("image", "inspect", "-f", f'{{{{index .Config.Labels "{label}"}}}}', name, check=False)
    return done.returncode == 0 and done.stdout.strip() == value


def _keeps_indexes(found: Docker) -> bool:
    """Whether to build for all architectures; says why not."""
    keeps = docker.keeps_indexes(found)
    if not keeps:
        say("this Docker's image store holds one platform an image; images are built for this machine only")
    return keeps


def _shared() -> Path:
    """A folder that the engines see, too."""
    folder = paths.cache() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
