"""The engine ``apptainer`` of ``cir build``: an image as one file, without root, fakeroot or a daemon.

The image is composed on local disk as for every engine; Apptainer itself makes its format of the layout, so that its
run script and environment are its own. What takes time there is compressing the base: that is done with little effort.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

from buildah_plugin import engine as front
from buildah_plugin import folders, outputs
from buildah_plugin.apptainer import plain, squashfs, workplace
from buildah_plugin.apptainer.engine import Engine
from buildah_plugin.build import opened
from buildah_plugin.process import ProcessError
from buildah_plugin.settings import Settings
from cirfile.cli import show
from cirfile.cli.ending import terminable
from cirfile.cli.errors import FULL, INTERNAL, PERMISSION, TRY_AGAIN, USAGE, CliError
from cirfile.cli.host import NOBODY, host

#: Apptainer's own choice, gzip at its last level, takes three times as long to write, and 50 ms more at every start
#: to read. A layer's file needs zstd as well. Levels above the third save 4 % and take twice as long.
_COMPRESSION = ("-comp", "zstd", "-Xcompression-level", "3")
#: What every start reads is not compressed, for squashfuse unpacks it anew each time: interpreters, the shim's and the
#: base's, their libraries, and inodes. Tried in turn: 20 ms less at a start, for 9 MB; bytecode and all of the shim
#: would be 8 ms less, for 27 MB more.
_HOT = ("python3*", "libpython3*", "ld.so", "ld-*.so*", "libc.so*", "libm.so*", "libz.so*", "libexpat.so*")
_IS_HOT = "||".join(f"name({name})" for name in _HOT)
_MKSQUASHFS = (
    *_COMPRESSION,
    "-noI",
    *("-action", f"uncompressed@{_IS_HOT}"),
    *("-action", "no-fragments@subpathname(.cir)"),
)
_WRITE_ONE = "name one file: -o app.sif"
_FULL = ("no space left", "quota exceeded")


@terminable()
def build(arguments: argparse.Namespace) -> int:
    """Build as ``cir build --engine apptainer`` asks."""
    front.refuse(arguments)
    if arguments.passed_push or arguments.passed_load or arguments.tag:
        flag = "--tag" if arguments.tag else "--push" if arguments.passed_push else "--load"
        raise CliError(
            USAGE, f"{flag} is for images in a registry or storage; this engine writes a file", _WRITE_ONE
        )
    target = _target(arguments.passed_output)
    engine = Engine.find()
    squashfs.program()
    machine = NOBODY if arguments.no_forward else host()
    with front.secrets_folder(machine, outputs.secrets(arguments.passed_secret)) as secrets:
        settings = replace(front.settings_of(arguments, machine), secrets=secrets)
        if len(settings.platforms) > 1:
            raise CliError(USAGE, "a SIF is for one platform", "build one file for each --platform")
        digest = _make(engine, settings, target)
    for place in arguments.passed_metadata_file:
        told = {"containerimage.digest": digest, "image.name": str(target)}
        Path(place).write_text(json.dumps(told, indent=2))
    if arguments.json:
        show(json.dumps({"digest": digest, "names": [str(target)]}, indent=2))
    return 0


def _target(given: list[str]) -> Path:
    """The file to write: a path, or ``type=sif,dest=PATH`` as BuildKit's users would write it."""
    if len(given) != 1:
        raise CliError(USAGE, "this engine writes one file, and `--output` does not name it", _WRITE_ONE)
    text = given[0]
    if "type=" in text:
        fields = dict(field.partition("=")[::2] for field in text.split(","))
        text = fields.get("dest", "") if fields.get("type") == "sif" else ""
    target = Path(text)
    if not text or target.is_dir():
        raise CliError(USAGE, f"--output {given[0]} names no file", _WRITE_ONE)
    if not os.access(target.absolute().parent, os.W_OK):
        raise CliError(
            PERMISSION, f"{target.absolute().parent} cannot be written", "name another place with -o"
        )
    return target


def _make(engine: Engine, settings: Settings, target: Path) -> str:
    """Compose, convert, put in place; return the digest of the image that it was made of."""
    with opened(settings) as (build, _, work):
        built = build.run(complete=True)
        if missing := built.layout(work / "layout"):
            raise CliError(INTERNAL, f"layers are missing from the layout: {', '.join(missing)}")
        with (
            settings.talk.phase(f"{target} written"),
            workplace.make(work / "layout") as node,
            folders.made(f".{target.name}.", target.absolute().parent) as aside,
        ):
            _convert(engine, settings, work / "layout", aside / target.name, node)
            (aside / target.name).replace(target)
        return built.composed.digest


def _convert(engine: Engine, settings: Settings, layout: Path, target: Path, node: Path) -> None:
    """Let Apptainer make its format of a layout; what it unpacks goes to ``node``.

    Both ``target`` and that are in folders of their own, beside which somebody else's files are.
    """
    architecture = [word for platform in settings.platforms for word in ("--arch", platform.architecture)]
    compression = ["--mksquashfs-args", " ".join(_MKSQUASHFS)] if engine.is_apptainer else []
    try:
        uncompressed = plain.write(layout, node / "layout")
        words = ["build", "--disable-cache", *compression, *architecture, str(target), f"oci:{uncompressed}"]
        engine.call(words, {}, settings.talk.detail, {"TMPDIR": str(node)})
    except ProcessError as error:
        said = error.tail.lower()
        if any(word in said for word in _FULL):
            raise _full(target, node, error.tail.strip().splitlines()[-1]) from None
        raise
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise _full(target, node, str(error.strerror)) from None


def _full(target: Path, node: Path, said: str) -> CliError:
    message = f"there is no room for {target.parent.parent} or {node.parent}: {said}"
    return CliError(TRY_AGAIN, message, "free some space or quota, or set TMPDIR to a folder with more")
