"""Where things are inside an image, and what the shim adds to its configuration.

The same for every builder, so it is decided here: the shim goes before the application's own
entrypoint, and the folders below lead `PATH`, so that ``docker exec`` and ``HEALTHCHECK`` find the
interpreter of the platform layer without passing through the shim.
"""

from __future__ import annotations

from dataclasses import replace

from cirfile.imageconfig import DEFAULT_PATH, ImageConfig

SHIM = "/.cir/shim"
#: Link to the active platform layer; made by the shim, dangling until then.
ACTIVE_LAYER = "/.cir/run/layer"
ACTIVE_BIN = f"{ACTIVE_LAYER}/bin"
#: ``python`` and ``python3`` that assemble first: found only while no layer is active.
FRONT_DOORS = "/.cir/path"
LABEL_VERSION = "cir.version"
LABEL_MANIFEST = "cir.manifest"


def with_shim(config: ImageConfig, manifest_digest: str) -> ImageConfig:
    """Return ``config`` as the image carries it: shim, `PATH` and labels added.

    ``manifest_digest`` is ``sha256:<hex>`` of the bytes of the manifest.
    """
    path = dict(config.env).get("PATH", DEFAULT_PATH)
    added = f"{ACTIVE_BIN}:{FRONT_DOORS}:{path}"
    others = [(name, value) for name, value in config.env if name != "PATH"]
    position = next((i for i, (name, _) in enumerate(config.env) if name == "PATH"), 0)
    env = (*others[:position], ("PATH", added), *others[position:])
    labels = dict(config.labels) | {LABEL_VERSION: "1", LABEL_MANIFEST: manifest_digest}
    return replace(
        config,
        env=env,
        entrypoint=(SHIM, *(config.entrypoint or ())),
        labels=tuple(sorted(labels.items())),
    )
