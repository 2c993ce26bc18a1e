"""A bill of materials made from the lock: exact, and without looking at a single file.

Format: SPDX 2.3 JSON (https://spdx.github.io/spdx-spec/v2.3/), attached to the image as an in-toto
attestation with the predicate type the server looks for, so that no scanner is run. It lists what the
platform layer is assembled from; the packages of the base are in the base's own bill.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cirfile import __version__, codec
from cirfile.lock import Component
from cirfile.purl import purl
from frontend.gateway.client import Attestation, Gateway
from frontend.llb import ops, state
from frontend.llb.marshal import marshal

PREDICATE = "https://spdx.dev/Document"
_PATH = "/sbom.spdx.json"
_NAMESPACE = "urn:cir:sbom:"


def document(locks: Mapping[str, bytes], epoch: int) -> bytes:
    """Return the SPDX document for ``locks``, the bytes of each ecosystem's lock; ``epoch`` in seconds."""
    packages: list[dict[str, Any]] = []
    edges: list[tuple[str, str]] = []
    for ecosystem, data in sorted(locks.items()):
        components = codec.decode_lock(data).components
        packages += [_package(ecosystem, component) for component in components]
        edges += _edges(ecosystem, components)
    digest = hashlib.sha256(b"".join(locks[name] for name in sorted(locks))).hexdigest()
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return codec.canonical(
        {
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": "SPDXRef-DOCUMENT",
            "name": "components of the platform layer",
            "documentNamespace": _NAMESPACE + digest,
            "creationInfo": {"created": created, "creators": [f"Tool: cir-{__version__}"]},
            "packages": packages,
            "relationships": [
                *(_relation("SPDXRef-DOCUMENT", "DESCRIBES", p["SPDXID"]) for p in packages),
                *(_relation(one, "DEPENDS_ON", other) for one, other in edges),
            ],
        }
    )


def attestation(gateway: Gateway, data: bytes, epoch: int) -> Attestation:
    """Give the document to the server and return the statement that points to it."""
    around = ops.Surroundings("[sbom] from the lock")
    file = ops.Mkfile(_PATH, data, timestamp=epoch * 10**9)
    ref = gateway.solve(marshal(state.file(ops.SCRATCH, file, around=around)))
    return Attestation(PREDICATE, ref, _PATH, (("reason", b"sbom"),))


def _identifier(ecosystem: str, name: str, version: str) -> str:
    letters = (
        c if c.isascii() and (c.isalnum() or c in ".-") else "-" for c in f"{ecosystem}-{name}-{version}"
    )
    return "SPDXRef-" + "".join(letters)


def _package(ecosystem: str, component: Component) -> dict[str, Any]:
    url = purl(ecosystem, component.name, component.version)
    return {
        "SPDXID": _identifier(ecosystem, component.name, component.version),
        "name": component.name,
        "versionInfo": component.version,
        "downloadLocation": component.index or "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}
        ],
        "comment": "one of: " + ", ".join(f"{a.name} sha256:{a.sha256}" for a in component.artifacts),
    }


def _edges(ecosystem: str, components: tuple[Component, ...]) -> Iterator[tuple[str, str]]:
    versions: dict[str, list[str]] = {}
    for component in components:
        versions.setdefault(component.name, []).append(component.version)
    for component in components:
        one = _identifier(ecosystem, component.name, component.version)
        for name in component.dependencies:
            for version in versions.get(name, ()):
                yield one, _identifier(ecosystem, name, version)


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
