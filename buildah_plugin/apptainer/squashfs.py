"""A sealed store with one layer as a squashfs file: the same bytes for the same layer, wherever it is made.

The file is bound over ``/.cir/run`` of the image (see `shim.warm`): the shim finds the record of the image and the
layer in it, and ``/.cir/run/layer`` leads into it for every other process.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from buildah_plugin import process
from cirfile.cli.errors import UNAVAILABLE, CliError

PLACE = "/.cir/run"
#: 1980-01-01, as everywhere: the earliest time that a zip archive made of these files can hold.
_TIME = "315532800"
_OPTIONS = (
    *("-comp", "zstd", "-Xcompression-level", "3", "-b", "1M", "-all-root", "-no-xattrs", "-noappend"),
    *("-mkfs-time", _TIME, "-all-time", _TIME, "-no-progress", "-quiet"),
)
#: Stands for the boot in the list of a layer that is sealed (see `shim.contents`).
_LIST, _SEAL = "layer.files", "boot sealed"


def program() -> str:
    """Return ``mksquashfs``. Raise `CliError` (69) where there is none."""
    found = shutil.which("mksquashfs")
    if not found:
        raise CliError(
            UNAVAILABLE, "there is no `mksquashfs` on PATH, which puts a layer into one file",
            "install squashfs-tools, run this where Apptainer can build images, or keep a folder with --unpacked",
        )  # fmt: skip
    return found


def seal(store: Path, key: str, place: Path) -> Path:
    """Lay out a sealed store of one layer at ``place``, moving the layer out of ``store``, which made it."""
    (place / "layers").mkdir(parents=True)
    layer = (store / "layers" / key).rename(place / "layers" / key)
    listed = layer / _LIST
    _, _, rest = listed.read_text("utf-8", "surrogateescape").partition("\n")
    aside = layer / f".{_LIST}"
    aside.write_text(f"{_SEAL}\n{rest}", "utf-8", "surrogateescape")
    aside.replace(listed)
    (place / "active").mkdir()
    for record in (store / "active").iterdir():
        if record.suffix == ".lock":
            shutil.copyfile(record, place / "active" / record.name)
        elif record.read_text().startswith(key):
            (place / "active" / record.name).write_text(f"{key} durable\n")
    (place / "layer").symlink_to(f"{PLACE}/layers/{key}")
    return place


def pack(folder: Path, target: Path) -> None:
    """Make the file. Raise `CliError` where that fails."""
    process.run([program(), str(folder), str(target), *_OPTIONS])
