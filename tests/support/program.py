"""A program `docker` for PATH that is the Docker of the test engines."""

from __future__ import annotations

import shlex
from pathlib import Path

from devtools.engines.api import Engines


def docker_of(engines: Engines, folder: Path, *, before: str = "") -> Path:
    """Write the program into ``folder`` and return its path.

    :param before: a line of shell that is run before, e.g. to record the arguments
    """
    command = engines.command(["docker"])
    line = " ".join('--wdns="$PWD"' if word.startswith("--wdns=") else shlex.quote(word) for word in command)
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\n{before}\nexec {line} "$@"\n')
    program.chmod(0o755)
    return program
