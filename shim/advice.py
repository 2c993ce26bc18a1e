"""How to give a container a store, in the words of the engine that runs it. Cold path."""

from __future__ import annotations

import os

from shim.warm import in_apptainer

_GIVE = (
    "mount one with -v cir-store:/var/lib/cir (Kubernetes: a volume at /var/lib/cir) "
    "that this user can write, or set CIR_STORE"
)
_GIVE_APPTAINER = (
    "bind a folder that you can write, and name it: apptainer run -B DIR --env CIR_STORE=DIR IMAGE"
)
_SPACE = "free some space, or put the store elsewhere with CIR_STORE; then start again"
_SPACE_APPTAINER = (
    "with --contain, --compat or --writable-tmpfs there are 64 MiB; bind a folder with room, and name it: "
    "apptainer run -B DIR --env CIR_STORE=DIR IMAGE"
)


def store() -> str:
    """What to do where no store can be written."""
    return _GIVE_APPTAINER if in_apptainer(dict(os.environb)) else _GIVE


def space() -> str:
    """What to do where the store's disk is full."""
    return _SPACE_APPTAINER if in_apptainer(dict(os.environb)) else _SPACE
