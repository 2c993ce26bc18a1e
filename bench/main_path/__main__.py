"""Measure the main path and hold every figure against its goal.

``./dev bench --only main-path`` runs this with the engines' settings. Exit status 0 when everything was measured;
a goal that is missed is printed as missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.main_path import builds, memory
from bench.main_path.builds import Builds
from bench.main_path.engine import Engine
from bench.main_path.sample import Goal, Pair, save
from bench.main_path.starts import BASE, Starts

PARTS = ("builds", "warm", "imports", "cold")


def main() -> int:
    """Run all measurements, print them, save the raw samples."""
    args = arguments()
    engine = Engine.from_json(args.engine)
    pairs: list[Pair] = []
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        made = Builds(engine, args.app, Path(folder), args.uv)
        made.push()
        engine.run("tag", BASE, f"{engine.registry}/library/python-base:1")
        engine.run(
            "push",
            "-q",
            "--platform",
            f"linux/{args.architecture}",
            f"{engine.registry}/library/python-base:1",
        )
        goals += builds.sizes(engine)
        with Starts(engine) as starts:
            parts: dict[str, Callable[[], tuple[list[Pair], list[Goal]]]] = {
                "builds": lambda: made.measure(args.rounds),
                "warm": lambda: starts.warm(max(20, args.rounds)),
                "imports": lambda: starts.imports(args.rounds),
                "cold": lambda: starts.cold(args.rounds),
            }
            for name in args.only or parts:
                more, reached = parts[name]()
                pairs += more
                goals += reached
                print(*more, *reached, sep="\n", flush=True)
            goals += [memory.shim(starts), memory.frontend(made)]
    print("", *goals, sep="\n")
    if args.json:
        save(args.json, machine(engine), pairs, goals)
    return 0


def machine(engine: Engine) -> dict[str, str]:
    """What the figures were measured on."""
    version = engine.run("version", "-f", "{{.Server.Version}}").strip()
    return {
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "docker": version,
        "system": platform.platform(),
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--engine", required=True, help="JSON of the engine: docker, registry, frontend, secret, mount"
    )
    parser.add_argument("--app", type=Path, required=True, help="the sample application's folder")
    parser.add_argument("--uv", type=Path, required=True, help="the uv that the stock build uses")
    parser.add_argument("--folder", type=Path, help="where temporary files go; the engine must see it")
    parser.add_argument("--architecture", default="amd64")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="*", choices=PARTS, help="measure these parts (default: all)")
    parser.add_argument("--json", type=Path, help="save raw samples there, as JSON lines")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
