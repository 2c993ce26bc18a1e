"""Programs of ours that are interrupted have the time to take down what they made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devtools import paths

#: What is followed: it says that it is there, and needs a second to end; `subprocess.run` would give it a quarter.
PROGRAM = """
import pathlib, signal, sys, time
def end(signum, frame):
    raise KeyboardInterrupt
signal.signal(signal.SIGTERM, end)
try:
    pathlib.Path(sys.argv[1], "begun").touch()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    pathlib.Path(sys.argv[1], "tidied").touch()
sys.exit(7)
"""
FOLLOWING = "import sys; from devtools.follow import follow; sys.exit(follow(sys.argv[1:]))"


@pytest.mark.parametrize(
    ("number", "everybody"), [(signal.SIGINT, True), (signal.SIGTERM, False)], ids=["Ctrl-C", "SIGTERM"]
)
def test_an_interrupted_program_ends_by_itself(
    tmp_path: Path, number: signal.Signals, everybody: bool
) -> None:
    """A terminal sends Ctrl-C to all; SIGTERM is for the one that follows, which hands it on."""
    argv = [sys.executable, "-c", FOLLOWING, sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(argv, cwd=paths.CHECKOUT, start_new_session=True) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        (os.killpg if everybody else os.kill)(process.pid, number)
        assert process.wait(30) == 7
    assert (tmp_path / "tidied").exists()
