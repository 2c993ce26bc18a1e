"""Buildah and Skopeo: which of them is there, and what each is asked.

Skopeo copies single blobs between places and skips those that are there; it is used where it is installed. With
Buildah alone a list of manifests does the same, which fetches whole images and so takes longer.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from buildah_plugin import process
from buildah_plugin.access import Access
from buildah_plugin.blobs import Blobs
from buildah_plugin.process import ProcessError
from buildah_plugin.talk import Talk
from cirfile.cli.errors import UNAVAILABLE, CliError
from cirfile.plan import Platform

STORAGE = "containers-storage:"
BUILDAH, SKOPEO = "buildah", "skopeo"


class Tools:
    """The programs of this machine; ``access`` tells how they reach registries."""

    def __init__(self, access: Access, talk: Talk, work: Path) -> None:
        self._access = access
        self._talk = talk
        self._work = work
        self.skopeo = shutil.which(SKOPEO) is not None
        self.buildah = shutil.which(BUILDAH) is not None

    def run(self, argv: Sequence[str]) -> bytes:
        """Run one of the programs; what it says is shown as progress. Raise `CliError` (69) where neither is there."""
        if not (self.skopeo or self.buildah):
            raise CliError(
                UNAVAILABLE, "there is neither `buildah` nor `skopeo` on PATH",
                "install Buildah from your distribution; Skopeo beside it makes builds quicker",
            )  # fmt: skip
        self._talk.debug(process.shown(argv))
        return process.run(argv, follow=self._talk.detail)

    def access(self, name: str, side: str = "") -> list[str]:
        """Return the flags for the registry of ``name``; ``side`` is ``src-`` or ``dest-`` of a copy, or empty."""
        return self._access.flags(name, side)

    def manifest(self, source: str, platform: Platform, blobs: Blobs) -> bytes:
        """Return the manifest or index of ``source`` as it is stored."""
        if not self.skopeo:
            return blobs.path(self.copy_in(source, platform, blobs)).read_bytes()
        return self.run([SKOPEO, "inspect", "--raw", *self._access.flags(source), source])

    def config(self, source: str) -> bytes:
        """Return the configuration of ``source``, the image of one platform, as it is stored (Skopeo only)."""
        return self.run([SKOPEO, "inspect", "--config", "--raw", *self._access.flags(source), source])

    def copy_in(self, source: str, platform: Platform, blobs: Blobs) -> str:
        """Copy the image ``source`` with all blobs; return the digest of its manifest.

        Buildah without Skopeo can give an index with that manifest instead.
        """
        layout = Path(tempfile.mkdtemp(prefix="copy-", dir=self._work))
        place = f"oci:{layout}:x"
        stored = source.startswith(STORAGE)
        if self.skopeo:
            flags = [*self._access.flags(source, "src-"), "--dest-shared-blob-dir", str(blobs.root)]
            same = [] if stored else ["--preserve-digests"]
            self.run([SKOPEO, "copy", *same, *flags, source, place])
        elif stored:
            self.run([BUILDAH, "push", source.removeprefix(STORAGE), place])
        else:
            wanted = ["--os", platform.os, "--arch", platform.architecture]
            with self.list() as name:
                self.run([BUILDAH, "manifest", "add", *wanted, *self._access.flags(source), name, source])
                self.run([BUILDAH, "manifest", "push", "--all", name, place])
        if (layout / "blobs").is_dir():
            blobs.adopt(layout / "blobs")
        index = json.loads((layout / "index.json").read_bytes())
        return str(index["manifests"][0]["digest"])

    def stored(self, name: str) -> tuple[bytes, dict[str, Any]] | None:
        """Return manifest, as it came, and configuration of an image in this user's storage, `None` if it has none."""
        try:
            if self.skopeo:
                place = STORAGE + name
                raw = self.run([SKOPEO, "inspect", "--raw", place])
                return (raw, json.loads(self.config(place))) if "layers" in json.loads(raw) else None
            found = json.loads(self.run([BUILDAH, "inspect", "--type", "image", name]))
            return found["Manifest"].encode(), json.loads(found["Config"])
        except ProcessError:
            return None  # not there, or no storage at all: a registry may still have it
        except (ValueError, KeyError):
            return None  # a list of manifests, which holds no image itself

    @contextmanager
    def list(self) -> Iterator[str]:
        """Give the name of an empty list of manifests in the storage, removed afterwards."""
        name = f"localhost/cir-build-{uuid.uuid4().hex[:12]}"
        self.run([BUILDAH, "manifest", "create", name])
        try:
            yield name
        finally:
            self.run([BUILDAH, "manifest", "rm", name])
