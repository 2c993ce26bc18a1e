"""`./dev demo`: the main job end to end, on the user's own Docker, on the test engines, or without any engine.

Builds the sample with `docker buildx build`, runs it with an empty store and again with the layer
there, and prints what it took. An account with neither Docker nor the rights that the test engines need sees the
same application run by `cir run --engine host` (`devtools.demo_host`).
"""

from __future__ import annotations

import argparse
import io
import json
import shlex
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from devtools import docker, images, paths
from devtools.docker import Docker
from devtools.errors import DevError
from devtools.progress import say, step

SAMPLE = paths.CHECKOUT / "testdata/apps/sklearn"
IMAGE = "localhost/cir/demo:latest"
VOLUME = "cir-demo-store"


@dataclass(frozen=True)
class Figures:
    """What the demo measured: seconds and bytes; sizes are those of the compressed layers, `None` without an image."""

    docker: str
    platform: str
    build_s: float
    rebuild_s: float
    app_layer_bytes: int | None
    shared_bytes: int | None
    fetched_bytes: int
    cold_start_s: float
    warm_start_s: float
    said: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument(
        "--engines", action="store_true", help="use the test engines even if Docker is installed"
    )


def run(args: argparse.Namespace) -> int:
    """Do the demo and print its table; the result is the exit status."""
    if args.json and not Path(args.json).absolute().parent.is_dir():
        folder = Path(args.json).parent
        raise DevError(f"{folder} is no folder: the figures cannot be written there")
    figures = measured(args.engines)
    print(table(figures))
    if args.json:
        with Path(args.json).open("w", encoding="utf-8") as file:
            json.dump(asdict(figures), file, indent=2)
            file.write("\n")
    return 0


def measured(engines: bool) -> Figures:
    """Do the demo where it can be done.

    :param engines: on the test engines in any case
    :raises DevError: when a step fails
    """
    if not engines and (reason := docker.hindrance()):
        from devtools import demo_host

        say(f"no engine: {reason}")
        say("using none: `cir run --engine host` runs the application on this machine itself")
        return demo_host.measure()
    found = docker.find(own=not engines)
    say(f"using {'your own Docker' if found.owner == 'own' else 'the test engines'}")
    images.ensure(found)
    return measure(found)


def measure(found: Docker) -> Figures:
    """Build and run the sample; the store volume is made anew and taken away again.

    :raises DevError: when a step fails
    """
    build = [
        "buildx",
        "build",
        "-f",
        str(SAMPLE / "Cirfile"),
        "-t",
        IMAGE,
        "--load",
        *docker.certificate_secret(),
    ]
    # without the cache, so that the dependencies are resolved however often the demo ran before
    build_s = timed(found, "build", [*build, "--no-cache", str(SAMPLE)])
    rebuild_s = timed(found, "build again, nothing changed", [*build, str(SAMPLE)])
    start = ["run", "--rm", "-v", f"{VOLUME}:/var/lib/cir", *docker.certificate_mount()]
    found.run("volume", "rm", "-f", VOLUME)
    try:
        plan = json.loads(found.run(*start, "-e", "CIR_MODE=plan", "-e", "CIR_LOG=json", IMAGE).stdout)
        say(f"cold start: docker {' '.join(start)} {IMAGE}")
        cold_s, _ = first_line(found.argv(*start, IMAGE))
        with step("warm starts"):
            warm = sorted(first_line(found.argv(*start, IMAGE)) for _ in range(3))
    finally:
        found.run("volume", "rm", "-f", VOLUME, check=False)
    app, shared = layer_sizes(found)
    return Figures(
        found.owner, platform_words(plan), build_s, rebuild_s, app, shared, fetched(plan), cold_s, *warm[1]
    )


def timed(found: Docker, what: str, arguments: list[str]) -> float:
    """Run a docker sub-command, its output shown, and return the seconds it took."""
    say(f"{what}: docker {' '.join(arguments)}")
    start = time.monotonic()
    found.run(*arguments, show=True)
    return time.monotonic() - start


def first_line(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Run an application; return the seconds until its first line of output, and that line.

    :param environment: instead of ours
    :raises DevError: when it fails
    """
    start = time.monotonic()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.monotonic() - start
        process.stdout.read()
    if process.returncode or not line:
        raise DevError(f"`{shlex.join(argv)}` ended with status {process.returncode}")
    return seconds, line.strip()


def platform_words(plan: dict[str, Any]) -> str:
    """The facts of a shim's `plan` that people ask for, in a few words."""
    facts = plan["facts"]
    python = facts.get("python") or {}
    version = ".".join(str(part) for part in python.get("version", ())[:2])
    words = [
        facts["arch"],
        facts["microarch"],
        facts["libc"],
        f"Python {version}" if version else "no Python",
    ]
    return ", ".join(word for word in [*words, f"accelerator {facts['accelerator']}"] if word)


def fetched(plan: dict[str, Any]) -> int:
    """Bytes of all chosen artifacts."""
    return sum(int(component["size"]) for component in plan["components"])


def layer_sizes(found: Docker) -> tuple[int, int]:
    """Bytes of the layer that is this application's own, and of those it shares with others (base and shim)."""
    saved = subprocess.run(found.argv("image", "save", IMAGE), stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        manifest = _manifest(archive, "index.json")
    sizes = [int(layer["size"]) for layer in manifest["layers"]]
    return sizes[-1], sum(sizes[:-1])


def _manifest(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    file = archive.extractfile(name)
    assert file is not None
    content: dict[str, Any] = json.load(file)
    if "layers" in content:
        return content
    present = set(archive.getnames())
    for entry in content["manifests"]:
        blob = "blobs/" + entry["digest"].replace(":", "/")
        if blob in present and entry.get("platform", {}).get("os") != "unknown":
            return _manifest(archive, blob)
    raise DevError("the saved image holds no manifest for this platform")


def table(figures: Figures) -> str:
    """The figures for a person."""
    rows = (
        ("platform chosen", figures.platform),
        ("build, dependencies resolved", f"{figures.build_s:.1f} s"),
        ("build again", f"{figures.rebuild_s:.1f} s"),
        ("app layer (this image alone)", figures.app_layer_bytes and size(figures.app_layer_bytes)),
        ("base and shim (shared)", figures.shared_bytes and size(figures.shared_bytes)),
        ("dependencies fetched at start", size(figures.fetched_bytes)),
        ("cold start to first line", f"{figures.cold_start_s:.1f} s"),
        ("warm start to first line", f"{figures.warm_start_s:.1f} s"),
        ("the application said", figures.said),
    )
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows if value)


def size(count: int) -> str:
    """Bytes in decimal units, as registries count."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
