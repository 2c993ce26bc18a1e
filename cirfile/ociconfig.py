"""The configuration of the image as JSON: what the plan says, in the form every builder writes.

Format: the OCI image specification (``config.md``) with Docker's extensions. The history has an entry
for every layer, in order; what made no layer of its own is marked so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cirfile import __version__
from cirfile.imageconfig import to_oci
from cirfile.layout import with_shim
from cirfile.plan import Plan, Platform
from cirfile.platforms import normalize
from cirfile.platforms import to_oci as platform_to_oci

#: 1980-01-01: fixed, and the oldest time a zip archive can hold, so tools inside images are content.
DEFAULT_EPOCH = 315532800
#: The last second whose nanoseconds the numbers of build servers hold.
LAST_EPOCH = (2**63 - 1) // 10**9
COMMENT = "cir"


def config(
    plan: Plan,
    base: Mapping[str, Any],
    shim_layers: int,
    manifest_digest: str,
    epoch: int,
    stepwise: bool = False,
) -> dict[str, Any]:
    """Return the image configuration, without the digests of the layers, which the writer adds.

    ``base`` is that of the base image, empty for ``scratch``; ``manifest_digest`` is ``sha256:<hex>``, ``epoch`` in
    seconds. ``stepwise`` means that each step made a layer, and the shim with the manifest the last one.
    """
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    history = list(base.get("history") or ())
    if stepwise:
        history += _stepwise(plan, created)
    else:
        history += [_entry(created, f"cir: shim {__version__}", True) for _ in range(shim_layers)]
        history += [_entry(created, text, False) for text in plan.history]
        history.append(_entry(created, "cir: application, manifest and locks", True))
    return {
        "created": created,
        **{key: base[key] for key in ("author", "os.version", "os.features") if base.get(key)},
        **({"author": plan.author} if plan.author else {}),
        **platform_to_oci(plan.platform),
        "config": to_oci(with_shim(plan.config, manifest_digest)),
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": history,
    }


def encode(fields: Mapping[str, Any]) -> bytes:
    """Return the configuration as it is stored."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _stepwise(plan: Plan, created: str) -> list[dict[str, Any]]:
    steps = [step.created_by for step in plan.steps if step.created_by]
    history = []
    for text in plan.history:
        own = steps[:1] == [text]
        history.append(_entry(created, text, own))
        del steps[:own]
    return [*history, _entry(created, f"cir: shim {__version__}, manifest and locks", True)]


def _entry(created: str, text: str, layer: bool) -> dict[str, Any]:
    fields = {"created": created, "created_by": text, "comment": COMMENT}
    return fields if layer else fields | {"empty_layer": True}


def of_base(plan: Plan, base: Mapping[str, Any]) -> Plan:
    """Return ``plan`` for whatever the base is for: what a build without ``--platform`` means."""
    if not base.get("architecture"):
        return plan
    own = Platform(base.get("os", "linux"), base["architecture"], base.get("variant", ""))
    return replace(plan, platform=normalize(own))


def default_shim() -> str:
    """Return the shim image of this version as `./dev images` names it: a name nobody can register."""
    return f"localhost/cir/shim:{__version__}"
