"""What is likely to be imported first, as a hint for what to prepare first.

Only a guess from the command line and the working folder; nothing depends on it but speed.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from shim.provider import Hint

#: At most this many files are looked at, and folders this deep.
_MOST = 200
_DEPTH = 3
#: Entries of folders that are looked at altogether: data may lie below the working folder, on a slow server.
_ENTRIES = 4000
#: Larger files are not searched for commands.
_SEARCHED = 1 << 18
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "tests", "test"}
_WORD = re.compile(rb"[\w./@+-]+")
#: A string that begins with a word, as in ``subprocess.run(["uvicorn", ...])`` and ``os.system("uvicorn ...")``.
_QUOTED = re.compile(rb"""['"]([\w./@+-]+)(?=['"\s])""")


def hint(argv: Sequence[str]) -> Hint:
    """What a command line tells of the application.

    What cannot be looked at is left out: another user's folder, a mount whose server is gone.
    """
    found = _files(argv)
    given = [word.encode("utf-8", "surrogateescape") for text in argv for word in text.split()]
    words = {*given, *(word for path in found for word in _words(path))}
    names = frozenset(word.rpartition(b"/")[2].decode("utf-8", "surrogateescape") for word in words)
    modules = tuple(after for word, after in itertools.pairwise(argv) if word == "-m" and _is_module(after))
    return Hint(tuple(path for path in found if _may_be_python(path)), names, modules)


def _may_be_python(path: Path) -> bool:
    """Whether a file is worth looking for imports: a command line may name data, too."""
    return path.suffix in ("", ".py", ".pyw") or _first_line(path).startswith(b"#!")


def _first_line(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.readline(200)
    except OSError:
        return b""


def _is_module(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _words(path: Path) -> Iterator[bytes]:
    """What may name a program in a file: all words of a script, strings that begin with one of a Python source."""
    try:
        with path.open("rb") as file:
            text = file.read(_SEARCHED)
    except OSError:
        return
    first = text.partition(b"\n")[0]
    is_python = path.suffix == ".py" or (first.startswith(b"#!") and b"python" in first)
    if is_python:
        yield from _QUOTED.findall(text)
    elif first.startswith(b"#!"):
        yield from _WORD.findall(text)


def _files(argv: Sequence[str]) -> tuple[Path, ...]:
    """Files that `argv` names, then Python files in and below the working folder, without repetition."""
    folder = _working_folder()
    named = (path for word in argv for path in _named(word, folder))
    below = () if str(folder) == "/" else _below(folder)
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


def _below(top: Path) -> Iterator[Path]:
    """Python files in a folder and below it, those of a folder before those further down."""
    left = _ENTRIES
    folders = [(top, _DEPTH)]
    while folders and left > 0:
        folder, depth = folders.pop()
        entries = _entries(folder, left)
        left -= len(entries) + 1
        yield from (Path(entry.path) for entry in entries if entry.name.endswith(".py") and _is_file(entry))
        if depth > 1:
            inner = (
                entry for entry in entries if not entry.name.startswith(".") and entry.name not in _SKIPPED
            )
            folders += [(Path(entry.path), depth - 1) for entry in inner if _is_dir(entry)][::-1]


def _entries(folder: Path, most: int) -> list[os.DirEntry[str]]:
    """Entries of a folder by name, of a large one the first that come."""
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry, _ in zip(found, range(most), strict=False)), key=lambda e: e.name)
    except OSError:
        return []


def _is_file(path: Path | os.DirEntry[str]) -> bool:
    try:
        return path.is_file()
    except OSError:  # a word that is no path at all, or one that leads where we may not go
        return False


def _is_dir(path: os.DirEntry[str]) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
