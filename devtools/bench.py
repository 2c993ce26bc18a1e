"""`./dev bench`: our figures beside those of the stock frontend, paired in one run on the test engines."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from cirfile import __version__
from devtools import docker, images, paths, venv
from devtools.docker import Docker
from devtools.engines.api import Engines


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--rounds", type=int, default=7, help="counted samples of each side (default: 7)")
    parser.add_argument(
        "--only", nargs="*", help="parts to measure: builds, warm, imports, cold (default: all)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write machine, raw samples and goals there, as JSON lines"
    )

    parser.add_argument(
        "--apptainer",
        action="store_true",
        help="measure SIF builds and starts against a stock definition file",
    )


def run(args: argparse.Namespace) -> int:
    """Bring up what is needed and measure; the result is the exit status."""
    home = venv.ensure()
    engines = Engines.ensure()
    if args.apptainer:
        return _apptainer(args, home, engines)
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
        "--rounds", str(args.rounds),
    ]  # fmt: skip
    if args.only:
        argv += ["--only", *args.only]
    if args.json:
        argv += ["--json", str(args.json)]
    return subprocess.run(argv, cwd=paths.CHECKOUT).returncode


def _apptainer(args: argparse.Namespace, home: Path, engines: Engines) -> int:
    """Measure as the unprivileged account, in a folder of its own."""
    found = Docker(tuple(engines.command(["docker"])), "engines")
    images.push_shim(found, f"{engines.registry}/bench/cir")
    owner = engines.instance.user_id
    folder = Path(tempfile.mkdtemp(prefix="cir-bench-"))
    os.chown(folder, owner, owner)
    try:
        site = next((home / "lib").glob("python3*")) / "site-packages"
        (folder / "bin").mkdir()
        shutil.copy2(home / "bin/uv", folder / "bin/uv")
        shim = f"{engines.registry}/bench/cir/shim:{__version__}"
        python = ["env", f"CIR_SHIM={shim}", f"PYTHONPATH={paths.CHECKOUT}:{site}", "python3", "-B"]
        search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        user = {
            "prefix": engines.command(["env", f"PATH={folder}/bin:{search}"], cwd=folder, user=True),
            "cir": [*python, "-m", "cirfile.cli"],
            "base": "python:3.11-slim",
            "certificates": str(docker.certificates()),
            "version": engines.run(["apptainer", "--version"]).stdout.split()[-1],
        }
        argv = [
            str(home / "bin/python"), "-m", "bench.apptainer", "--user", json.dumps(user), "--uv", str(home / "bin/uv"),
            "--app", str(paths.CHECKOUT / "testdata/apps/sklearn"), "--folder", str(folder),
            "--rounds", str(args.rounds),
        ]  # fmt: skip
        if args.json:
            argv += ["--json", str(args.json)]
        return subprocess.run(argv, cwd=paths.CHECKOUT).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)
