"""An application where nothing can be mounted: its files stay in their folder, and the shim is started from there.

That is right only for an application that reaches its own files from its working folder. So it is refused where
something that can be seen says otherwise: files of the image outside of its WORKDIR, or a command or variable that
names them by their place in the image. What a program opens by itself cannot be seen, and is said in a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from buildah_plugin.host.application import Application
from cirfile.cli.errors import UNAVAILABLE, CliError
from cirfile.layout import SHIM

NOTE = (
    "the application's files are in {folder} only, nothing is apart from this machine, and it cannot start commands "
    "of its packages by name"
)
#: What the shim layer brings, which is started where it is.
_NOT_THEIRS = (".cir", ".singularity.d")
_HINT = (
    "install bubblewrap, have user namespaces allowed, or use --engine apptainer; without them all files must be "
    "below the WORKDIR and be named from there"
)


def planned(found: Application, command: list[str], because: str) -> tuple[list[str], str]:
    """Return the command line that starts ``command`` from the folder of its files, and its working folder.

    Raise `CliError` (69) where it could not find its files; ``because`` is why they cannot be mounted.
    """
    trouble = next(_troubles(found, command[1:]), "")
    if trouble:
        raise CliError(UNAVAILABLE, f"{trouble}, which needs a mount: {because}", _HINT)
    own = f"{found.root}/.cir"
    argv = [
        f"{own}/ld.so",
        "--library-path",
        f"{own}/lib",
        f"{own}/bin/python3",
        "-IS",
        f"{found.root}{SHIM}",
    ]
    folder = f"{found.root}{found.workdir}" if found.workdir else str(Path.cwd())
    if found.workdir:
        _protect(Path(folder))
    return [*argv, *command[1:]], folder


def _troubles(found: Application, command: list[str]) -> Iterator[str]:
    place = found.workdir.rstrip("/")
    for path in _outside(found.root, place):
        yield f"the image has {path}, outside of its WORKDIR"
    if not place:
        return
    named = re.compile(rf"(?<![\w./-]){re.escape(place)}(?![\w.-])")
    for word in command:
        if named.search(word):
            yield f"the command names {word}"
    for name, value in found.environment.items():
        if named.search(value):
            yield f"the variable {name} names {value}"


def _outside(root: Path, workdir: str) -> Iterator[str]:
    """Yield what an image has that is not in its working folder, nor a folder that leads there."""
    for path in sorted(root.iterdir()):
        if path.name not in _NOT_THEIRS:
            yield from _not_below(path, root, workdir)


def _not_below(path: Path, root: Path, workdir: str) -> Iterator[str]:
    shown = f"/{path.relative_to(root)}"
    if shown == workdir:
        return
    entries = sorted(path.iterdir()) if path.is_dir() and not path.is_symlink() else []
    if not entries:
        yield shown
    for entry in entries:
        yield from _not_below(entry, root, workdir)


def _protect(folder: Path) -> None:
    """Take the right to write away: a mounted file could not be changed either, and the next start uses the same."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink() and path.stat().st_mode & 0o222:
            path.chmod(path.stat().st_mode & 0o555)
