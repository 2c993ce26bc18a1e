"""Build times: ours with the lock cached and without, the stock frontend copying the same files, and its Dockerfile."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from bench.main_path.engine import Engine
from bench.main_path.sample import Goal, Pair, pair

OURS, STOCK = "bench/ours", "bench/stock"


class Builds:
    """The sample application in a folder of its own, where its code can be changed."""

    def __init__(self, engine: Engine, app: Path, folder: Path, uv: Path) -> None:
        self.engine = engine
        self.folder = folder / "app"
        shutil.copytree(app, self.folder)
        (self.folder / "Copy").write_text("FROM scratch\nCOPY train.py verify ./\n")
        (self.folder / "Bare").write_text("FROM python:3.11-slim\nREQUIRE pypi -r requirements.txt\n")
        (self.folder / "Plain").write_text("FROM python:3.11-slim\n")
        self.uv = folder / "uv"
        self.uv.mkdir()
        shutil.copy2(uv, self.uv / "uv")

    def build(self, file: str, *flags: str) -> float:
        """Seconds of one build of a file of the application."""
        ours = file in ("Cirfile", "Bare", "Plain")
        syntax = ("--build-arg", f"BUILDKIT_SYNTAX={self.engine.frontend}") if ours else ()
        context = ("--build-context", f"uv={self.uv}") if file == "Dockerfile" else ()
        return self.engine.seconds(
            "buildx", "build", "--provenance=false", "-f", str(self.folder / file), *syntax, *context,
            *self.engine.secret, *flags, str(self.folder),
        )  # fmt: skip

    def change(self) -> None:
        """Change the application's code, so that a build has something to copy."""
        with (self.folder / "train.py").open(
            "a"
        ) as file:  # never as in an earlier run, which caches may remember
            file.write(f"# change {uuid.uuid4().hex}\n")

    def push(self) -> None:
        """Push ours, the stock image, and ours without an application or anything, for the other measurements."""
        images = (("Cirfile", OURS), ("Dockerfile", STOCK), ("Bare", "bench/bare"), ("Plain", "bench/plain"))
        for file, name in images:
            self.build(file, "--push", "-t", f"{self.engine.registry}/{name}:1")

    def measure(self, rounds: int) -> tuple[list[Pair], list[Goal]]:
        """All build comparisons with their goals."""
        changed = pair(
            "build, code changed, against FROM scratch + COPY",
            "s",
            rounds,
            lambda _: self._after_change("Cirfile"),
            lambda _: self._after_change("Copy"),
        )
        locking = pair(
            "first build, nothing cached, against lock cached",
            "s",
            rounds,
            lambda _: self._first_build(),
            lambda _: self.build("Cirfile", "-t", "bench/a"),
        )
        whole = pair(
            "first build, nothing cached, against the Dockerfile with uv",
            "s",
            max(3, rounds // 2),
            lambda _: self._first_build(),
            lambda _: self.build("Dockerfile", "--no-cache", "-t", "bench/b"),
            warmup=0,
        )
        goals = [
            Goal("5", "build, lock cached, to FROM scratch + COPY", changed.ratio, 1.5, "x"),
            Goal("5", "a first build adds", locking.difference, 2.5, "s"),
            Goal("5", "build to the Dockerfile with uv, dependencies new", whole.ratio, 0.1, "x"),
        ]
        return [changed, locking, whole], goals

    def _first_build(self) -> float:
        """Nothing is cached, not even what the resolver keeps between builds."""
        empty = f"BUILDKIT_CACHE_MOUNT_NS={uuid.uuid4().hex}"
        return self.build("Cirfile", "--no-cache", "--build-arg", empty, "-t", "bench/a")

    def _after_change(self, file: str) -> float:
        self.change()
        return self.build(file, "-t", f"bench/{file.lower()}")


def sizes(engine: Engine) -> list[Goal]:
    """Bytes of our own layers against the stock image's dependency layer."""
    ours, stock, base = (engine.layers(name) for name in (OURS, STOCK, "library/python-base"))
    own = [size for digest, size in ours if (digest, size) not in base]
    dependencies = max(size for digest, size in stock if (digest, size) not in base)
    return [
        Goal(
            "6",
            f"unique bytes ({own[-1]}) to the stock dependency layer ({dependencies})",
            own[-1] / dependencies,
            0.01,
            "x",
        ),
        Goal("6", "shim layer, compressed", own[0] / 1e6, 15, "MB"),
    ]
