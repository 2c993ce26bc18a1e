"""Commands of a layer: small Python scripts that import an object and call it.

A script's first line is the same in all layers (see `shim.script`), so the cache can hold scripts ready for use.
"""

from __future__ import annotations

from shim.paths import SCRIPT
from shim.providers.pypi.wheel import EntryPoint

INTERPRETER = SCRIPT
_TEMPLATE = """#!{interpreter}
# -*- coding: utf-8 -*-
import sys
from {module} import {first}
if __name__ == "__main__":
    sys.exit({attribute}())
"""


def console_script(entry: EntryPoint) -> bytes:
    """The script of an entry point, as `EntryPoint` has been checked when it was read."""
    first = entry.attribute.partition(".")[0]
    text = _TEMPLATE.format(
        interpreter=INTERPRETER, module=entry.module, first=first, attribute=entry.attribute
    )
    return text.encode()


def with_interpreter(script: bytes) -> bytes:
    """A script of the ``scripts`` scheme with its placeholder ``#!python`` replaced (PEP 427)."""
    first, newline, rest = script.partition(b"\n")
    if not first.startswith((b"#!python", b"#!pythonw")):
        return script
    options = first.partition(b" ")[2].strip()
    return b"#!" + INTERPRETER.encode() + (b" " + options if options else b"") + newline + rest
