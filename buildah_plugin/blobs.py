"""Blobs by their digest, in a folder that builds share: written aside, named when whole, never changed.

The folder is a cache; everything in it may be deleted at any time when no build runs.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cirfile.cli.errors import INTERNAL, CliError

PREFIX = "sha256:"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that was written: digest of the blob, of what it uncompresses to, and size of the blob."""

    digest: str
    diff_id: str
    size: int


class Blobs:
    """The blobs at ``root``, laid out as ``<algorithm>/<hex>``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "sha256").mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Return where a blob is, or would be. Raise `CliError` for what is no digest."""
        algorithm, _, text = digest.partition(":")
        if algorithm not in ("sha256", "sha512") or not text or text.strip("0123456789abcdef"):
            raise CliError(INTERNAL, f"`{digest}` is no digest this builder knows")
        return self.root / algorithm / text

    def has(self, digest: str) -> bool:
        """Whether a blob is there."""
        return self.path(digest).is_file()

    def json(self, digest: str) -> dict[str, Any]:
        """Return a blob that is a JSON object."""
        return dict(json.loads(self.path(digest).read_bytes()))

    def put(self, data: bytes, algorithm: str = "sha256") -> str:
        """Store ``data`` and return its digest."""
        digest = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
        if not self.has(digest):
            with self._aside() as file:
                self._written(file, lambda: file.write(data))
            self._name(file, digest)
        return digest

    def adopt(self, folder: Path) -> None:
        """Move in the blobs of another folder of the same form, such as that of an OCI layout."""
        for blob in folder.glob("*/*"):
            target = self.root / blob.parent.name / blob.name
            target.parent.mkdir(exist_ok=True)
            blob.rename(target)

    def put_layer(self, write: Callable[[IO[bytes]], None]) -> Layer:
        """Store what ``write`` writes, compressed with gzip; the same bytes always give the same blob."""
        with self._aside() as file:
            squeezed = _Gzip(file)
            self._written(file, lambda: squeezed.take(write))
        layer = Layer(PREFIX + squeezed.outer.hexdigest(), PREFIX + squeezed.inner.hexdigest(), squeezed.size)
        self._name(file, layer.digest)
        return layer

    @staticmethod
    def _written(file: IO[bytes], write: Callable[[], object]) -> None:
        """Write and flush; nothing is left of a file that cannot be written whole."""
        try:
            write()
            file.flush()
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise

    def _name(self, file: IO[bytes], digest: str) -> None:
        target = self.path(digest)
        target.parent.mkdir(exist_ok=True)
        Path(file.name).chmod(0o644)
        Path(file.name).rename(target)

    def _aside(self) -> IO[bytes]:
        # `delete=False`: whoever writes it gives it its name, or takes it away.
        return tempfile.NamedTemporaryFile(prefix=".new-", dir=self.root, delete=False)


class _Gzip:
    """A stream that compresses and hashes on both sides."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._squeeze = zlib.compressobj(6, zlib.DEFLATED, 31)
        self.inner = hashlib.sha256()
        self.outer = hashlib.sha256()
        self.size = 0

    def take(self, write: Callable[[IO[bytes]], None]) -> None:
        write(self)  # type: ignore[arg-type]  # it has what writers need of a stream
        self._emit(self._squeeze.flush())

    def write(self, data: bytes) -> int:
        self.inner.update(data)
        self._emit(self._squeeze.compress(data))
        return len(data)

    def _emit(self, data: bytes) -> None:
        self.outer.update(data)
        self.size += len(data)
        self._out.write(data)
