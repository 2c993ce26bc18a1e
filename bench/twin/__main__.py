"""Measure ``cir build --engine buildah`` against ``buildah bud`` of the equivalent Dockerfile.

Both run as the same ordinary user, in turn, with the base in the user's storage; both results land there. With
``--no-cache`` ours resolves anew, the peer installs anew; uv's own cache is kept on both sides. ``./dev bench --only
twin`` runs this with the engines' settings.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from bench.main_path.sample import Goal, Pair, pair, save

BASE = "python:3.11-slim"


class User:
    """The ordinary user's command line."""

    def __init__(self, prefix: list[str], folder: Path) -> None:
        self._prefix = prefix
        self.app = folder / "app"
        self.uv = folder / "uv"
        self._change = 0

    def run(self, *argv: str) -> str:
        """Run a command; raise where it fails."""
        done = subprocess.run([*self._prefix, *argv], capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stderr[-2000:]}")
        return done.stdout

    def seconds(self, *argv: str) -> float:
        """Wall time of a command."""
        start = time.perf_counter()
        self.run(*argv)
        return time.perf_counter() - start

    def ours(self, *flags: str) -> float:
        """One build of the Cirfile."""
        return self.seconds("cir", "build", "--engine=buildah", "-t", "bench-ours", *flags, str(self.app))

    def peer(self, *flags: str) -> float:
        """One build of the Dockerfile."""
        return self.seconds(
            "buildah", "bud", "--network=host", "--layers", "-t", "bench-stock", "--build-context", f"uv={self.uv}",
            "--secret", "id=cir_ca,src=/etc/ssl/certs/ca-certificates.crt", "-f", f"{self.app}/Dockerfile", *flags,
            str(self.app),
        )  # fmt: skip

    def change(self) -> None:
        """Change the application's code."""
        self._change += 1
        with (self.app / "train.py").open("a") as file:
            file.write(f"# change {self._change}\n")


def measure(user: User, rounds: int) -> tuple[list[Pair], list[Goal]]:
    """Both comparisons with the goal."""
    user.run("buildah", "pull", "--quiet", BASE)
    whole = pair(
        "`cir build --engine buildah` resolving anew, against `buildah bud` of the Dockerfile", "s", rounds,
        lambda _: user.ours("--no-cache"), lambda _: user.peer("--no-cache"),
    )  # fmt: skip

    def changed(build: str) -> float:
        user.change()
        return user.ours() if build == "ours" else user.peer()

    code = pair(
        "the same with the application's code changed, dependencies as before", "s", rounds,
        lambda _: changed("ours"), lambda _: changed("peer"),
    )  # fmt: skip
    return [whole, code], [
        Goal("5", "rootless build to `buildah bud` of the Dockerfile", whole.ratio, 0.1, "x")
    ]


def main() -> int:
    """Run all measurements, print them, save the raw samples."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--user", required=True, help="JSON list: words that run a command as the user")
    parser.add_argument(
        "--folder", type=Path, required=True, help="folder of the user's, with `app` and `uv` in it"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="save raw samples there, as JSON lines")
    args = parser.parse_args()
    user = User(json.loads(args.user), args.folder)
    pairs, goals = measure(user, args.rounds)
    print(*pairs, *goals, sep="\n")
    if args.json:
        version = user.run("buildah", "--version").split()[2]
        machine = {"cores": str(os.cpu_count()), "kernel": platform.release(), "buildah": version}
        save(args.json, machine, pairs, goals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
