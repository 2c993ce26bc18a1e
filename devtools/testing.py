"""`./dev test`: every test, on real engines; `--unit` for those that need none."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from devtools import docker, images, venv
from devtools.engines.api import Engines
from devtools.follow import follow


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--unit", action="store_true", help="only the quick tests that need no engine (under a minute)"
    )
    parser.add_argument(
        "--engines", action="store_true", help="use the test engines even if Docker is installed"
    )
    parser.add_argument(
        "arguments", nargs="*", metavar="PYTEST_ARGUMENT", help="passed to pytest, behind `--`"
    )


def run(args: argparse.Namespace) -> int:
    """Bring up what the tests need and run them; the result is pytest's exit status."""
    home = venv.ensure()
    if args.unit:
        return _pytest(home, ["-m", "not engines and not slow", "-n", "3", *args.arguments])
    engines = Engines.ensure()
    engines.emulation(True)  # tests that build without it may have been ended
    images.ensure(docker.for_tests(engines, own=not args.engines))
    chosen = ["--engines"] if args.engines else []
    if args.arguments:
        return _pytest(home, [*chosen, *args.arguments])
    status = _pytest(home, ["-m", "not engines", "-n", "2"])
    return _pytest(home, [*chosen, "-m", "engines"]) or status


def _pytest(home: Path, arguments: list[str]) -> int:
    """Run pytest with the programs of the development environment, such as uv, before those of the machine."""
    environment = os.environ | {"PATH": f"{home / 'bin'}:{os.environ.get('PATH', os.defpath)}"}
    argv = [str(home / "bin/python"), "-m", "pytest", *arguments]
    return follow(argv, environment)
