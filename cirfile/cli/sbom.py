"""``cir sbom``: the components of a lock as CycloneDX 1.6 or SPDX 2.3.

Formats: https://cyclonedx.org/docs/1.6/json/ and https://spdx.github.io/spdx-spec/v2.3/. It lists what
the image may fetch on any promised platform; the bill of one platform is in its layer.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cirfile import __version__
from cirfile.cli.errors import INVALID, USAGE, CliError
from cirfile.cli.image import read_image
from cirfile.codec import CodecError, canonical, decode_lock
from cirfile.lock import Component, Lock
from cirfile.purl import purl

_EPILOG = """examples:
  cir sbom registry.example/app:1 > app.cdx.json
  cir sbom --format spdx Cirfile.lock
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument("what", metavar="LOCK|IMAGE", help="a lock written by `cir lock`, or an image")
    parser.add_argument(
        "--format", choices=("cyclonedx", "spdx"), default="cyclonedx", help="default: cyclonedx"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the bill; the same lock gives the same bytes."""
    locks = _locks(arguments.what)
    make = {"cyclonedx": cyclonedx, "spdx": spdx}[arguments.format]
    sys.stdout.buffer.write(canonical(make(locks)))
    return 0


def _locks(what: str) -> list[Lock]:
    path = Path(what)
    if not path.is_file():
        image = read_image(what)
        if image.is_resolved_later:
            raise CliError(
                USAGE, f"{what} is resolved at deployment (PIN {image.manifest.pin.mode}), so it has no lock to list",
                "every layer has a bill of its own: `layers/*/sbom.json` in the store",
            )  # fmt: skip
        return [lock for _, lock in sorted(image.locks.items())]
    try:
        return [decode_lock(path.read_bytes())]
    except CodecError as error:
        raise CliError(INVALID, f"{path}: {error}", "write it with `cir lock`") from None


def cyclonedx(locks: list[Lock]) -> Mapping[str, Any]:
    """Return the CycloneDX document."""
    parts = [(lock.ecosystem, component) for lock in locks for component in lock.components]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{_identity(parts)}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "cir", "version": __version__}]}
        },
        "components": [_cyclonedx_component(ecosystem, component) for ecosystem, component in parts],
        "dependencies": [
            {
                "ref": purl(ecosystem, component.name, component.version),
                "dependsOn": _needed(ecosystem, component, parts),
            }
            for ecosystem, component in parts
        ],
    }


def _cyclonedx_component(ecosystem: str, component: Component) -> Mapping[str, Any]:
    reference = purl(ecosystem, component.name, component.version)
    files = [
        {"type": "distribution", "url": a.url, "hashes": [{"alg": "SHA-256", "content": a.sha256}]}
        for a in component.artifacts
    ]
    return {
        "type": "library",
        "bom-ref": reference,
        "name": component.name,
        "version": component.version,
        "purl": reference,
        "externalReferences": files,
    }


def spdx(locks: list[Lock]) -> Mapping[str, Any]:
    """Return the SPDX document."""
    parts = [(lock.ecosystem, component) for lock in locks for component in lock.components]
    packages = [_spdx_package(ecosystem, component) for ecosystem, component in parts]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", package["SPDXID"]) for package in packages]
    for ecosystem, component in parts:
        own = _spdx_id(purl(ecosystem, component.name, component.version))
        relations += [(own, "DEPENDS_ON", _spdx_id(other)) for other in _needed(ecosystem, component, parts)]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "components of the platform layer",
        "documentNamespace": f"urn:uuid:{_identity(parts)}",
        "creationInfo": {"created": "1980-01-01T00:00:00Z", "creators": [f"Tool: cir-{__version__}"]},
        "packages": packages,
        "relationships": [
            {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
            for one, kind, other in relations
        ],
    }


def _spdx_package(ecosystem: str, component: Component) -> Mapping[str, Any]:
    reference = purl(ecosystem, component.name, component.version)
    return {
        "SPDXID": _spdx_id(reference),
        "name": component.name,
        "versionInfo": component.version,
        "downloadLocation": component.artifacts[0].url if component.artifacts else "NOASSERTION",
        "filesAnalyzed": False,
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": reference}
        ],
    }


def _spdx_id(reference: str) -> str:
    return "SPDXRef-" + "".join(c if c.isalnum() or c in ".-" else "-" for c in reference)


def _needed(ecosystem: str, component: Component, parts: list[tuple[str, Component]]) -> list[str]:
    needed = component.dependencies
    return [purl(e, c.name, c.version) for e, c in parts if e == ecosystem and c.name in needed]


def _identity(parts: list[tuple[str, Component]]) -> uuid.UUID:
    """Make a serial number from the contents, so that the same lock has the same bill."""
    names = [[purl(e, c.name, c.version), *(a.sha256 for a in c.artifacts)] for e, c in parts]
    return uuid.UUID(hashlib.sha256(canonical(names)).hexdigest()[:32], version=4)
