"""What a build hands back, in the keys the exporters of the server understand (``exptypes`` of BuildKit).

One reference for one platform, else a map by platform id; the list of platforms always.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from cirfile.plan import Plan, Platform
from cirfile.platforms import to_oci
from frontend import sbom
from frontend.gateway.client import Attestation, Gateway, Ref, Result
from frontend.images import Image
from frontend.locking import Locked
from frontend.options import Options


@dataclass(frozen=True, slots=True)
class Target:
    """One platform of the image, as an index calls it, with what was found for it; the plan's is what it runs on."""

    platform: Platform
    plan: Plan
    base: Image
    shim: Image


@dataclass(frozen=True, slots=True)
class Built:
    """One platform, built: its file system, its configuration as JSON, and what was locked for it."""

    target: Target
    ref: Ref
    config: bytes
    locked: Locked


def assemble(gateway: Gateway, options: Options, built: Sequence[Built], seconds: int) -> Result:
    """Return the result of a build; ``seconds`` is the time everything in it gets."""
    metadata = {"refs.platforms": _platform_list(built)}
    statements: dict[str, list[Attestation]] = {}
    several = options.multi_platform
    for each in built:
        name = str(each.target.platform)
        key = f"/{name}" if several else ""
        metadata[f"containerimage.config{key}"] = each.config
        metadata[f"source.date.epoch{key}"] = str(seconds).encode()
        if each.target.base.oci:
            metadata[f"containerimage.base.config{key}"] = json.dumps(each.target.base.oci).encode()
        found = _attestations(gateway, options, each.locked, seconds)
        if found:
            statements[name] = found
    if several:
        refs = {str(each.target.platform): each.ref for each in built}
        return Result(refs=refs, metadata=metadata, attestations=statements)
    return Result(ref=built[0].ref, metadata=metadata, attestations=statements)


def _platform_list(built: Sequence[Built]) -> bytes:
    named = [each.target.platform for each in built]
    listed = [{"ID": str(platform), "Platform": to_oci(platform)} for platform in named]
    return json.dumps({"Platforms": listed}, separators=(",", ":")).encode()


def _attestations(gateway: Gateway, options: Options, locked: Locked, seconds: int) -> list[Attestation]:
    """Return the bill of materials where one is asked for: the lock knows every component exactly."""
    if "sbom" not in (options.attestations or {}) or not locked.locks:
        return []
    if gateway.caps.refusal("reference.attestations"):
        return []
    return [sbom.attestation(gateway, sbom.document(locked.locks, seconds), seconds)]
