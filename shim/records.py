"""What a layer says about itself: ``layer.json`` for programs of ours, ``sbom.json`` for scanners."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from cirfile.codec import canonical
from cirfile.lock import Lock
from cirfile.purl import purl
from shim.choice import Choices
from shim.key import base_facts
from shim.profile import profiles
from shim.provider import Choice, Selection

LAYER_VERSION = 1

Json = dict[str, object]


def write(layer: Path, choices: Choices) -> None:
    """Write both files into a layer. Equal choices give equal bytes."""
    (layer / "sbom.json").write_bytes(canonical(sbom(choices)))
    (layer / "layer.json").write_bytes(canonical(description(choices)))


def description(choices: Choices) -> Json:
    """The content of ``layer.json``."""
    ecosystems = [selection.ecosystem for selection in choices.selections]
    return {
        "cir-layer": LAYER_VERSION,
        "key": choices.key,
        "base": base_facts(choices.facts, ecosystems),
        "profile": profiles(choices.facts)[0].name,
        "components": [component(s.ecosystem, choice) for s in choices.selections for choice in s.choices],
    }


def component(ecosystem: str, choice: Choice) -> Json:
    """One chosen component, as `layer.json` and the plan name it."""
    return {
        "ecosystem": ecosystem,
        "name": choice.name,
        "version": choice.version,
        "artifact": choice.artifact.name,
        "sha256": choice.artifact.sha256,
        "size": choice.artifact.size,
    }


def sbom(choices: Choices) -> Json:
    """A software bill of materials, CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/).

    Without a time stamp, and with a serial number made from the key, so that equal layers have equal bills.
    """
    parts = [(s.ecosystem, choice) for s in choices.selections for choice in s.choices]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{UUID(choices.key[:32], version=4)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "platform",
                "bom-ref": f"cir-layer:{choices.key}",
                "name": "cir-platform-layer",
                "version": choices.key,
            }
        },
        "components": [_sbom_component(ecosystem, choice) for ecosystem, choice in parts],
        "dependencies": [edge for s in choices.selections for edge in _edges(s, choices.locks[s.ecosystem])],
    }


def _sbom_component(ecosystem: str, choice: Choice) -> Json:
    reference = purl(ecosystem, choice.name, choice.version)
    url = choice.artifact.url
    return {
        "type": "library",
        "bom-ref": reference,
        "name": choice.name,
        "version": choice.version,
        "purl": reference,
        "hashes": [{"alg": "SHA-256", "content": choice.artifact.sha256}],
        "externalReferences": [{"type": "distribution", "url": url}] if url else [],
    }


def _edges(selection: Selection, lock: Lock) -> list[Json]:
    """Who needs whom, among what was chosen."""
    chosen = {choice.name: choice.version for choice in selection.choices}
    needs = {(entry.name, entry.version): entry.dependencies for entry in lock.components}
    return [
        {
            "ref": purl(selection.ecosystem, name, version),
            "dependsOn": sorted(
                purl(selection.ecosystem, needed, chosen[needed])
                for needed in needs.get((name, version), ())
                if needed in chosen
            ),
        }
        for name, version in chosen.items()
    ]
