"""The dynamic loader of the shim layer, made to pass over ``LD_PRELOAD``.

That variable is the application's: what it names is of the base, and may need a newer C library than the shim's own,
which would end the shim before it has begun. Runs where the layer is made (see `shim.pack`), and is not part of it.
"""

from __future__ import annotations

import re

#: Where the name of the variable, after ``LD_``, is compared: a constant in an instruction on x86-64 (``cmp dword
#: [reg], "PREL"``), a string on the others.
_COMPARED = re.compile(rb"(?P<before>\x81[\x38-\x3f]PRE)L|(?P<string>\0PRE)L(?=OAD\0)")


def deafened(loader: bytes) -> bytes:
    """The loader with another name in the place of ``LD_PRELOAD``, which nobody sets.

    :raises SystemExit: where the place is not found once: Debian has built it in another way
    """
    found = list(_COMPARED.finditer(loader))
    if len(found) != 1:
        raise SystemExit(
            f"shim.pack: expected one place in the loader that compares LD_PRELOAD, not {len(found)}"
        )
    place = found[0].start() + len(found[0]["before"] or found[0]["string"])
    return loader[:place] + b"X" + loader[place + 1 :]
