"""`./dev test`: every test, on real engines; `--unit` for those that need none."""

from __future__ import annotations

import argparse
import os
import subprocess

from devtools import images, paths, venv
from devtools.docker import Docker
from devtools.engines.api import Engines


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--unit", action="store_true", help="only the quick tests that need no engine (under a minute)"
    )
    parser.add_argument(
        "arguments", nargs="*", metavar="PYTEST_ARGUMENT", help="passed to pytest, behind `--`"
    )


def run(args: argparse.Namespace) -> int:
    """Bring up what the tests need and run them; the result is pytest's exit status."""
    home = venv.ensure()
    if args.unit:
        return _pytest(home / "bin/python", ["-m", "not engines and not slow", "-n", "2", *args.arguments])
    engines = Engines.ensure()
    images.ensure(Docker(tuple(engines.command(["docker"])), "engines"))
    status = 0
    if not args.arguments:
        status = _pytest(home / "bin/python", ["-m", "not engines", "-n", "2"])
        return _pytest(home / "bin/python", ["-m", "engines"]) or status
    return _pytest(home / "bin/python", args.arguments)


def _pytest(python: os.PathLike[str], arguments: list[str]) -> int:
    return subprocess.run([python, "-m", "pytest", *arguments], cwd=paths.CHECKOUT).returncode
