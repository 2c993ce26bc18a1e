"""Every folder that `./dev` uses outside the checkout, in one place.

All of them are below one cache folder, `$CIR_DEV_CACHE`, else `$XDG_CACHE_HOME/cir-dev`, else
`~/.cache/cir-dev`. Deleting it (after `./dev engines down`) loses nothing but time.
"""

from __future__ import annotations

import os
from pathlib import Path

#: The checkout this code belongs to.
CHECKOUT = Path(__file__).resolve().parent.parent


def cache() -> Path:
    """Return the cache folder, absolute and without symbolic links; it need not exist yet."""
    own = os.environ.get("CIR_DEV_CACHE")
    if own:
        return Path(own).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(base).expanduser() / "cir-dev").resolve()


def engines() -> Path:
    """Everything of the test engines: root filesystem, image store, registry data, logs, state."""
    return cache() / "engines"


def bases() -> Path:
    """Return where base images lie, compressed and ready to be pushed.

    One folder for each name and architecture.
    """
    return cache() / "bases"


def venvs() -> Path:
    """Return the virtual environments that lint and tests run in, one for each set of requirements."""
    return cache() / "venv"
