"""The key of a layer: a digest of exactly what determines its content.

That is what was chosen for this machine, the set-up steps, and of the base what the content speaks of:
architecture, C library and, where Python packages are chosen, the interpreter they are laid out for.
Not the image's name, its code or the requirements as written: whoever needs the same components finds
the same layer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from cirfile.codec import canonical
from cirfile.manifest import Setup
from shim.facts import Facts
from shim.provider import Selection

#: Part of every key; raised when layers of equal choices come out differently.
KEY_VERSION = 2


def base_facts(facts: Facts, ecosystems: Iterable[str]) -> dict[str, object]:
    """The facts of the base that the content of a layer depends on."""
    base: dict[str, object] = {"arch": facts.arch, "libc": facts.libc}
    if facts.python and "pypi" in ecosystems:
        python = facts.python
        base["python"] = {
            "path": python.path,
            "minor": python.tag,
            "implementation": python.implementation,
            "abiflags": python.abiflags,
        }
    return base


def layer_key(selections: Iterable[Selection], facts: Facts, setup: Iterable[Setup] = ()) -> str:
    """Return the key, 64 hexadecimal digits. The order of selections and choices does not matter."""
    chosen = list(selections)
    components = sorted(
        [selection.ecosystem, choice.name, choice.version, choice.artifact.name, choice.artifact.sha256]
        for selection in chosen
        for choice in selection.choices
    )
    content = {
        "cir-key": KEY_VERSION,
        "base": base_facts(facts, [selection.ecosystem for selection in chosen]),
        "components": components,
        "setup": [{"argv": list(step.argv), "cwd": step.cwd} for step in setup],
    }
    return hashlib.sha256(canonical(content)).hexdigest()
