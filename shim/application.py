"""Which files of the application are likely to be imported first, as a hint for what to prepare first.

Only a guess from the command line and the working folder; nothing depends on it but speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

#: At most this many files are looked at, and folders this deep.
_MOST = 200
_DEPTH = 3
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "tests", "test"}


def files(argv: Sequence[str]) -> tuple[Path, ...]:
    """Python files that `argv` names, then those in and below the working folder, without repetition.

    What cannot be looked at is left out: another user's folder, a mount whose server is gone.
    """
    folder = _working_folder()
    named = (path for word in argv for path in _named(word, folder))
    below = () if str(folder) == "/" else _below(folder, _DEPTH)
    found: dict[Path, None] = {}
    for path in (*named, *below):
        found.setdefault(path)
        if len(found) >= _MOST:
            break
    return tuple(found)


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it was deleted, or lies in a folder of another user
        return Path("/")


def _named(word: str, folder: Path) -> Iterator[Path]:
    """What a word of the command line means as a file: a path, or a module as in ``app.main:server``."""
    if not word or word.startswith("-") or "\0" in word:
        return
    path = folder / word
    if _is_file(path):
        yield path
        return
    module = folder / word.partition(":")[0].replace(".", "/")
    # Text, since a word such as `.` or `/` leads to the root, which has no name to add to.
    for candidate in (Path(f"{module}.py"), module / "__main__.py", module / "__init__.py"):
        if _is_file(candidate):
            yield candidate


def _below(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix == ".py" and _is_file(entry):
            yield entry
    for entry in entries:
        if depth > 1 and not entry.name.startswith(".") and entry.name not in _SKIPPED and _is_dir(entry):
            yield from _below(entry, depth - 1)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a word that is no path at all, or one that leads where we may not go
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
