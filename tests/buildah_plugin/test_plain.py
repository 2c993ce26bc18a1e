"""A layout with its layers uncompressed is the same image."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from buildah_plugin.apptainer import plain
from tests.support import ocilayout


def blob(layout: Path, digest: str) -> bytes:
    data = layout.joinpath("blobs", *digest.split(":")).read_bytes()
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest
    return data


def image(layout: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    (top,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    manifest = json.loads(blob(layout, top["digest"]))
    return manifest, json.loads(blob(layout, manifest["config"]["digest"]))


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """One image, without the index that `ocilayout` puts above it."""
    folder = tmp_path / "layout"
    ocilayout.write(folder, ["amd64"], {"etc/name": "x" * 100_000})
    index = json.loads((folder / "index.json").read_bytes())
    (manifest,) = json.loads(blob(folder, index["manifests"][0]["digest"]))["manifests"]
    (folder / "index.json").write_text(json.dumps(index | {"manifests": [manifest]}))
    return folder


def test_layers_are_named_by_their_content(layout: Path, tmp_path: Path) -> None:
    made = plain.write(layout, tmp_path / "plain")
    before, _ = image(layout)
    after, config = image(made)
    (layer,) = after["layers"]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
    assert [layer["digest"]] == config["rootfs"]["diff_ids"]
    content = blob(made, layer["digest"])
    assert len(content) == layer["size"]
    assert content == gzip.decompress(blob(layout, before["layers"][0]["digest"]))
    assert before["config"] == after["config"]


@pytest.mark.parametrize("spoil", ["damaged", "short", "zstd"])
def test_what_is_not_gzip_stays_for_the_reader(layout: Path, tmp_path: Path, spoil: str) -> None:
    manifest, _ = image(layout)
    layer = manifest["layers"][0]
    path = layout.joinpath("blobs", *layer["digest"].split(":"))
    data = path.read_bytes()
    if spoil == "zstd":
        index = json.loads((layout / "index.json").read_bytes())
        layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd"
        layout.joinpath("blobs", *index["manifests"][0]["digest"].split(":")).write_text(json.dumps(manifest))
    else:
        path.write_bytes(data[:50] if spoil == "short" else data[:20] + bytes(20) + data[40:])
    made = plain.write(layout, tmp_path / "plain")
    (top,) = json.loads((made / "index.json").read_bytes())["manifests"]
    assert json.loads(blob(made, top["digest"]))["layers"] == [layer]
    assert made.joinpath("blobs", *layer["digest"].split(":")).read_bytes() == path.read_bytes()
    assert len(list(made.glob("blobs/sha256/*"))) == 3


def test_an_image_without_digests_of_its_contents_is_left_alone(tmp_path: Path) -> None:
    ocilayout.write(tmp_path / "layout", ["amd64"], {}, {"rootfs": {"type": "layers", "diff_ids": []}})
    assert plain.write(tmp_path / "layout", tmp_path / "plain") == tmp_path / "layout"


@pytest.mark.parametrize("digest", ["sha256:../../x", "../x:y", "x"])
def test_what_is_no_digest_leads_nowhere(layout: Path, tmp_path: Path, digest: str) -> None:
    index = json.loads((layout / "index.json").read_bytes())
    index["manifests"][0]["digest"] = digest
    (layout / "index.json").write_text(json.dumps(index))
    with pytest.raises((ValueError, OSError)):
        plain.write(layout, tmp_path / "plain")
