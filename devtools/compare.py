"""`./dev bench`: whole lives of images, CIR's beside those of the stock builders, on the test engines."""

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
from devtools.engines import lifecycle
from devtools.engines.api import Engines
from devtools.errors import DevError
from devtools.follow import follow

#: The options of the comparison alone, as `argparse` names them.
OPTIONS = ("quick", "scenario", "system", "report", "link", "settle")


def configure(parser: argparse._ArgumentGroup) -> None:
    """Declare the options."""
    parser.add_argument("--quick", action="store_true", help="two applications, fewer phases, two links")
    parser.add_argument("--scenario", nargs="+", metavar="NAME", help="these applications")
    parser.add_argument("--system", nargs="+", metavar="NAME", help="these systems")
    parser.add_argument(
        "--report", type=Path, metavar="FOLDER", help="where the report goes (default: the cache)"
    )
    parser.add_argument(
        "--link",
        nargs="+",
        metavar="MBIT",
        help="bandwidths of the link to registry and package index, `unshaped` for no limit (default: 500 100 "
        "unshaped, with --quick 500 100); what is not measured on all is measured at 500",
    )
    parser.add_argument("--settle", type=float, default=0, metavar="S", help="seconds of rest between phases")


def run(args: argparse.Namespace) -> int:
    """Bring up what is needed, measure, report; the result is the exit status."""
    home = venv.ensure()
    engines = Engines.ensure()
    _require_link(engines)
    found = Docker(tuple(engines.command(["docker"])), "engines")
    frontend = images.ensure(found)
    shim = images.push_shim(found, f"{engines.registry}/bench/cir")
    if not args.quick:
        engines.emulation(True)
    bundle = docker.certificates()
    temporary = paths.cache() / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    results = (args.report or paths.cache() / "compare").resolve()
    samples = args.json.resolve() if args.json else results / "compare.jsonl"
    instance = engines.instance
    links = args.link or (["500", "100"] if args.quick else ["500", "100", "unshaped"])
    rounds = args.rounds or (1 if args.quick else 5)
    with tempfile.TemporaryDirectory(prefix="cir-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the ordinary user reads it, too
        installed = account.install(folder / "cir", home)
        words = [f"{key}={value}" for key, value in account.environment(installed, shim).items()]
        uv = folder / "uv"
        uv.mkdir()
        shutil.copy2(home / "bin/uv", uv / "uv")
        image = (
            "" if args.quick else _uv_image(found, home, folder / "both", f"{engines.registry}/bench/uv:1")
        )
        given = {
            "enter": engines.command([]), "user": engines.command([], user=True), "registry": instance.link_registry,
            "link": [instance.link_interface, instance.link[0]], "index": f"http://{instance.link_index}/simple/",
            "frontend": frontend, "uv": str(uv), "uv_image": image, "ca": str(bundle or ""),
            "cir": ["env", *words, "cir"], "versions": _versions(uv / "uv", shim),
            "uv_bases": _uv_bases(found, uv, f"{engines.registry}/bench/uv-python"),
        }  # fmt: skip
        argv = [
            str(home / "bin/python"), "-m", "bench.compare", "--engines", json.dumps(given), "--folder", "/tmp",
            "--disk", str(temporary), "--samples", str(samples), "--report", str(results), "--rounds", str(rounds),
            "--settle", str(args.settle), "--record", str(paths.cache() / "index"), "--link", *links,
        ]  # fmt: skip
        for name in ("scenario", "system"):
            if chosen := getattr(args, name):
                argv += [f"--{name}", *chosen]
        if args.quick:
            argv.append("--quick")
        return follow(argv, os.environ | lifecycle.without_proxy(instance.link[1]))


def _uv_image(found: Docker, home: Path, folder: Path, name: str) -> str:
    """Push an image with uv for both platforms, as users of uv have one; the result is its name.

    :raises DevError: when it cannot be had
    """
    uv = str(home / "bin/uv")
    version = _output(uv, "--version").split()[1]
    for architecture, machine in (("amd64", "x86_64"), ("arm64", "aarch64")):
        _output(
            uv, "pip", "install", "--system-certs", "--python", str(home / "bin/python"), "--no-deps",
            "--python-platform", f"{machine}-manylinux_2_28", "--target", str(folder / architecture),
            f"uv=={version}",
        )  # fmt: skip
    (folder / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH/bin/uv /uv\n")
    both = ",".join(f"linux/{name}" for name in images.ARCHITECTURES)
    found.run("buildx", "build", "--provenance=false", "--platform", both, "--push", "-t", name, str(folder))
    return name


def _versions(uv: Path, shim: str) -> dict[str, str]:
    """What is measured: CIR's commit, with a mark where files differ from it, its shim image, and uv."""
    git = ("git", "-C", str(paths.CHECKOUT))
    found = subprocess.run((*git, "rev-parse", "--short", "HEAD"), capture_output=True, text=True)
    differs = subprocess.run((*git, "diff", "--quiet", "HEAD", "--", ".", ":(exclude)bench/results"))
    commit = (
        found.stdout.strip() + ("-dirty" if differs.returncode else "")
        if found.returncode == 0
        else "unknown"
    )
    return {"cir": commit, "shim": shim.rpartition("@")[2], "uv": _output(str(uv), "--version").split()[1]}


def _uv_bases(found: Docker, uv: Path, name: str) -> dict[str, str]:
    """Push images of Python with uv, as the project uv has them; by the names that Dockerfiles have for those."""
    made = {}
    for variant in ("", "-slim"):
        (uv / f"Dockerfile{variant}").write_text(f"FROM python:3.11{variant}\nCOPY uv /bin/uv\n")
        image = made[f"astral/uv:python3.11-trixie{variant}"] = f"{name}:3.11{variant}"
        file = str(uv / f"Dockerfile{variant}")
        found.run("buildx", "build", "--provenance=false", "--push", "-t", image, "-f", file, str(uv))
    return made


def _output(*argv: str) -> str:
    """What a command prints.

    :raises DevError: when it fails
    """
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise DevError(f"`{' '.join(argv)}` ended with status {done.returncode}", done.stderr[-1000:])
    return done.stdout


def _require_link(engines: Engines) -> None:
    """Make sure that the engines were started with what they need to know of the link.

    :raises DevError: when they were not
    """
    settings = json.loads((engines.instance.root / "etc/daemon.json").read_text())
    if engines.instance.link_registry not in settings["insecure-registries"]:
        raise DevError(
            "these engines take no registry behind the link",
            "they were started by an earlier version of the checkout",
            "run `./dev engines down` and try again",
        )
