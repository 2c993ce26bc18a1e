"""The command line in a process of its own, and a docker that is a small program of this folder."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cirfile.codec import encode_lock, encode_manifest
from cirfile.lock import Artifact, Component, Lock
from cirfile.manifest import LockReference, Manifest, Requirement

CHECKOUT = Path(__file__).parents[2]


class Cir:
    """Runs `cir` in ``folder`` with a fake docker on `PATH`; nothing of this machine leaks in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "docker-state"
        (self.state / "images").mkdir(parents=True)
        programs = folder / "bin"
        programs.mkdir()
        fake = programs / "docker"
        fake.write_text(f"#!{sys.executable}\n" + (Path(__file__).parent / "fakedocker.py").read_text())
        fake.chmod(0o755)
        ca = folder / "ca.crt"
        ca.write_text("certificates\n")
        self.environ = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "SSL_CERT_FILE": str(ca),
            "FAKE_DOCKER": str(self.state),
            "PYTHONPATH": str(CHECKOUT),
        }

    def __call__(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "cirfile.cli", *words],
            cwd=self.folder,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def calls(self) -> list[list[str]]:
        """Every docker command line so far."""
        log = self.state / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def shown(self, text: str) -> str:
        """Output without the name of the temporary folder."""
        return text.replace(str(self.folder), "FOLDER")

    def image(self, name: str, image: FakeImage) -> None:
        """Give the fake docker an image."""
        (self.state / "images" / f"{name}.json").write_text(json.dumps(image.as_json()))


@dataclass(frozen=True)
class FakeImage:
    """What the fake docker tells of an image."""

    files: Mapping[str, bytes]
    labels: Mapping[str, str]
    env: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        inspect = {"Architecture": "amd64", "Config": {"Labels": dict(self.labels), "Env": list(self.env)}}
        return {"inspect": inspect, "files": {path: data.decode() for path, data in self.files.items()}}


@pytest.fixture
def cir(tmp_path: Path) -> Cir:
    return Cir(tmp_path)


def component(
    name: str, *tags: str, marker: str = "", version: str = "1.0", needs: tuple[str, ...] = ()
) -> Component:
    artifacts = []
    for tag in tags:
        file = f"{name}-{version}-{tag}.whl"
        digest = hashlib.sha256(file.encode()).hexdigest()
        artifacts.append(Artifact(file, f"https://index.test/{file}", digest, 1000 * len(file)))
    return Component(name, version, tuple(artifacts), marker, "", needs)


LOCK = Lock(
    "pypi",
    (
        component("alpha", "py3-none-any", needs=("beta",)),
        component(
            "beta",
            "cp311-cp311-manylinux_2_17_x86_64",
            "cp311-cp311-manylinux_2_28_x86_64",
            "cp311-cp311-manylinux_2_17_aarch64",
            "cp311-cp311-musllinux_1_2_x86_64",
        ),
        component("cupy", "py3-none-any", marker="'accelerator=cuda' in extras"),
        component("old", "py3-none-any", marker="platform_machine == 'aarch64'"),
    ),
    ">=3.11,<3.12",
)
MANIFEST = Manifest(
    (Requirement("pypi", "alpha"), Requirement("deb", "libgomp1")),
    platforms=(("accelerator", ("cuda", "none")), ("arch", ("amd64", "arm64")), ("python", ("3.11",))),
)


def our_image(manifest: Manifest = MANIFEST, lock: Lock = LOCK, spoil: bool = False) -> FakeImage:
    """An image as a build leaves it; `spoil` changes the lock after its digest was taken."""
    data = encode_lock(lock)
    path = "/.cir/lock/pypi.json"
    complete = replace(manifest, locks=(LockReference("pypi", path, hashlib.sha256(data).hexdigest()),))
    files = {"/.cir/cir.json": encode_manifest(complete), path: data + (b" " if spoil else b"")}
    return FakeImage(files, {"cir.version": "1"}, ("PATH=/usr/bin",))
