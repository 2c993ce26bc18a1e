"""`./dev demo` without Docker and without rights: the same application by `cir run --engine host`.

The shim comes from Debian packages that are only unpacked (`devtools.shim`), `cir` from this checkout. Everything is
kept in the cache folder; the store is made anew and taken away again.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devtools import paths, shim, venv
from devtools.demo import SAMPLE, Figures, fetched, first_line, platform_words
from devtools.errors import DevError
from devtools.progress import say, step

_SHOWN = ["cir", "run", "--engine", "host", str(SAMPLE)]


def measure() -> Figures:
    """Compose and run the sample.

    :raises DevError: when a step fails
    """
    home = venv.ensure(extra="")
    layout = shim.ensure(home / "bin")
    argv = [str(home / "bin/python"), "-m", "cirfile.cli", *_SHOWN[1:]]
    (paths.cache() / "tmp").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="demo-", dir=paths.cache() / "tmp") as folder:
        environment = _environment(home, layout, Path(folder))
        say(f"compose: CIR_SHIM=oci:{layout} CIR_MODE=plan {shlex.join(_SHOWN)}")
        build_s, plan = _plan(argv, environment)
        rebuild_s, _ = _plan(argv, environment)
        say(f"cold start: {shlex.join(_SHOWN)}")
        cold_s, _ = first_line(argv, environment)
        with step("warm starts"):
            warm = sorted(first_line(argv, {**environment, "CIR_LOG": "quiet"}) for _ in range(3))
    return Figures(
        "none", platform_words(plan), build_s, rebuild_s, None, None, fetched(plan), cold_s, *warm[1]
    )


def _environment(home: Path, layout: Path, folder: Path) -> dict[str, str]:
    """Return the variables of `cir`: this checkout, with caches and a store that are new.

    :param home: the environment with what `cir` needs
    """
    return os.environ | {
        "PATH": f"{home / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(paths.CHECKOUT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CIR_SHIM": f"oci:{layout}",
        "CIR_STORE": str(folder / "store"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


def _plan(argv: list[str], environment: Mapping[str, str]) -> tuple[float, dict[str, Any]]:
    """Compose the image and let its shim say what it would choose; return the seconds that took, and its answer."""
    start = time.monotonic()
    done = subprocess.run(
        argv, env={**environment, "CIR_MODE": "plan", "CIR_LOG": "json"}, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise DevError(f"`{shlex.join(_SHOWN)}` ended with status {done.returncode}")
    return time.monotonic() - start, json.loads(done.stdout)
