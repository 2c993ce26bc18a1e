"""Read what a build made: the configuration of an OCI archive and the file tree of its layers, flattened."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any

ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Entry:
    """One file of an image, without its time: content is a digest, a link's target or a device's numbers."""

    kind: str
    mode: int
    uid: int
    gid: int
    content: str = ""


@dataclass
class Image:
    """One platform of an image: its configuration, the digests and sizes of its layers, its files by path."""

    config: dict[str, Any]
    layers: list[tuple[str, int]]
    tree: dict[str, Entry] = field(default_factory=dict)


def read(archive: bytes) -> dict[str, Image]:
    """Read an OCI archive (``--output type=oci``); the result is keyed by platform, ``linux/amd64``."""
    blobs = _members(archive)
    images: dict[str, Image] = {}
    _collect(json.loads(blobs["index.json"]), blobs, images)
    return images


def digest(archive: bytes) -> str:
    """The digest that stands for all of an archive: of its one index, or of its one manifest."""
    (entry,) = json.loads(_members(archive)["index.json"])["manifests"]
    return str(entry["digest"])


def blob(archive: bytes, digest: str) -> bytes:
    """One blob of an archive."""
    return _blob(_members(archive), digest)


def _collect(index: dict[str, Any], blobs: dict[str, bytes], images: dict[str, Image]) -> None:
    for entry in index["manifests"]:
        content = json.loads(_blob(blobs, entry["digest"]))
        if "manifests" in content:
            _collect(content, blobs, images)
        elif entry.get("platform", {}).get("os") != "unknown":
            config = json.loads(_blob(blobs, content["config"]["digest"]))
            image = Image(config, [(layer["digest"], layer["size"]) for layer in content["layers"] or []])
            for digest, _ in image.layers:
                _apply(image.tree, _blob(blobs, digest))
            images[f"{config['os']}/{config['architecture']}"] = image


def _members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]


def _blob(blobs: dict[str, bytes], digest: str) -> bytes:
    return blobs["blobs/" + digest.replace(":", "/")]


def _apply(tree: dict[str, Entry], layer: bytes) -> None:
    """Lay a layer over a tree (OCI image layer specification: whiteouts and opaque folders)."""
    if layer.startswith(ZSTD):
        raise ValueError("a zstd layer: build with compression=gzip")
    data = gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            path = member.name.removeprefix("./").strip("/")
            folder, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                _remove_below(tree, folder)
            elif name.startswith(".wh."):
                gone = f"{folder}/{name[4:]}".strip("/")
                tree.pop(gone, None)
                _remove_below(tree, gone)
            elif path not in ("", "."):
                entry = _entry(tree, tar, member)
                if entry.kind != "folder":
                    _remove_below(tree, path)
                tree[path] = entry


def _remove_below(tree: dict[str, Entry], folder: str) -> None:
    for path in [path for path in tree if path.startswith(folder + "/")]:
        del tree[path]


def _entry(tree: dict[str, Entry], tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    if member.islnk():
        return tree[member.linkname.removeprefix("./").strip("/")]
    kind, content = "other", f"{member.devmajor},{member.devminor}"
    if member.isfile():
        file = tar.extractfile(member)
        assert file is not None
        kind, content = "file", hashlib.sha256(file.read()).hexdigest()
    elif member.issym():
        return Entry("link", 0o777, member.uid, member.gid, member.linkname)
    elif member.isdir():
        kind, content = "folder", ""
    return Entry(kind, member.mode & 0o7777, member.uid, member.gid, content)
