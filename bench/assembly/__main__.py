"""Assemble a scientific Python environment by the shim and by uv, in turns, and print medians and ratios.

Usage: python3 -m bench.assembly [--rounds N] [--folder DIR] [--json FILE]

Needs uv on PATH, a Python for the base (`--python`) and a package index. Downloads about 130 MB a run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cirfile.codec import encode_lock
from cirfile.lock import Artifact, Component, Lock

REQUIREMENTS = ("scikit-learn", "pandas", "matplotlib", "xgboost-cpu", "onnxruntime")
APPLICATION = """\
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot
import onnxruntime
import pandas
import xgboost
from sklearn.ensemble import RandomForestClassifier
if __name__ == "__main__":
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit([[0, 1], [1, 0]] * 9, [0, 1] * 9)
    print(model.score([[0, 1]], [0]))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of one way in one round: to assemble, and of the first and second run of the application.

    ``processor`` is the processor time of assembly and first run, which other work on the machine
    disturbs less.
    """

    assemble: float
    first: float
    second: float
    processor: float

    @property
    def cold(self) -> float:
        """Until the application has run once."""
        return self.assemble + self.first


@dataclass(frozen=True, slots=True)
class Bench:
    """Where things are."""

    folder: Path
    python: str
    libdeflate: str

    @property
    def lock(self) -> Path:
        """The lock that all ways use."""
        return self.folder / "lock.json"

    @property
    def application(self) -> Path:
        """The application that is run."""
        return self.folder / "application.py"

    def prepare(self) -> None:
        """Lock the requirements once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.application.write_text(APPLICATION)
        pylock = self.folder / "pylock.toml"
        argv = [
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--universal",
            "--no-config",
            "--python-version",
            self.minor,
        ]
        argv += ["--generate-hashes", "--format", "pylock.toml", "--output-file", str(pylock), "-"]
        subprocess.run(argv, input="\n".join(REQUIREMENTS), text=True, check=True, stdout=subprocess.DEVNULL)
        self.lock.write_bytes(encode_lock(_lock(tomllib.loads(pylock.read_text()))))

    @property
    def minor(self) -> str:
        """The base's Python version as users write it."""
        return ".".join(self.python.rpartition("python")[2].split(".")[:2])

    def ours(self, place: Path) -> Run:
        """The shim's provider, told which application is coming."""
        argv = [sys.executable, "-m", "bench.assembly.ours", str(self.lock), str(place)]
        argv += ["--python", self.python, "--app", str(self.application)]
        argv += ["--libdeflate", self.libdeflate] if self.libdeflate else []
        began, used = time.perf_counter(), _processor()
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        assembled = time.perf_counter() - began
        print("   ", done.stdout.strip())
        return Run(assembled, *self.run(place / "layer/bin/python", used))

    def uv(self, place: Path, *options: str) -> Run:
        """An install by uv from an empty cache into a new environment."""
        began, used = time.perf_counter(), _processor()
        environment = place / "environment"
        subprocess.run(
            ["uv", "venv", "--quiet", "--no-config", "-p", self.python, str(environment)], check=True
        )
        argv = ["uv", "pip", "install", "--quiet", "--no-config", "-p", str(environment), *options]
        argv += ["--cache-dir", str(place / "cache"), "-r", str(self.folder / "pylock.toml")]
        subprocess.run([*argv, "--preview-features", "pylock"], check=True)
        assembled = time.perf_counter() - began
        return Run(assembled, *self.run(environment / "bin/python", used))

    def run(self, python: Path, used: float) -> tuple[float, float, float]:
        """Seconds of two runs of the application without writing bytecode; processor time since ``used``."""
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        seconds, processor = [], 0.0
        for _ in range(2):
            began = time.perf_counter()
            subprocess.run([python, self.application], check=True, env=environment, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - began)
            processor = processor or _processor() - used
        return seconds[0], seconds[1], processor


def _processor() -> float:
    """Processor time of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _lock(pylock: dict[str, list[dict[str, object]]]) -> Lock:
    components = [_component(package) for package in pylock["packages"]]
    return Lock("pypi", tuple(components))


def _component(package: dict) -> Component:  # type: ignore[type-arg]
    artifacts = tuple(
        Artifact(
            wheel["url"].rpartition("/")[2], wheel["url"], wheel["hashes"]["sha256"], wheel.get("size", 0)
        )
        for wheel in package.get("wheels", [])
    )
    return Component(package["name"], package["version"], artifacts, package.get("marker", ""))


def main() -> None:
    """Run all ways in turns and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cir-dev"
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=cache / "bench-assembly")
    parser.add_argument(
        "--python", default=os.path.realpath("/usr/bin/python3"), help="interpreter of the base"
    )
    parser.add_argument("--libdeflate", default="", help="the library, if the shim image's is to be imitated")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    bench = Bench(options.folder, options.python, options.libdeflate)
    bench.prepare()
    ways: dict[str, Callable[[Path], Run]] = {
        "cir": bench.ours,
        "uv": bench.uv,
        "uv, compiled": lambda place: bench.uv(place, "--compile-bytecode"),
    }
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    rounds = options.folder / f"rounds-{os.getpid()}"
    try:
        for number in range(options.rounds):
            for name, way in ways.items():
                place = rounds / f"{number}-{name.replace(', ', '-')}"
                place.mkdir(parents=True)
                runs[name].append(way(place))
                print(f"{number + 1}/{options.rounds} {name}: {runs[name][-1]}", flush=True)
    finally:
        # Only now: ext4 does not give out freed inodes again for a while, and looks for others slowly.
        shutil.rmtree(rounds, ignore_errors=True)
    _print(runs)
    if options.json:
        options.json.write_text(
            json.dumps({name: [asdict(run) for run in found] for name, found in runs.items()})
        )


def _print(runs: dict[str, list[Run]]) -> None:
    print(
        f"\n{'seconds (medians)':18} {'assemble':>9} {'first run':>9} {'cold':>9} {'second run':>10} "
        f"{'CPU cold':>9}"
    )
    for name, found in runs.items():
        row = [
            statistics.median(getattr(run, field) for run in found) for field in ("assemble", "first", "cold")
        ]
        second = statistics.median(run.second for run in found)
        processor = statistics.median(run.processor for run in found)
        print(f"{name:18} {row[0]:9.2f} {row[1]:9.2f} {row[2]:9.2f} {second:10.2f} {processor:9.2f}")
    for other in ("uv", "uv, compiled"):
        pairs = zip(runs["cir"], runs[other], strict=True)
        ratios = [(one.cold / two.cold, one.second / two.second) for one, two in pairs]
        cold, second = (statistics.median(column) for column in zip(*ratios, strict=True))
        print(f"cir / {other}: cold {cold:.2f}, second run {second:.2f} (medians of paired ratios)")


if __name__ == "__main__":
    main()
