"""`cir` with real Docker: build, plan, materialize and run one image of an index of this test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools import images
from devtools.docker import for_tests
from devtools.engines.api import Engines
from tests.cli.conftest import CHECKOUT
from tests.support.index import Index
from tests.support.program import docker_of
from tests.support.wheels import Wheel

pytestmark = pytest.mark.engines

_IMAGE, _VOLUME = "localhost/cir/test-cli:1", "cir-test-cli"
_CIRFILE = """FROM python:3.11-slim
ARG INDEX
REQUIRE pypi --index-url $INDEX greeting
REQUIRE --when=accelerator=cuda pypi heavy
PLATFORMS arch=amd64,arm64 accelerator=none,cuda
ENTRYPOINT ["python", "-c", "import greeting, sys; print(greeting.WORD, *sys.argv[1:]); sys.exit(7)"]
"""


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Path]:
    """A folder with the `docker` that tests use, the frontend being there."""
    engines = Engines.ensure()
    found = for_tests(engines, own=not pytestconfig.getoption("engines"))
    images.ensure(found)
    folder = tmp_path_factory.mktemp("docker")
    if found.owner == "engines":
        docker_of(engines, folder)
    yield folder
    found.run("volume", "rm", "--force", _VOLUME, check=False)
    found.run("image", "rm", "--force", _IMAGE, check=False)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("wheels")
    Wheel("greeting", files={"greeting.py": "WORD = 'hello'\n"}).write(folder)
    Wheel("heavy", files={"heavy.py": ""}).write(folder)
    with Index(folder, address=Engines.ensure().bridge_ip, user="me", password="hush") as running:
        yield running


def test_from_cirfile_to_container(docker: Path, index: Index, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {index.address} login me password hush\n")
    environ = {**os.environ, "PATH": f"{docker}:{os.environ['PATH']}", "PYTHONPATH": str(CHECKOUT)}
    environ |= {"NETRC": str(netrc)}
    (tmp_path / "Cirfile").write_text(_CIRFILE)

    def cir(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cirfile.cli", *words],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    built = cir("build", "--load", "--json", "-t", _IMAGE, "--build-arg", f"INDEX={index.url}", ".")
    assert built.returncode == 0, built.stderr
    assert json.loads(built.stdout)["digest"].startswith("sha256:")
    assert "hush" not in built.stderr + built.stdout

    planned = cir("plan", "--json", "--platform", "linux/amd64", _IMAGE)
    assert [one["name"] for one in json.loads(planned.stdout)["components"]] == ["greeting"], planned.stderr
    there = cir("plan", "--json", "--platform", "linux/arm64", "--fact", "accelerator=cuda", _IMAGE)
    assert [one["name"] for one in json.loads(there.stdout)["components"]] == ["greeting", "heavy"], (
        there.stderr
    )
    here = cir("plan", "--here", "--json", _IMAGE)
    assert [one["name"] for one in json.loads(here.stdout)["components"]] == ["greeting"], here.stderr

    for _ in ("cold", "warm"):
        ran = cir("run", "--store", _VOLUME, "--rm", "--read-only", "-u", "4711", _IMAGE, "world")
        assert (ran.returncode, ran.stdout) == (7, "hello world\n"), ran.stderr
    assert cir("materialize", "--store", _VOLUME, _IMAGE).returncode == 0
    assert index.counts()["/files/greeting-1.0-py3-none-any.whl"] == 1
    assert not index.counts()["/files/heavy-1.0-py3-none-any.whl"]
