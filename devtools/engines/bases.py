"""Base images as users name them, made from Debian 12 packages for amd64 and arm64.

mmdebstrap makes the amd64 tree; the arm64 tree is derived from it (see `foreign`), which takes seconds
instead of the minutes that emulation needs. What is kept in the cache are the compressed layers.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools import paths
from devtools.engines import foreign, layer, rootfs
from devtools.engines.images import Image, Layer, digest, index
from devtools.progress import step

ARCHITECTURES = ("amd64", "arm64")

SUITE = "bookworm"

#: To be raised when `layer` or `foreign` make something else of the same packages.
FORMAT = 2

LAYER_TOOL = Path(__file__).with_name("layer.py")
MUSL_SCRIPT = Path(__file__).with_name("musl.sh")

#: As in slim images: no manuals, no translations, of the documentation only the licences.
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    # As in the official Python images: pip installs without being told that it may.
    "path-exclude=/usr/lib/python3*/EXTERNALLY-MANAGED",
)

APT_OPTIONS = ('Acquire::Check-Valid-Until "false"',)

#: Where the official Python image has its interpreter, so that scripts with that path work.
PYTHON_LINKS = (
    'ln -s /usr/bin/python3.11 "$1/usr/local/bin/python3.11"',
    'ln -s python3.11 "$1/usr/local/bin/python3"',
    'ln -s python3 "$1/usr/local/bin/python"',
    'ln -s /usr/bin/pip "$1/usr/local/bin/pip"',
)


#: The day of the last password change is the day of making; a fixed one keeps the bytes the same.
FIX_DATES = r"sed -i 's/^\([^:]*:[^:]*\):[0-9]*:/\1:19000:/'" + ' "$1/etc/shadow"'

#: What was unpacked before dpkg knew its options.
REMOVE_DOCUMENTS = (
    'cd "$1/usr/share" && find man info locale -mindepth 1 -delete'
    " && find doc ! -type d ! -name copyright -delete && find doc -type d -empty -delete"
)

INSTALL_PYTHON = 'chroot "$1" apt-get install --yes --no-install-recommends python3 python3-pip'

#: Of the full Python image, what wheels load that name it in no other way: GNU's OpenMP, which comes with a compiler.
INSTALL_LIBRARIES = 'chroot "$1" apt-get install --yes --no-install-recommends libgomp1'

#: Layers of the Debian tree, lowest first, and the commands that lead from one to the next; `$1` is the tree.
DEBIAN_STAGES = {
    "debian": (FIX_DATES, REMOVE_DOCUMENTS),
    "python": (INSTALL_PYTHON, *PYTHON_LINKS),
    "libraries": (INSTALL_LIBRARIES,),
}

LAYERS = (*DEBIAN_STAGES, "musl")

#: A C library, a shell, and what it takes to compile a program (tcc itself needs glibc).
MUSL_PACKAGES = ("musl", "musl-dev", "busybox-static", "tcc", "libc6")


def ensure_native(log: Path) -> None:
    """Make all layers for amd64 unless the cache has them.

    :raises DevError: when packages cannot be fetched or installed
    """
    native = foreign.NATIVE[0]
    if is_complete(native, *LAYERS):
        return
    with step(f"base images for {native} (once)"), complete_or_absent(native, *LAYERS) as out:
        hooks: list[str] = []
        below: Path | None = None
        for name, commands in DEBIAN_STAGES.items():
            hooks += [*commands, cut('"$1"', out / name, below)]
            below = out / name
        fetch = f"cd /debs && apt-get download {' '.join(MUSL_PACKAGES)}"
        hooks += [f'mkdir "$1/debs" && chroot "$1" sh -c \'{fetch}\'', keep('"$1/debs"', out)]
        bootstrap("minbase", ("ca-certificates",), native, log, tuple(hooks), DPKG_OPTIONS)
        make_musl(out / "debs", out, log)


def ensure_foreign(log: Path) -> None:
    """Make the arm64 layers that are derived from those of amd64, and fetch the packages for the musl layer.

    :raises DevError: when packages cannot be fetched or unpacked
    """
    other = foreign.FOREIGN[0]
    if is_complete(other, *DEBIAN_STAGES):
        return
    *_, top = (layer_folder(foreign.NATIVE[0], name) for name in DEBIAN_STAGES)
    names = tuple(json.loads((top / "packages.json").read_text()))
    with step(f"base images for {other} (once)"), complete_or_absent(other, *DEBIAN_STAGES, "debs") as out:
        archives = '"$1/var/cache/apt/archives"'
        bootstrap("extract", tuple(sorted({*names, *MUSL_PACKAGES})), other, log, (keep(archives, out),))
        foreign.convert(top.parent, DEBIAN_STAGES, out / "debs", out)


def ensure_foreign_musl(log: Path) -> None:
    """Make the musl layer for arm64 unless the cache has it: its compiler runs under emulation, for a moment.

    :raises DevError: when that fails
    """
    other = foreign.FOREIGN[0]
    if is_complete(other, "musl"):
        return
    with complete_or_absent(other, "musl") as out:
        make_musl(layer_folder(other, "debs"), out, log)
    shutil.rmtree(layer_folder(other, "debs"))


def make_musl(debs: Path, out: Path, log: Path) -> None:
    """Make the musl layer in `out` from the packages in `debs`."""
    since = int(time.time())
    problem = "cannot make the musl base image"
    for name in MUSL_PACKAGES:
        (deb,) = debs.glob(f"{name}_*.deb")
        rootfs.run_logged(["dpkg-deb", "-x", str(deb), str(out / "tree")], log, problem)
    rootfs.run_logged(["sh", str(MUSL_SCRIPT), str(out / "tree")], log, problem)
    layer.write(since, out / "tree/image", out / "musl")


def bootstrap(
    variant: str,
    packages: tuple[str, ...],
    architecture: str,
    log: Path,
    hooks: tuple[str, ...],
    dpkg: tuple[str, ...] = (),
) -> None:
    """Run mmdebstrap for what its hooks take from the tree; the tree itself is thrown away."""
    rootfs.mmdebstrap(
        [f"--variant={variant}", f"--architectures={architecture}", "--skip=check/qemu", "--format=null"],
        SUITE,
        "-",
        log,
        include=packages,
        dpkg=dpkg,
        apt=APT_OPTIONS,
        hooks=hooks,
    )


def keep(folder: str, out: Path) -> str:
    """Return the shell command that moves the packages in `folder`, a word of the shell, to `debs` in `out`."""
    target = shlex.quote(str(out / "debs"))
    return f"mkdir {target} && mv {folder}/*.deb {target}/"


def cut(tree: str, out: Path, below: Path | None = None) -> str:
    """Return the shell command that writes a layer from `tree`, a word of the shell."""
    tool = [sys.executable, "-I", str(LAYER_TOOL), str(int(time.time()))]
    return f"{shlex.join(tool)} {tree} {shlex.join(str(folder) for folder in (out, below) if folder)}"


def is_complete(architecture: str, *names: str) -> bool:
    """Whether the cache has these layers."""
    return all((layer_folder(architecture, name) / "layer.json").is_file() for name in names)


@contextmanager
def complete_or_absent(architecture: str, *names: str) -> Iterator[Path]:
    """Return a folder to make layers in; they move to their place in the cache when the block ends well."""
    partial = paths.bases() / f"{architecture}-{names[0]}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    for name in names:
        final = layer_folder(architecture, name)
        shutil.rmtree(final, ignore_errors=True)
        final.parent.mkdir(parents=True, exist_ok=True)
        (partial / name).rename(final)
    shutil.rmtree(partial)


def layer_folder(architecture: str, name: str) -> Path:
    """Return where a finished layer of the present recipe lies."""
    return paths.bases() / recipe() / architecture / name


def recipe() -> str:
    """Return a digest of everything that decides what the layers hold, apart from the packages' versions."""
    text = repr((FORMAT, SUITE, DPKG_OPTIONS, DEBIAN_STAGES, MUSL_PACKAGES, MUSL_SCRIPT.read_text()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def forget_others() -> None:
    """Delete layers of other recipes, and what an interrupted run left."""
    for folder in paths.bases().iterdir():
        if folder.name != recipe():
            shutil.rmtree(folder)


def are_complete() -> bool:
    """Whether the cache has every layer."""
    return all(is_complete(architecture, *LAYERS) for architecture in ARCHITECTURES)


def images() -> dict[str, list[Image]]:
    """Return the base images by `repository:tag`, one for each architecture.

    All layers must be in the cache.
    """
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    table: dict[str, list[Image]] = {}
    for architecture in ARCHITECTURES:
        python = (
            f"PATH=/usr/local/bin:{path}",
            "LANG=C.UTF-8",
            f"PYTHON_VERSION={python_version(architecture)}",
        )
        for name, stages, environment, command in (
            ("library/debian:12-slim", ("debian",), (f"PATH={path}",), "bash"),
            ("library/python:3.11-slim", ("debian", "python"), python, "python3"),
            ("library/python:3.11", ("debian", "python", "libraries"), python, "python3"),
            ("library/musl:1", ("musl",), (f"PATH={path}",), "sh"),
        ):
            image = Image(architecture, layers(architecture, *stages), environment, (command,))
            table.setdefault(name, []).append(image)
    return table


def digests() -> dict[str, str]:
    """Return the digest of each base image by the name that users know it by."""
    return {name.removeprefix("library/"): digest(index(variants)) for name, variants in images().items()}


def python_version(architecture: str) -> str:
    """Version of the interpreter in the Python layer, `x.y.z`."""
    packages: dict[str, str] = json.loads(
        (layer_folder(architecture, "python") / "packages.json").read_text()
    )
    return packages["python3.11"].partition("-")[0]


def layers(architecture: str, *names: str) -> tuple[Layer, ...]:
    """Finished layers by name, lowest first."""
    folders = [layer_folder(architecture, name) for name in names]
    return tuple(
        Layer(folder / "layer.tar.gz", **json.loads((folder / "layer.json").read_text()))
        for folder in folders
    )
