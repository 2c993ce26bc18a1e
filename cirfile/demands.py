"""Hashes that requirements demand (``--hash`` of a requirements file), held against a resolver's answer.

pip's rule (https://pip.pypa.io/en/stable/topics/secure-installs/): a file is acceptable if it has any of
the hashes given for its project, and with ``--require-hashes`` only then. Only SHA-256 is understood, as in the lock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cirfile.lock import Artifact
from cirfile.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Demands:
    """SHA-256 digests in hex that files of a project may have, by normalised name.

    Files of other projects may have any, unless ``everywhere`` says that a project needs to be among these.
    """

    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    everywhere: bool = False

    def cover(self, name: str) -> bool:
        """Whether files of a project (normalised) may be used at all, with the right hash."""
        return not self.everywhere or name in self.hashes


_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")


class DemandError(ValueError):
    """A demand that cannot be held: the text says which and why."""


def demanded(manifest: Manifest) -> Demands:
    """Collect the demands of requirements and constraints of ``pypi``.

    :raises DemandError: where a requirement has hashes, but none that is SHA-256
    """
    found: dict[str, frozenset[str]] = {}
    for requirement in (*manifest.requirements, *manifest.constraints):
        if requirement.ecosystem != "pypi" or not requirement.hashes:
            continue
        match = _NAME.match(requirement.text)
        name = re.sub(r"[-_.]+", "-", match[1]).lower() if match else requirement.text
        pairs = (text.partition(":") for text in requirement.hashes)
        digests = frozenset(digest.lower() for algorithm, _, digest in pairs if algorithm.lower() == "sha256")
        if not digests:
            raise DemandError(f"`{requirement.text}` has hashes, but no SHA-256")
        found[name] = found.get(name, frozenset()) | digests
    return Demands(found, manifest.require_hashes)


def acceptable(name: str, artifact: Artifact, demands: Demands) -> bool:
    """Whether a file of the project ``name`` (normalised) has a hash that was demanded, if any was."""
    return artifact.sha256 in demands.hashes.get(name, (artifact.sha256,))
