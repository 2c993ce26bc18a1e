"""OCI image descriptions (image specification 1.1): config, manifest and index of the base images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Layer:
    """A compressed layer.

    :param blob: the file
    :param digest: SHA-256 of the file, as `sha256:<hex>`
    :param size: bytes of the file
    :param diff_id: SHA-256 of the tar inside
    :param created: time of its newest packaged file, seconds after 1970
    """

    blob: Path
    digest: str
    size: int
    diff_id: str
    created: int


@dataclass(frozen=True)
class Image:
    """One image for one architecture: layers, lowest first, environment and command."""

    architecture: str
    layers: tuple[Layer, ...]
    environment: tuple[str, ...]
    command: tuple[str, ...]

    @property
    def config(self) -> bytes:
        """The image configuration."""
        created = datetime.fromtimestamp(self.layers[-1].created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return canonical(
            {
                "architecture": self.architecture,
                "os": "linux",
                **({"variant": "v8"} if self.architecture == "arm64" else {}),
                "created": created,
                "config": {"Env": self.environment, "Cmd": self.command},
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
                "history": [{"created": created, "created_by": "mmdebstrap"} for _ in self.layers],
            }
        )

    @property
    def manifest(self) -> bytes:
        """The image manifest."""
        layers = [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size} for layer in self.layers]
        config = descriptor(CONFIG, self.config)
        return canonical({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})


def index(images: Sequence[Image]) -> bytes:
    """Return the image index that offers one image for each architecture."""
    entries = [
        descriptor(MANIFEST, image.manifest)
        | {
            "platform": {"architecture": image.architecture, "os": "linux"}
            | ({"variant": "v8"} if image.architecture == "arm64" else {})
        }
        for image in images
    ]
    return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})


def descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    """Return the OCI descriptor of a small document."""
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def digest(content: bytes) -> str:
    """SHA-256 as an OCI digest."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def canonical(document: Mapping[str, Any]) -> bytes:
    """Compact JSON in the order given."""
    return json.dumps(document, separators=(",", ":")).encode()
