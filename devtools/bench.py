"""`./dev bench`: our figures beside those of the stock frontend, paired in one run on the test engines.

With `--compare` beside those of other builders, over an image's whole life (`devtools/compare.py`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from devtools import compare, docker, images, paths, venv
from devtools.docker import Docker
from devtools.engines.api import Engines


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--rounds",
        type=int,
        help="counted samples of each side (default: 7, with --compare 5, with --quick 1)",
    )
    parser.add_argument(
        "--only", nargs="*", help="parts to measure: builds, warm, imports, cold (default: all)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write machine, raw samples and goals there, as JSON lines"
    )
    compare.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Bring up what is needed and measure; the result is the exit status."""
    if args.compare:
        return compare.run(args)
    home = venv.ensure()
    engines = Engines.ensure()
    found = Docker(tuple(engines.command(["docker"])), "engines")
    frontend = images.ensure(found)
    engine = {
        "docker": found.prefix, "registry": engines.registry, "frontend": frontend,
        "secret": docker.certificate_secret(), "mount": docker.certificate_mount(),
    }  # fmt: skip
    temporary = paths.cache() / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    argv = [
        str(home / "bin/python"), "-m", "bench.main_path", "--engine", json.dumps(engine), "--uv", str(home / "bin/uv"),
        "--app", str(paths.CHECKOUT / "testdata/apps/sklearn"), "--folder", str(temporary),
        "--rounds", str(args.rounds or 7),
    ]  # fmt: skip
    if args.only:
        argv += ["--only", *args.only]
    if args.json:
        argv += ["--json", str(args.json)]
    return subprocess.run(argv, cwd=paths.CHECKOUT).returncode
