"""The configuration of the image as JSON: what the plan says, in the form exporters take over.

Format: the OCI image specification (``config.md``) with Docker's extensions. The history has an entry
for every layer, in order; what made no layer of its own is marked so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cirfile import __version__
from cirfile.imageconfig import to_oci
from cirfile.layout import with_shim
from cirfile.plan import Plan
from frontend.images import Image
from frontend.lower import Lowered
from frontend.platforms import to_oci as platform_to_oci

#: 1980-01-01: fixed, and the oldest time a zip archive can hold, so tools inside images are content.
DEFAULT_EPOCH = 315532800
#: The last second whose nanoseconds the build server's numbers hold.
LAST_EPOCH = (2**63 - 1) // 10**9
COMMENT = "cir"


def config(plan: Plan, lowered: Lowered, base: Image, shim: Image, manifest_digest: str, epoch: int) -> bytes:
    """Return the image configuration; ``manifest_digest`` is ``sha256:<hex>``, ``epoch`` in seconds."""
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    image: dict[str, Any] = {
        "created": created,
        **_inherited(base.oci),
        **({"author": plan.author} if plan.author else {}),
        **platform_to_oci(plan.platform),
        "config": to_oci(with_shim(plan.config, manifest_digest)),
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": _history(plan, lowered, base, shim, created),
    }
    return json.dumps(image, ensure_ascii=False, separators=(",", ":")).encode()


def _inherited(base: Mapping[str, Any]) -> dict[str, Any]:
    return {key: base[key] for key in ("author", "os.version", "os.features") if base.get(key)}


def _history(plan: Plan, lowered: Lowered, base: Image, shim: Image, created: str) -> list[dict[str, Any]]:
    def entry(text: str, layer: bool) -> dict[str, Any]:
        fields = {"created": created, "created_by": text, "comment": COMMENT}
        return fields if layer else fields | {"empty_layer": True}

    history = list(base.oci.get("history") or ())
    if lowered.stepwise:
        steps = [step.created_by for step in plan.steps if step.created_by]
        for text in plan.history:
            own = steps[:1] == [text]
            history.append(entry(text, own))
            del steps[:own]
        return [*history, entry(f"cir: shim {__version__}, manifest and locks", True)]
    history += [entry(f"cir: shim {__version__}", True) for _ in range(shim.layers if lowered.merged else 1)]
    history += [entry(text, False) for text in plan.history]
    return [*history, entry("cir: application, manifest and locks", True)]
