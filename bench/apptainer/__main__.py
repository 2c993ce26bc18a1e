"""Build a SIF and start it, ours beside a stock definition file of the same application, in turn.

``./dev bench --only apptainer`` runs this with the account of the test engines. Exit status 0 when everything was
measured; a goal that is missed is printed as missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from bench.compare.systems.apptainer import ZSTD
from bench.main_path.sample import Goal, Pair, pair, save

#: The same application as a definition file: uv, compiled bytecode, as `testdata/apps/sklearn/Dockerfile` has it.
DEFINITION = """Bootstrap: docker
From: {base}

%files
    uv /bin/uv
    requirements.txt /requirements.txt
    train.py /app/train.py
    ca.crt /ca.crt

%post
    export SSL_CERT_FILE=/ca.crt UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_CACHE_DIR={folder}/uv-cache
    uv venv --python /usr/local/bin/python3 /opt/venv
    uv pip install --python /opt/venv/bin/python --requirements /requirements.txt

%environment
    export PATH=/opt/venv/bin:$PATH

%runscript
    exec "$@"
"""
CIRFILE = "FROM python:3.11-slim\nREQUIRE pypi -r requirements.txt\nCOPY train.py /app/\n"
PROGRAM = ("python3", "-c", "pass")


@dataclass(frozen=True)
class User:
    """How to run a program as the account; `cir` is a command of its own; ``folder`` is theirs."""

    prefix: tuple[str, ...]
    cir: tuple[str, ...]
    folder: Path

    def seconds(self, *words: str) -> float:
        """Wall time of a command; raise where it fails."""
        start = time.perf_counter()
        done = subprocess.run([*self.prefix, *words], capture_output=True, text=True, errors="replace")
        taken = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr[-2000:]}")
        return taken

    def output(self, *words: str) -> str:
        """What a command prints."""
        return subprocess.run(
            [*self.prefix, *words], check=True, capture_output=True, text=True
        ).stdout.strip()


def builds(user: User, rounds: int) -> tuple[list[Pair], Goal]:
    """Build from what changed - the code - with everything else where the engine keeps it, for all sides.

    A definition as people write it, compressed as Apptainer does by itself, which is what the goal is of; then one of
    an expert, compressed as ours is. Both are unpacked in memory, as ours is.
    """
    ours, stock = str(user.folder / "ours.sif"), str(user.folder / "stock.sif")
    build = (*user.cir, "build", "--engine", "apptainer", "-o", ours, str(user.folder))

    def change() -> None:
        with (user.folder / "train.py").open("a") as file:
            file.write(f"# change {uuid.uuid4().hex}\n")

    def measured(words: tuple[str, ...]) -> float:
        change()
        return user.seconds(*words)

    def against(what: str, *options: str) -> Pair:
        words = ("apptainer", "build", "--force", *options, stock, str(user.folder / "app.def"))
        peer = ("env", "APPTAINER_TMPDIR=/dev/shm", *words)
        name = f"build of a SIF against a definition file, {what}"
        return pair(name, "s", rounds, lambda _: measured(build), lambda _: measured(peer))

    usual = against("Apptainer's own compression")
    expert = against("compressed as ours", *ZSTD)
    return [usual, expert], Goal(
        "5", "SIF build to a definition file, Apptainer's own compression", usual.ratio, 0.2, "x"
    )


def starts(user: User, rounds: int) -> tuple[Pair, Goal]:
    """`apptainer run` with the layer bound, against the expert's SIF, which has everything inside."""
    layer = user.output(
        *user.cir, "materialize", "--store", str(user.folder / "store"), str(user.folder / "ours.sif")
    )
    bound = ("-B", f"{layer}:/.cir/run:ro,image-src=/")

    def run(*words: str) -> float:
        return user.seconds("apptainer", "-s", "run", *words, *PROGRAM)

    taken = pair(
        "apptainer run, warm, `python3 -c pass`",
        "s",
        rounds,
        lambda _: run(*bound, str(user.folder / "ours.sif")),
        lambda _: run(str(user.folder / "stock.sif")),
        warmup=2,
    )
    return taken, Goal("5", "apptainer run, warm, over the stock SIF", taken.difference * 1000, 50, "ms")


def main() -> int:
    """Run both measurements, print them, save the raw samples."""
    args = arguments()
    given = json.loads(args.user)
    user = User(tuple(given["prefix"]), tuple(given["cir"]), args.folder)
    for name in ("requirements.txt", "train.py"):
        shutil.copy(args.app / name, user.folder / name)
    shutil.copy(args.uv, user.folder / "uv")
    shutil.copy(given["certificates"], user.folder / "ca.crt")
    (user.folder / "app.def").write_text(files(given["base"], user.folder))
    (user.folder / "Cirfile").write_text(CIRFILE)
    (user.folder / ".dockerignore").write_text("*.sif\nstore\nuv\n")
    built, first = builds(user, args.rounds)
    started, second = starts(user, max(20, args.rounds))
    print(*built, started, "", first, second, sep="\n", flush=True)
    if args.json:
        machine = {"cores": str(os.cpu_count()), "kernel": platform.release(), "apptainer": given["version"]}
        save(args.json, machine, [*built, started], [first, second])
    return 0


def files(base: str, folder: Path) -> str:
    """The definition file, with the places of its files on this machine."""
    text = DEFINITION.format(base=base, folder=folder)
    for name in ("uv", "requirements.txt", "train.py", "ca.crt"):
        text = text.replace(f"    {name} /", f"    {folder}/{name} /")
    return text


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--user", required=True, help="JSON: prefix, cir, base, certificates, version")
    parser.add_argument("--app", type=Path, required=True, help="the sample application's folder")
    parser.add_argument("--uv", type=Path, required=True, help="the uv that the stock build uses")
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder of the account")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="save raw samples there, as JSON lines")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
