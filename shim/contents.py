"""The list of a layer's files with size and hash, by which a layer is looked over after a crash of the host.

A layer is published without waiting for the disk (waiting would double the time of a cold start). As
long as the host stays up that is safe: everybody reads through the same page cache. After a reboot
a file may have come out shorter than it was written, or with zeros in it; this list tells.

``layer.files``: a line ``boot <id>``, then ``<bytes> <hash> <path>`` a file, sorted by path. A hash is written
as in RECORD (``sha256=...``, URL-safe base64 without padding), or ``crc32=...`` in decimal digits; links have ``-``.
Bytecode that is made once the layer is in use is listed when all of it is there.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import os
import shutil
import stat
import time
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from shim import unfinished

NAME = "layer.files"
#: Stands for the boot in a layer of a sealed store, whose file was checked as a whole when it was made.
SEALED = "sealed"
_NONE = "-"
#: Seconds to wait for another that looks over the same layer, and between two looks.
_PATIENCE, _PAUSE = 2.0, 0.02
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def write(layer: Path, boot: str, hashes: Mapping[str, str]) -> tuple[int, int]:
    """Write the list into a finished layer; return how many files it has and their bytes.

    :param hashes: by path, as far as whoever made the files knows them; the others are read here, but for bytecode,
        which may be half-written and is left out
    """
    listed: dict[str, tuple[int, str]] = {}
    for path, status in _walk(layer):
        if stat.S_ISLNK(status.st_mode):
            listed[path] = status.st_size, _NONE
        elif path in hashes or not _is_bytecode(path):
            listed[path] = status.st_size, hashes.get(path) or _hash(layer / path, "sha256")
    (layer / NAME).write_bytes(_spell(boot, listed))
    return len(listed), sum(size for size, _ in listed.values())


def finish(layer: Path, hashes: Mapping[str, str]) -> None:
    """List the files that were added to a layer since it was published, and mark it as finished.

    :param hashes: theirs, by path; what is not there any more is left out, as is bytecode that was listed
    """
    listed = {path: entry for path, entry in _listed(layer).items() if not _is_lost(layer, path, entry[1])}
    for path, known in hashes.items():
        with contextlib.suppress(FileNotFoundError):
            listed[path] = (layer / path).lstat().st_size, known
    aside = layer / unfinished.NAME / f"{NAME}.{os.urandom(8).hex()}"
    try:
        aside.write_bytes(_spell(boot_of(layer), listed))
        aside.replace(layer / NAME)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    shutil.rmtree(layer / unfinished.NAME, ignore_errors=True)


def _is_lost(layer: Path, path: str, known: str) -> bool:
    return _can_be_made_again(path, known) and not (layer / path).exists()


def _can_be_made_again(path: str, known: str) -> bool:
    """Whether it is bytecode that was made here (PEP 3147), and no wheel's own."""
    return _is_bytecode(path) and known.startswith("crc32=")


def _spell(boot: str, listed: Mapping[str, tuple[int, str]]) -> bytes:
    lines = (f"{size} {known} {path}" for path, (size, known) in sorted(listed.items()))
    return "\n".join([f"boot {boot}", *lines, ""]).encode("utf-8", "surrogateescape")


def boot_of(layer: Path) -> str:
    """The boot in which a layer was made; empty if its list cannot be read."""
    try:
        with (layer / NAME).open("rb") as file:
            first = file.readline(200)
    except OSError:
        return ""
    return first.decode("utf-8", "replace").removeprefix("boot ").strip()


def intact(layer: Path) -> bool:
    """Whether every listed file is there as it was made.

    Bytecode that was added since, perhaps by an application, may have been cut short by the same crash; and an
    application may have put its own in the place of what is listed. It is removed, if it can be, and made again.
    """
    try:
        listed = _listed(layer)
        found = {path: status.st_size for path, status in _walk(layer)}
    except (OSError, ValueError):
        return False
    _remove_unlisted(layer, found)
    changed = [
        path for path, entry in listed.items() if not _is_as_listed(layer, path, found.get(path), entry)
    ]
    bytecode = [path for path in changed if _can_be_made_again(path, listed[path][1])]
    if not listed or len(bytecode) < len(changed):
        return False
    return not bytecode or _is_made_good(layer, [path for path in bytecode if path in found])


def _remove_unlisted(layer: Path, found: Iterable[str]) -> None:
    """Remove bytecode that is not listed, but not that of whoever is at work in the layer now (see `shim.behind`)."""
    with contextlib.ExitStack() as ends:
        try:
            ends.callback(os.close, _lock(layer))
        except FileNotFoundError:
            pass  # it is finished
        except OSError:  # who makes bytecode has removed what was there before
            return
        try:
            listed = _listed(layer)  # what was added meanwhile counts
        except (OSError, ValueError):
            return
        for path in found:
            if path.endswith(".pyc") and path not in listed:
                with contextlib.suppress(OSError):  # a store that is read-only here
                    (layer / path).unlink()


def _lock(layer: Path) -> int:
    """Lock an unfinished layer, which takes a moment where another does the same; raises as `unfinished.lock`."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return unfinished.lock(layer)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE)


def _is_as_listed(layer: Path, path: str, found: int | None, listed: tuple[int, str]) -> bool:
    size, known = listed
    return found == size and (known == _NONE or is_whole(layer / path, known))


def _is_made_good(layer: Path, changed: Collection[str]) -> bool:
    """Whether what is not as it was could be removed; it is to be made again then, if the layer can be written."""
    try:
        for path in changed:
            (layer / path).unlink(missing_ok=True)
    except OSError:
        return False
    with contextlib.suppress(OSError):
        (layer / unfinished.NAME).mkdir(exist_ok=True)
    return True


def is_whole(path: Path, known: str) -> bool:
    """Whether a file's content has the hash that is known of it, written as in `layer.files`."""
    try:
        return _hash(path, known.partition("=")[0]) == known
    except (OSError, ValueError):
        return False


def spelled(algorithm: str, digest: bytes) -> str:
    """A hash as RECORD writes it: URL-safe base64 without padding."""
    encoded = binascii.b2a_base64(digest, newline=False).rstrip(b"=").translate(_URL_SAFE)
    return f"{algorithm}={encoded.decode('ascii')}"


def _hash(path: Path, algorithm: str) -> str:
    with path.open("rb", buffering=0) as file:
        if algorithm == "crc32":
            checksum = 0
            while piece := file.read(1 << 20):
                checksum = zlib.crc32(piece, checksum)
            return f"crc32={checksum}"
        return spelled(algorithm, hashlib.file_digest(file, algorithm).digest())


def _listed(layer: Path) -> dict[str, tuple[int, str]]:
    """Size and hash of every listed file. Raise `ValueError` for a list that was cut short or is none."""
    text = (layer / NAME).read_bytes().decode("utf-8", "surrogateescape")
    first, *lines, last = text.split("\n")  # names may hold other characters that end a line
    if last or not first.startswith("boot "):
        raise ValueError("the list is not whole")
    rows = (line.split(" ", 2) for line in lines)
    return {path: (int(size), known) for size, known, path in rows}


def _walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Relative path and status of every file but the list; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if prefix + entry.name in (NAME, unfinished.NAME):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                if _is_bytecode(entry.path):  # whoever makes it has taken it back
                    continue
                raise
            yield prefix + entry.name, status


def _is_bytecode(path: str) -> bool:
    """Whether it is made from a source beside it (PEP 3147), so that it can be made again."""
    folder, _, name = path.rpartition("/")
    return name.endswith(".pyc") and folder.endswith("__pycache__")
