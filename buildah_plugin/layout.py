"""Write images as JSON of the OCI image specification, and put a layout together from blobs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from buildah_plugin.blobs import Blobs, Layer
from cirfile.plan import Platform
from cirfile.platforms import to_oci

Descriptor = dict[str, Any]

_OCI, _DOCKER = "application/vnd.oci.image", "application/vnd.docker"
INDEX = {"oci": f"{_OCI}.index.v1+json", "docker": f"{_DOCKER}.distribution.manifest.list.v2+json"}
_MANIFEST = {"oci": f"{_OCI}.manifest.v1+json", "docker": f"{_DOCKER}.distribution.manifest.v2+json"}
_CONFIG = {"oci": f"{_OCI}.config.v1+json", "docker": f"{_DOCKER}.container.image.v1+json"}
_LAYER = f"{_OCI}.layer.v1.tar+gzip"
_DOCKER_LAYERS = {
    _LAYER: f"{_DOCKER}.image.rootfs.diff.tar.gzip",
    f"{_OCI}.layer.v1.tar": f"{_DOCKER}.image.rootfs.diff.tar",
    f"{_OCI}.layer.v1.tar+zstd": f"{_DOCKER}.image.rootfs.diff.tar.zstd",
}
FORMATS = tuple(_MANIFEST)
_HISTORY = ("created", "created_by", "author", "comment", "empty_layer")
_REF_NAME = "org.opencontainers.image.ref.name"


def layer(written: Layer) -> Descriptor:
    """Return the descriptor of a layer that was written."""
    return {"mediaType": _LAYER, "digest": written.digest, "size": written.size}


def config(fields: Mapping[str, Any], diff_ids: Sequence[str]) -> bytes:
    """Return the bytes of a configuration, as BuildKit's exporter writes them: keys sorted, letters of HTML escaped."""
    complete = dict(fields) | {"rootfs": {"type": "layers", "diff_ids": list(diff_ids)}}
    complete["history"] = [_history(entry) for entry in fields.get("history") or ()]
    ordered = {key: complete[key] for key in sorted(complete)}
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))
    for letter in "&<>\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text.encode()


def _history(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with the fields the specification knows, in its order."""
    return {key: entry[key] for key in _HISTORY if entry.get(key)}


def manifest(
    blobs: Blobs, kind: str, config_data: bytes, layers: Sequence[Mapping[str, Any]], platform: Platform
) -> Descriptor:
    """Store configuration and manifest; return the descriptor of the manifest. ``kind`` is of `FORMATS`."""
    described = [dict(each) for each in layers]
    if kind == "docker":
        for each in described:
            each["mediaType"] = _DOCKER_LAYERS.get(each["mediaType"], each["mediaType"])
    config_digest = blobs.put(config_data)
    fields = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST[kind],
        "config": {"mediaType": _CONFIG[kind], "digest": config_digest, "size": len(config_data)},
        "layers": described,
    }
    return _stored(blobs, fields) | {"platform": to_oci(platform)}


def index(blobs: Blobs, kind: str, manifests: Sequence[Descriptor]) -> Descriptor:
    """Store an index of several platforms; return its descriptor."""
    return _stored(blobs, {"schemaVersion": 2, "mediaType": INDEX[kind], "manifests": list(manifests)})


def _stored(blobs: Blobs, fields: Mapping[str, Any]) -> Descriptor:
    data = json.dumps(fields, indent=2, ensure_ascii=False).encode()
    return {"mediaType": fields["mediaType"], "digest": blobs.put(data), "size": len(data)}


def write(folder: Path, blobs: Blobs, top: Descriptor, name: str = "") -> list[str]:
    """Make an OCI layout at ``folder`` of what ``top`` leads to; return the digests of blobs that are not there.

    Blobs are linked, so that a layout costs next to nothing.
    """
    (folder / "blobs" / "sha256").mkdir(parents=True)
    missing = []
    for digest in reachable(blobs, top):
        if blobs.has(digest):
            _link(blobs.path(digest), folder / "blobs" / digest.replace(":", "/"))
        else:
            missing.append(digest)
    entry = {key: value for key, value in top.items() if key != "platform"}
    if "platform" in top:
        entry["platform"] = top["platform"]
    entry["annotations"] = {_REF_NAME: name or "latest"}
    fields = {"schemaVersion": 2, "mediaType": INDEX["oci"], "manifests": [entry]}
    (folder / "index.json").write_text(json.dumps(fields))
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return missing


def read(place: str, blobs: Blobs) -> bytes | None:
    """Take the image of an OCI layout, ``FOLDER[:NAME]``, among ``blobs``; return its manifest or index as stored.

    `None` where the layout does not hold exactly one image of that name, or is none: other programs say more of it.
    """
    folder, _, name = place.partition(":")
    try:
        found = json.loads(Path(folder, "index.json").read_bytes())["manifests"]
        named = [entry for entry in found if name in ("", (entry.get("annotations") or {}).get(_REF_NAME))]
        (top,) = named
        manifest = Path(folder, "blobs", *top["digest"].split(":")).read_bytes()
        if blobs.put(manifest) != top["digest"]:
            return None
        for blob in Path(folder, "blobs").glob("*/*"):
            if not blobs.has(f"{blob.parent.name}:{blob.name}"):
                blobs.put(blob.read_bytes())
        return manifest
    except (OSError, ValueError, KeyError, TypeError):
        return None


def reachable(blobs: Blobs, top: Descriptor) -> list[str]:
    """Return the digests of ``top`` and all below it, each once; manifests have to be there."""
    found = {str(top["digest"]): None}
    fields = blobs.json(top["digest"])
    for below in fields.get("manifests") or ():
        found |= dict.fromkeys(reachable(blobs, below))
    parts = [fields["config"], *fields["layers"]] if "config" in fields else []
    return list(found | dict.fromkeys(str(part["digest"]) for part in parts))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        return
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)


def pack(folder: Path, out: IO[bytes]) -> None:
    """Write a layout as an archive; the same layout gives the same archive."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            info = tar.gettarinfo(path, str(path.relative_to(folder)))
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ""
            info.mode = 0o755 if path.is_dir() else 0o644
            if not path.is_file():
                tar.addfile(info)
                continue
            info.type, info.size = tarfile.REGTYPE, path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(info, file)
