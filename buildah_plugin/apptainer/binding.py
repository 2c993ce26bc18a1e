"""How a layer gets into a container.

Where the store is on a disk of this machine: as a folder in the store, which the image's shim fills and uses itself.

Where it is on a network file system, best way first; every step down is said in a line:

1. The file itself, mounted where the link of the active layer leads: one file, no unpacking, nothing written.
2. Unpacked on this node, where files cannot be mounted: once, for all processes of the node.
3. The folder in the store, where there is no program to unpack with.

Where an administrator forbids binds: a folder in the home folder.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

from buildah_plugin import folders, process
from buildah_plugin.apptainer import limits, squashfs
from buildah_plugin.apptainer import store as stores
from buildah_plugin.apptainer.assembly import check_bind
from buildah_plugin.apptainer.store import LayerStore
from buildah_plugin.talk import Talk
from cirfile.cli.errors import CliError
from cirfile.hold import claim_or_wait

WAYS = ("auto", "file", "node", "folder")
#: An unpacked layer is so many times as large as its file; only to choose a place that has room.
_UNPACKED = 4
_HALF = ".new-"


@dataclass(frozen=True, slots=True)
class Binding:
    """Words for Apptainer before the image, and variables for the container."""

    words: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)


def in_store(store: LayerStore) -> Binding:
    """The store, with the folder that the image's shim keeps there, read-only: no application changes what others run.

    Raise `CliError` where it cannot be bound.
    """
    check_bind(store.root)
    return Binding(("--bind", f"{store.root}:{store.root}:ro"), {"CIR_STORE": str(store.root)})


def at_home(store: LayerStore) -> Binding:
    """The same where nothing can be bound: the container sees the home folder nevertheless."""
    return Binding(settings={"CIR_STORE": str(store.root)})


def of_file(program: str, file: Path, key: str, talk: Talk, way: str = "auto") -> Binding | None:
    """Bind a layer's file, or what becomes of it on this node; `None` where neither can be.

    Raise `CliError` where the file's name cannot be bound.

    :param way: ``file`` or ``node`` for that, however this machine is
    """
    check_bind(file)
    reason = limits.no_layer_files(program) if way == "auto" else ""
    if way == "file" or (way == "auto" and not reason):
        return Binding(("--bind", f"{file}:{squashfs.PLACE}:ro,image-src=/"))
    if reason:
        talk.say(f"cir: note: {reason}")
    place = _on_node(file, key, talk)
    return Binding(("--bind", f"{place}:{squashfs.PLACE}:ro")) if place else None


def _on_node(file: Path, key: str, talk: Talk) -> Path | None:
    """The layer unpacked on this node, by this process or another; `None` where that cannot be."""
    program = shutil.which("unsquashfs")
    if not program:
        talk.say("cir: note: there is no `unsquashfs` to unpack the layer on this node")
        return None
    for place in _places():
        root = place / f"cir-{os.geteuid()}"
        done = root / key
        try:
            _own(root)
            if done.is_dir():
                return done
            folders.sweep(root, _HALF)  # before the room is looked at that it takes
            if stores.free(place) < _UNPACKED * file.stat().st_size:
                talk.say(f"cir: note: {place} has no room for the unpacked layer")
                continue
            return _unpack(program, file, done, talk)
        except (OSError, CliError) as error:
            talk.say(
                f"cir: note: the layer cannot be unpacked in {place}: {getattr(error, 'strerror', None) or error}"
            )
    return None


def _places() -> list[Path]:
    """Folders of this node, best first."""
    named = [os.environ.get("TMPDIR", ""), "/dev/shm", "/tmp"]  # noqa: S108 - a private folder is made there
    return [Path(name) for name in dict.fromkeys(named) if name and os.access(name, os.W_OK)]


def _own(root: Path) -> None:
    """Make a folder that nobody else may enter. Raise `PermissionError` where somebody else was first."""
    root.mkdir(mode=0o700, exist_ok=True)
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(0, f"{root} belongs to somebody else")


def _unpack(program: str, file: Path, done: Path, talk: Talk) -> Path:
    claim = claim_or_wait(
        done.with_suffix(".claim"), done.is_dir, lambda text: talk.say(f"cir: {text}"), lambda: None
    )
    if claim is None:
        return done
    claim.keep()
    try:
        with talk.phase(f"cir: unpacked in {done.parent}"), folders.made(_HALF, done.parent) as aside:
            process.run([program, "-no-progress", "-quiet", "-dest", str(aside / "layer"), str(file)])
            (aside / "layer").rename(done)
    finally:
        claim.release()
    return done
