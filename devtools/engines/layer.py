"""One image layer from a folder tree: a deterministic tar of what differs from the layer below, compressed.

Format: OCI image specification 1.1, "Image Layer Filesystem Changeset" (whiteouts are empty files
`.wh.<name>`). Run as `python3 layer.py SINCE TREE OUT [BELOW]` by the hooks of mmdebstrap; SINCE is when
the tree was begun, in seconds after 1970, OUT and BELOW are folders as `write` makes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

#: State of the machine that made the tree, package lists and logs: no part of an image.
LEFT_OUT = re.compile(
    r"(dev|proc|sys|run|tmp|var/tmp)/.+"
    r"|(var/log|var/cache/(apt|debconf|ldconfig)|var/lib/apt/lists)/.*[^/]"
    r"|etc/(resolv\.conf|hostname|machine-id)|etc/apt/apt\.conf\.d/.*mmdebstrap|var/lib/dpkg/.*-old|var/lib/dpkg/lock.*"
    r"|.*/__pycache__/.*\.pyc\.\d+|\.recipe"
)

#: What tells two states of a file apart: type and mode, owner, group, size, time in nanoseconds, link target.
State = list[int | str]
Listing = dict[str, State]


def write(since: int, tree: Path, out: Path, below: Path | None = None) -> None:
    """Write `layer.tar.gz`.

    `layer.json` (digest, size, diff_id, created), `listing.json` and `packages.json` to `out`.

    Files keep the times that their packages gave them (bytecode depends on it). Those written since the
    tree was begun get the time of the newest packaged file, so that making a base twice gives the same
    bytes.

    :param since: when the tree was begun, seconds after 1970
    :param below: the folder of the layer below, whose files are left out when unchanged
    """
    out.mkdir(parents=True, exist_ok=True)
    listing = dict(entries(tree))
    newest = max(time for state in listing.values() if (time := int(state[-1]) // 10**9) < since)
    base: Listing = json.loads((below / "listing.json").read_text()) if below else {}
    blob = out / "layer.tar.gz"
    with blob.open("wb") as sink:
        packed = Hashing(sink)
        with gzip.GzipFile("", "wb", compresslevel=4, fileobj=packed, mtime=0) as compressor:
            plain = Hashing(compressor)
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                pack(Packer(archive, tree, since, newest), listing, base)
    facts = {"digest": packed.digest, "size": blob.stat().st_size, "diff_id": plain.digest, "created": newest}
    (out / "layer.json").write_text(json.dumps(facts))
    (out / "listing.json").write_text(json.dumps(listing))
    (out / "packages.json").write_text(json.dumps(packages(tree)))


def packages(tree: Path) -> dict[str, str]:
    """Name and version of every Debian package in the tree, from dpkg's status file."""
    status = tree / "var/lib/dpkg/status"
    text = status.read_text() if status.is_file() else ""
    return dict(re.findall(r"^Package: (\S+)$(?:\n.+)*?\nVersion: (\S+)$", text, re.M))


class Hashing(io.RawIOBase):
    """A sink that passes bytes on and remembers their SHA-256."""

    def __init__(self, sink: IO[bytes] | gzip.GzipFile) -> None:
        self.sink = sink
        self.hash = hashlib.sha256()

    def writable(self) -> bool:
        """Return true: this is a sink."""
        return True

    def write(self, data: object) -> int:
        """Pass `data`, a bytes-like object, on."""
        view = memoryview(data)  # type: ignore[arg-type]
        self.hash.update(view)
        self.sink.write(view)
        return view.nbytes

    @property
    def digest(self) -> str:
        """What passed, as an OCI digest."""
        return "sha256:" + self.hash.hexdigest()


def entries(tree: Path, folder: str = "") -> Iterator[tuple[str, State]]:
    """Relative path and state of everything in `folder` of `tree` that belongs into an image, sorted."""
    with os.scandir(tree / folder) as found:
        present = sorted(found, key=lambda entry: entry.name)
    for entry in present:
        relative = f"{folder}/{entry.name}" if folder else entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if LEFT_OUT.fullmatch(relative + "/" if is_folder else relative):
            continue
        info = entry.stat(follow_symlinks=False)
        link = str(Path(entry.path).readlink()) if entry.is_symlink() else ""
        size, time = (0, 0) if is_folder else (info.st_size, info.st_mtime_ns)
        yield relative, [info.st_mode, info.st_uid, info.st_gid, link, size, time]
        if is_folder:
            yield from entries(tree, relative)


def pack(packer: Packer, listing: Listing, base: Listing) -> None:
    """Add every entry that is new or changed, then whiteouts for those that are gone."""
    for relative in sorted(listing):
        if listing[relative] != base.get(relative):
            packer.add(relative)
    for relative in sorted(base.keys() - listing.keys()):
        parent, name = os.path.split(relative)
        if parent in listing or not parent:
            packer.archive.addfile(tarfile.TarInfo(f"{parent}/.wh.{name}".lstrip("/")))


@dataclass(frozen=True)
class Packer:
    """Adds files of `tree` to `archive`; times of `since` or later become `newest`."""

    archive: tarfile.TarFile
    tree: Path
    since: int
    newest: int

    def add(self, relative: str) -> None:
        """Add one entry with numeric owners."""
        path = self.tree / relative
        info = self.archive.gettarinfo(path, relative)
        info.uname = info.gname = ""
        info.mtime = int(info.mtime) if info.mtime < self.since else self.newest
        if info.isreg():
            with path.open("rb") as content:
                self.archive.addfile(info, content)
        else:
            self.archive.addfile(info)


if __name__ == "__main__":
    write(int(sys.argv[1]), *map(Path, sys.argv[2:]))
