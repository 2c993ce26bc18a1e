"""`./dev lint`: style, types, generated files."""

from __future__ import annotations

import argparse
import subprocess

from devtools import paths, venv
from devtools.progress import say

#: Name and arguments of each check, run in the development environment.
CHECKS = (
    ("ruff check", ["ruff", "check", "."]),
    ("ruff format", ["ruff", "format", "--check", "."]),
    ("mypy", ["mypy", "."]),
    ("generated docs", ["python", "-m", "docs.generate", "--check"]),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--fix", action="store_true", help="mend what the tools can mend by themselves")


def run(args: argparse.Namespace) -> int:
    """Run every check, also after one has failed; the result is 1 if any did."""
    home = venv.ensure()
    if args.fix:
        subprocess.run([home / "bin/ruff", "check", "--fix", "."], cwd=paths.CHECKOUT)
        subprocess.run([home / "bin/ruff", "format", "."], cwd=paths.CHECKOUT)
    failed = []
    for name, (program, *arguments) in CHECKS:
        say(name)
        if subprocess.run([home / "bin" / program, *arguments], cwd=paths.CHECKOUT).returncode:
            failed.append(name)
    if failed:
        say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0
