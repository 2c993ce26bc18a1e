"""A tiny image for several architectures as an OCI layout folder, made without any engine."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_TYPE = "application/vnd.oci.image"


def write(
    folder: Path,
    architectures: Sequence[str],
    files: Mapping[str, str],
    config: Mapping[str, Any] | None = None,
) -> None:
    """Write a layout with one image tagged ``1``: a layer an architecture, which holds ``files``.

    :param config: for fields of the configuration in the place of the usual ones
    """
    (folder / "blobs/sha256").mkdir(parents=True)
    manifests = [_image(folder, architecture, files, config or {}) for architecture in architectures]
    index = {"schemaVersion": 2, "mediaType": f"{_TYPE}.index.v1+json", "manifests": manifests}
    named = _blob(folder, index, "index.v1+json") | {
        "annotations": {"org.opencontainers.image.ref.name": "1"}
    }
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))


def _image(
    folder: Path, architecture: str, files: Mapping[str, str], given: Mapping[str, Any]
) -> dict[str, Any]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in {**files, "etc/architecture": architecture}.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    layer = buffer.getvalue()
    diff = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
        "history": [{"created_by": "test"}],
        **given,
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPE}.manifest.v1+json",
        "config": _blob(folder, config, "config.v1+json"),
        "layers": [_blob(folder, gzip.compress(layer, mtime=0), "layer.v1.tar+gzip")],
    }
    described = _blob(folder, manifest, "manifest.v1+json")
    return described | {"platform": {"os": "linux", "architecture": architecture}}


def _blob(folder: Path, content: Any, kind: str) -> dict[str, Any]:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    digest = hashlib.sha256(data).hexdigest()
    (folder / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": f"{_TYPE}.{kind}", "digest": f"sha256:{digest}", "size": len(data)}
