"""Run a program of ours to its end, and let it end by itself when it is interrupted."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence

from devtools import paths


def follow(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
    """Run a program in the checkout; return its exit status.

    It takes down what it made when it is interrupted, and has the time for that: `subprocess.run` would kill it a
    quarter of a second after Ctrl-C.
    """
    with subprocess.Popen(argv, cwd=paths.CHECKOUT, env=environ) as process:
        signal.signal(signal.SIGTERM, lambda _signum, _frame: process.terminate())
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the terminal has told the program, too
                continue
