"""`./dev bench`: our figures beside those of the stock frontend, paired in one run on the test engines.

With `--compare` beside those of other builders, over an image's whole life (`devtools/compare.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from cirfile import __version__
from devtools import account, compare, docker, images, paths, venv
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
        "--only",
        nargs="*",
        help="parts to measure: builds, warm, imports, cold (default: these), or twin or apptainer alone",
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
    if args.only == ["apptainer"]:
        return _apptainer(args, home, engines)
    found = Docker(tuple(engines.command(["docker"])), "engines")
    if args.only == ["twin"]:
        return _twin(args, home, engines, found)
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


def _apptainer(args: argparse.Namespace, home: Path, engines: Engines) -> int:
    """Measure as the unprivileged account, in a folder of its own."""
    found = Docker(tuple(engines.command(["docker"])), "engines")
    images.push_shim(found, f"{engines.registry}/bench/cir")
    owner = engines.instance.user_id
    folder = Path(tempfile.mkdtemp(prefix="cir-bench-"))
    os.chown(folder, owner, owner)
    folder.chmod(0o755)
    try:
        installed = account.install(folder / "installed", home)
        (folder / "bin").mkdir()
        (folder / "bin/uv").symlink_to(installed / "bin/uv")
        shim = f"{engines.registry}/bench/cir/shim:{__version__}"
        python = ["env", f"CIR_SHIM={shim}", f"PYTHONPATH={installed}/site", "python3", "-B"]
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
            "--rounds", str(args.rounds or 7),
        ]  # fmt: skip
        if args.json:
            argv += ["--json", str(args.json)]
        return subprocess.run(argv, cwd=paths.CHECKOUT).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _twin(args: argparse.Namespace, home: Path, engines: Engines, found: Docker) -> int:
    """Measure the rootless twin beside Buildah, as the ordinary account of the engines."""
    shim = images.push_shim(found, f"{engines.registry}/bench/cir")
    owner = engines.instance.user_id
    with tempfile.TemporaryDirectory(prefix="cir-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        installed = account.install(folder / "installed", home)
        shutil.copytree(paths.CHECKOUT / "testdata/apps/sklearn", folder / "app")
        (folder / "uv").mkdir()
        shutil.copy2(home / "bin/uv", folder / "uv/uv")
        for part in ("app", "uv"):
            for path in (folder / part, *(folder / part).rglob("*")):
                os.chown(path, owner, owner)
        environ = account.environment(installed, shim)
        words = ["env", *(f"{key}={value}" for key, value in environ.items())]
        user = engines.command(words, cwd=folder, user=True)
        argv = [
            str(home / "bin/python"), "-m", "bench.twin", "--user", json.dumps(user), "--folder", name,
            "--rounds", str(args.rounds or 7), *(["--json", str(args.json)] if args.json else []),
        ]  # fmt: skip
        return subprocess.run(argv, cwd=paths.CHECKOUT).returncode
