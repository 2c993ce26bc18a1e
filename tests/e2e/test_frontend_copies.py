"""On a Docker with the classic image store, whose builder cannot merge: the same image, made by copying.

Many installations still have this store. A second dockerd with it runs beside the first.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.docker import Docker
from devtools.engines.api import Engines
from tests.e2e.conftest import Build, lay_out
from tests.support import ocitree

SHIM = "localhost/cir/shim:0.1.0"
FILES: dict[str, object] = {
    "main.py": "import greeting\nprint(greeting.WORD)\n",
    "data/one.txt": "1\n",
    "data/two.txt": ("file", "2\n", 0o600),
    ".cir/shim": "not the shim\n",
}
FREE = """FROM debian:12-slim
WORKDIR /work/here
COPY data data
COPY --chown=5:6 data /opt/deep/er/
ENV A=1
COPY main.py /etc/main.conf
CMD ["cat", "data/one.txt"]
"""
READING = """FROM debian:12-slim
ENV A=1
COPY --chown=daemon data/one.txt /home/app/
WORKDIR /var/lib/made
COPY . /
COPY --link main.py /opt/linked/
CMD ["cat", "/home/app/one.txt"]
"""


class Classic:
    """A Docker with the classic store: builds and runs."""

    def __init__(self, docker: Docker, frontend: str) -> None:
        self.docker = docker
        self._frontend = frontend

    def build(self, folder: Path, text: str, *flags: str) -> str:
        """Build from a folder; return the identity of the image."""
        (folder / "Cirfile").write_text(text)
        return self.docker.run(
            "build", "-q", "--network=host", f"--build-arg=BUILDKIT_SYNTAX={self._frontend}",
            "-f", str(folder / "Cirfile"), *flags, str(folder),
        ).stdout.strip()  # fmt: skip

    def run(self, image: str, *words: str) -> str:
        """Run an image; return its output."""
        return self.docker.run("run", "--rm", "--network=host", image, *words).stdout

    def history(self, image: str) -> list[str]:
        """The instructions of an image, the last first."""
        done = self.docker.run("history", "--no-trunc", "--format={{.CreatedBy}}", image)
        return done.stdout.splitlines()


@pytest.fixture(scope="module")
def classic(
    engines: Engines, docker: Docker, frontend_ref: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Classic]:
    """A dockerd without the containerd image store, with our images in it."""
    folder = tmp_path_factory.mktemp("classic")
    address = f"unix://{folder}/socket"
    settings = {
        "features": {"containerd-snapshotter": False},
        "hosts": [address],
        "data-root": f"{folder}/data",
        "exec-root": f"{folder}/exec",
        "pidfile": f"{folder}/pid",
        "registry-mirrors": [f"http://{engines.registry}"],
        "insecure-registries": [engines.registry],
        "bridge": "none",
        **dict.fromkeys(("iptables", "ip6tables", "ip-forward"), False),
    }
    (folder / "daemon.json").write_text(json.dumps(settings))
    argv = engines.command(["dockerd", f"--config-file={folder}/daemon.json"])
    with (folder / "log").open("w") as log:
        daemon = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        second = Docker((*docker.prefix, "-H", address), "engines")
        wait_for(second, daemon, folder / "log")
        for name, flags in ((frontend_ref, ()), (SHIM, ("--platform=linux/amd64",))):
            docker.run("save", *flags, "-o", f"{folder}/image.tar", name)
            second.run("load", "-i", f"{folder}/image.tar")
        yield Classic(second, frontend_ref)
    finally:
        daemon.terminate()
        daemon.wait(60)
        shutil.rmtree(folder)


def wait_for(docker: Docker, daemon: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until it answers, and see that it is of the kind that is wanted."""
    deadline = time.monotonic() + 60
    while docker.run("version", check=False).returncode:
        assert daemon.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    assert "io.containerd.snapshotter" not in docker.run("info", "-f", "{{json .DriverStatus}}").stdout


@pytest.mark.parametrize("text", [FREE, READING], ids=["free", "reading"])
def test_the_same_image_as_by_merging(text: str, classic: Classic, build: Build, tmp_path: Path) -> None:
    """Files, modes, owners and configuration are those that a server gives that can merge."""
    lay_out(tmp_path, FILES)
    image = classic.build(tmp_path, text, "-t", "localhost/test/same:1")
    classic.docker.run("save", "-o", f"{tmp_path}/image.tar", "localhost/test/same:1")
    copied = ocitree.read((tmp_path / "image.tar").read_bytes())["linux/amd64"]
    merged = build(text, FILES).images["linux/amd64"]
    assert copied.tree == merged.tree
    assert copied.config["config"] == merged.config["config"]
    assert classic.run(image) == "1\n"


def test_a_locked_application_runs(classic: Classic, greeting_index: str, tmp_path: Path) -> None:
    """Lock at build, assembly at the start."""
    lay_out(tmp_path, FILES)
    text = f"FROM python:3.11-slim\nREQUIRE pypi --index-url {greeting_index} greeting\nCOPY main.py /app/\n"
    image = classic.build(tmp_path, text + 'CMD ["python3", "/app/main.py"]\n')
    assert classic.run(image) == "hello\n"


def test_equal_inputs_give_equal_images(classic: Classic, tmp_path: Path) -> None:
    """Folders of the base that get something new have the fixed time, too."""
    lay_out(tmp_path, FILES)
    first, second = (classic.build(tmp_path, FREE, "--no-cache") for _ in range(2))
    assert first == second
    assert classic.history(first)[:8] == [
        "cir: application, manifest and locks",
        'CMD ["cat" "data/one.txt"]',
        "COPY main.py /etc/main.conf # buildkit",
        "ENV A=1",
        "COPY --chown=5:6 data /opt/deep/er/ # buildkit",
        "COPY data data # buildkit",
        "WORKDIR /work/here",
        "cir: shim 0.1.0",
    ]


def test_pull(classic: Classic, docker: Docker, registry: str, tmp_path: Path) -> None:
    """This store prefers the base it has; `--pull` looks for a newer one."""
    base = f"{registry}/test/pulled:1"
    for version in ("old", "new"):
        (tmp_path / "Dockerfile").write_text(f"FROM scratch\nCOPY Dockerfile /\nENV VERSION={version}\n")
        docker.run("buildx", "build", "--provenance=false", "--push", "-t", base, str(tmp_path))
        if version == "old":
            classic.docker.run("pull", base)
    for flags, version in (((), "old"), (("--pull",), "new")):
        image = classic.build(tmp_path, f"FROM {base}\nLABEL a=1\n", *flags)
        assert f"VERSION={version}" in classic.docker.run("inspect", "-f", "{{.Config.Env}}", image).stdout


def test_steps_on_the_base_are_in_the_history(classic: Classic, tmp_path: Path) -> None:
    """Instructions without a layer stand between those with one."""
    lay_out(tmp_path, FILES)
    assert classic.history(classic.build(tmp_path, READING))[:7] == [
        "cir: shim 0.1.0, manifest and locks",
        'CMD ["cat" "/home/app/one.txt"]',
        "COPY main.py /opt/linked/ # buildkit",
        "COPY . / # buildkit",
        "WORKDIR /var/lib/made",
        "COPY --chown=daemon data/one.txt /home/app/ # buildkit",
        "ENV A=1",
    ]
