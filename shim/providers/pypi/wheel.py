"""What a wheel says about itself: metadata, RECORD, entry points, and where each file goes.

Specifications: binary distribution format (PEP 427 and its successors), recording installed projects
(RECORD), entry points. A wheel is a stranger's file: every name is checked before it becomes a path.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from shim.providers.pypi.archive import ArchiveError
from shim.providers.pypi.names import normalise

#: Folders of a cache entry, one an install scheme; "site" serves purelib and platlib.
SITE, SCRIPTS, HEADERS, DATA = "site", "bin", "include", "data"
SCHEMES = {"purelib": SITE, "platlib": SITE, "scripts": SCRIPTS, "headers": HEADERS, "data": DATA}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: Names that are clean beyond doubt; nearly all are, and looking closer at each takes longer than linking it.
_CLEAN = re.compile(r"(?:[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,99}/){0,9}[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,99}")
_LONGEST_PART, _LONGEST_NAME = 255, 1024
_REFERENCE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<object>[\w.]+)\s*(\[.*\])?\s*$")
#: Names in ``bin`` that are the layer's own.
_INTERPRETER = re.compile(r"python[0-9.]*t?$")


def is_interpreter(path: str) -> bool:
    """Whether a path below the layer is one by which its interpreter is started."""
    folder, _, name = path.rpartition("/")
    return folder == "bin" and _INTERPRETER.match(name) is not None


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A command to be made: its name, the module to import and the object to call."""

    name: str
    module: str
    attribute: str


def dist_info(names: list[str], project: str) -> str:
    """The one ``.dist-info`` folder of the wheel, which must belong to ``project`` (normalised).

    :raises ArchiveError: where there is none, several, or that of another project
    """
    found = {
        top for top, _, rest in (name.partition("/") for name in names) if rest and top.endswith(".dist-info")
    }
    if len(found) != 1:
        shown = ", ".join(sorted(found)) or "none"
        raise ArchiveError(f"a wheel has one `.dist-info` folder, this has {shown}")
    folder = found.pop()
    owner = normalise(folder.removesuffix(".dist-info").rsplit("-", 1)[0])
    if owner != project:
        raise ArchiveError(f"the wheel is of `{owner}`, not of `{project}`")
    return folder


def check_version(wheel: bytes) -> None:
    """Raise `ArchiveError` unless the WHEEL file is of a version this program knows (1.x)."""
    for line in wheel.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() == "wheel-version":
            if value.strip().split(".")[0] == "1":
                return
            raise ArchiveError(f"wheel version {value.strip()} is not known here; 1.x is")
    raise ArchiveError("the WHEEL file has no Wheel-Version")


def record_hashes(record: bytes) -> dict[str, tuple[str, str]]:
    """Hash and size of every file in RECORD, both as written; files without a hash are left out.

    :raises ArchiveError: where a line is not of three fields or the text is not UTF-8
    """
    try:
        text = record.decode("utf-8")
    except UnicodeDecodeError:
        raise ArchiveError("RECORD is not UTF-8") from None
    listed: dict[str, tuple[str, str]] = {}
    plain = '"' not in text
    try:
        # Not `splitlines`: names may hold what it takes for the end of a line.
        simple = (line.rstrip("\r").split(",") for line in text.split("\n"))
        for row in simple if plain else csv.reader(io.StringIO(text, newline="")):
            if not row or row == [""]:
                continue
            if len(row) != 3:
                raise ArchiveError(f"RECORD has a line of {len(row)} fields: {','.join(row)[:80]}")
            if row[1]:
                listed[row[0]] = (row[1], row[2])
    except csv.Error as error:
        raise ArchiveError(f"RECORD cannot be read: {error}") from None
    return listed


def destination(name: str, folder: str) -> str:
    """Where a member goes, below the folders of a cache entry; ``folder`` is the ``.dist-info`` folder.

    :raises ArchiveError: for a name that is no clean relative path or of an unknown scheme
    """
    check_name(name)
    top, _, rest = name.partition("/")
    if not top.endswith(".data") or not rest:
        return f"{SITE}/{name}"
    if normalise(top.removesuffix(".data")) != normalise(folder.removesuffix(".dist-info")):
        return f"{SITE}/{name}"
    scheme, _, path = rest.partition("/")
    if scheme not in SCHEMES or not path:
        raise ArchiveError(f"`{name}` belongs to no install scheme")
    if scheme == "scripts" and (_INTERPRETER.match(path) or "/" in path):
        raise ArchiveError(f"`{name}` would take the place of the interpreter or lies in a folder of its own")
    return f"{SCHEMES[scheme]}/{path}"


def check_name(name: str) -> None:
    """Raise `ArchiveError` unless a member's name is a clean relative path that any file system can hold."""
    if _CLEAN.fullmatch(name):
        return
    if not name or name[0] == "/" or "\\" in name or len(name) > _LONGEST_NAME or _CONTROL.search(name):
        raise ArchiveError(f"{name[:80]!r} is not a name a wheel may use")
    for part in name.split("/"):
        if part in ("", ".", "..") or len(part.encode("utf-8", "replace")) > _LONGEST_PART:
            raise ArchiveError(f"{name[:80]!r} is not a name a wheel may use")


def entry_points(text: bytes) -> Iterator[EntryPoint]:
    """The commands of ``entry_points.txt``: sections ``console_scripts`` and ``gui_scripts``.

    :raises ArchiveError: where a command's name or reference could not be written into a script safely
    """
    section = ""
    for raw in text.decode("utf-8", "replace").splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            section = line[1:-1].strip()
        elif section in ("console_scripts", "gui_scripts"):
            yield _entry_point(line)


def _entry_point(line: str) -> EntryPoint:
    name, equals, reference = (part.strip() for part in line.partition("="))
    found = _REFERENCE.match(reference)
    if not equals or not found or not _identifiers(found["module"]) or not _identifiers(found["object"]):
        raise ArchiveError(f"the entry point `{line[:80]}` is not `name = module:object`")
    if not name or "/" in name or name.startswith(".") or _CONTROL.search(name) or _INTERPRETER.match(name):
        raise ArchiveError(f"`{name[:80]}` is not a name for a command")
    return EntryPoint(name, found["module"], found["object"])


def _identifiers(dotted: str) -> bool:
    return all(part.isidentifier() for part in dotted.split("."))
