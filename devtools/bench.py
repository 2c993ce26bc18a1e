"""`./dev bench`: our figures beside those of the stock frontend, paired in one run on the test engines."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from devtools import account, docker, images, paths, venv
from devtools.docker import Docker
from devtools.engines.api import Engines


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--rounds", type=int, default=7, help="counted samples of each side (default: 7)")
    parser.add_argument(
        "--only",
        nargs="*",
        help="parts to measure: builds, warm, imports, cold (default: these), or twin alone",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write machine, raw samples and goals there, as JSON lines"
    )


def run(args: argparse.Namespace) -> int:
    """Bring up what is needed and measure; the result is the exit status."""
    home = venv.ensure()
    engines = Engines.ensure()
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
        "--rounds", str(args.rounds),
    ]  # fmt: skip
    if args.only:
        argv += ["--only", *args.only]
    if args.json:
        argv += ["--json", str(args.json)]
    return subprocess.run(argv, cwd=paths.CHECKOUT).returncode


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
            "--rounds", str(args.rounds), *(["--json", str(args.json)] if args.json else []),
        ]  # fmt: skip
        return subprocess.run(argv, cwd=paths.CHECKOUT).returncode
