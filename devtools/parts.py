"""`./dev bench --only`: parts of our own paths, each paired with the stock builder in one run on the test engines."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

from cirfile import __version__
from devtools import account, docker, images, paths, venv
from devtools.docker import Docker
from devtools.engines.api import Engines
from devtools.errors import DevError
from devtools.follow import follow

#: All parts of the path from a Cirfile to a running container on Docker, which go together into one file.
MAIN_PATH = "main-path"
_STEPS = ("builds", "warm", "imports", "cold")
_ALONE = (MAIN_PATH, "twin", "apptainer")
NAMES = (*_STEPS, *_ALONE)


def run(args: argparse.Namespace) -> int:
    """Bring up what is needed and measure; the result is the exit status.

    :raises DevError: when parts are asked for that do not go together
    """
    alone = [name for name in args.only if name in _ALONE]
    if alone and len(args.only) > 1:
        raise DevError(f"`{alone[0]}` is measured alone", hint=f"write `./dev bench --only {alone[0]}`")
    home = venv.ensure()
    engines = Engines.ensure()
    if args.only == ["apptainer"]:
        return _apptainer(args, home, engines)
    found = Docker(tuple(engines.command(["docker"])), "engines")
    if args.only == ["twin"]:
        return _twin(args, home, engines, found)
    return _main_path(args, home, engines, found)


def _main_path(args: argparse.Namespace, home: Path, engines: Engines, found: Docker) -> int:
    """Measure builds and starts on Docker."""
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
    if args.only != [MAIN_PATH]:
        argv += ["--only", *args.only]
    if args.json:
        argv += ["--json", str(args.json)]
    return follow(argv)


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
        return follow(argv)
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
        return follow(argv)
