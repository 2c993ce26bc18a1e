"""The list of a layer's files with size and hash, by which a layer is looked over after a crash of the host.

A layer is published without waiting for the disk (waiting would double the time of a cold start). As
long as the host stays up that is safe: everybody reads through the same page cache. After a reboot
a file may have come out shorter than it was written, or with zeros in it; this list tells.

``layer.files``: a line ``boot <id>``, then ``<bytes> <hash> <path>`` a file, sorted by path. A hash is written
as in RECORD (``sha256=...``, URL-safe base64 without padding), or ``crc32=...`` in decimal digits; links have ``-``.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

NAME = "layer.files"
#: Stands for the boot in a layer of a sealed store, whose file was checked as a whole when it was made.
SEALED = "sealed"
_NONE = "-"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def write(layer: Path, boot: str, hashes: Mapping[str, str]) -> tuple[int, int]:
    """Write the list into a finished layer; return how many files it has and their bytes.

    :param hashes: by path, as far as whoever made the files knows them; the others are read here
    """
    found = sorted(_walk(layer))
    lines = [f"boot {boot}"]
    for path, status in found:
        known = _NONE if stat.S_ISLNK(status.st_mode) else hashes.get(path) or _hash(layer / path, "sha256")
        lines.append(f"{status.st_size} {known} {path}")
    (layer / NAME).write_bytes("\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))
    return len(found), sum(status.st_size for _, status in found)


def boot_of(layer: Path) -> str:
    """The boot in which a layer was made; empty if its list cannot be read."""
    try:
        with (layer / NAME).open("rb") as file:
            first = file.readline(200)
    except OSError:
        return ""
    return first.decode("utf-8", "replace").removeprefix("boot ").strip()


def intact(layer: Path) -> bool:
    """Whether every listed file is there as it was made; bytecode that was added since is removed if it can be."""
    try:
        listed = _listed(layer)
        found = {path: status.st_size for path, status in _walk(layer)}
    except (OSError, ValueError):
        return False
    for path in found.keys() - listed.keys():
        if path.endswith(".pyc"):  # written by an application, perhaps cut short by the same crash
            with contextlib.suppress(OSError):  # a store that is read-only here
                (layer / path).unlink()
    if not listed or any(found.get(path) != size for path, (size, _) in listed.items()):
        return False
    return all(known == _NONE or is_whole(layer / path, known) for path, (_, known) in listed.items())


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
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
            elif prefix + entry.name != NAME:
                yield prefix + entry.name, entry.stat(follow_symlinks=False)
