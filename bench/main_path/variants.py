"""Images that no host has seen: copies in the registry whose own layers each have a few bytes more.

A cold start must be measured on a host without the image. Deleting the image before each sample would spoil the
next ones: ext4 does not hand out the inodes of files deleted within the last five minutes and searches around
them, which was seen to triple the time that either side needs to unpack. And what was built on the host is still
in its build cache. So every sample gets an image of its own, and nothing is deleted before the end.

A layer is a gzip file of a tar archive, and both may be put together from pieces: a member with another archive after
the old bytes makes another layer without compressing it again. What comes after the end of an archive is part of the
layer's content, which engines hash and do not unpack; so that content has to be hashed once for all variants.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

TYPES = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_PIECE = 1 << 20
#: Hashes of the contents of layers, by their digests.
_CONTENTS: dict[str, hashlib._Hash] = {}


class Variants:
    """Makes variants of one image of a registry, ``host:port``; its layers that ``shared`` names stay as they are."""

    def __init__(self, registry: str, name: str, shared: Sequence[str]) -> None:
        self._root = f"http://{registry}/v2/{name}"
        self._reference = f"{registry}/{name}"
        self._shared = frozenset(shared)
        answer = self._get("manifests/1", TYPES)
        self._type: str = answer.headers["Content-Type"]
        self._manifest: dict[str, Any] = json.load(answer)
        self._config: dict[str, Any] = json.load(self._get(f"blobs/{self._manifest['config']['digest']}"))

    def make(self, number: int) -> str:
        """Push variant ``number`` and return its reference."""
        manifest, config = json.loads(json.dumps((self._manifest, self._config)))
        for place, layer in enumerate(manifest["layers"]):
            if layer["digest"] not in self._shared:
                config["rootfs"]["diff_ids"][place] = self._layer(layer, number)
        data = json.dumps(config).encode()
        manifest["config"] |= {"digest": self._push(data), "size": len(data)}
        tag = f"variant-{number}"
        self._put(f"manifests/{tag}", json.dumps(manifest).encode(), {"Content-Type": self._type})
        return f"{self._reference}:{tag}"

    def _layer(self, layer: dict[str, Any], number: int) -> str:
        """Push the layer with something after it; note its digest and size, return the digest of its content."""
        more = _archive(f"variant-{number}")
        with self._get(f"blobs/{layer['digest']}") as answer:
            blob = answer.read()
        content = _content(layer["digest"], blob)
        content.update(more)
        blob += gzip.compress(more, mtime=0)
        layer |= {"digest": self._push(blob), "size": len(blob)}
        return f"sha256:{content.hexdigest()}"

    def _push(self, blob: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        with urllib.request.urlopen(
            urllib.request.Request(f"{self._root}/blobs/uploads/", method="POST")
        ) as answer:
            place = answer.headers["Location"]
        separator = "&" if "?" in place else "?"
        request = urllib.request.Request(f"{place}{separator}digest={quote(digest)}", blob, method="PUT")
        request.add_header("Content-Type", "application/octet-stream")
        urllib.request.urlopen(request).close()
        return digest

    def _put(self, place: str, data: bytes, headers: Mapping[str, str]) -> None:
        urllib.request.urlopen(
            urllib.request.Request(f"{self._root}/{place}", data, dict(headers), method="PUT")
        ).close()

    def _get(self, place: str, accept: str = "*/*") -> Any:
        request = urllib.request.Request(f"{self._root}/{place}", headers={"Accept": accept})
        return urllib.request.urlopen(request, timeout=60)


def _content(digest: str, blob: bytes) -> hashlib._Hash:
    """The hash of what a layer unpacks to, to go on with."""
    if digest not in _CONTENTS:
        found = hashlib.sha256()
        with gzip.open(io.BytesIO(blob)) as unpacked:
            while piece := unpacked.read(_PIECE):
                found.update(piece)
        _CONTENTS[digest] = found
    return _CONTENTS[digest].copy()


def _archive(name: str) -> bytes:
    """A tar archive of one empty file."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name))
    return whole.getvalue()
