"""Tests run on the user's own Docker where it can serve them; why it cannot is said."""

from __future__ import annotations

import copy
import json
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devtools import docker, paths
from devtools.docker import Docker
from devtools.engines.api import Engines
from tests.support.program import docker_of

REGISTRY = "127.0.0.1:5717"
DIGESTS = {"python:3.11-slim": "sha256:" + "1" * 64, "musl:1": "sha256:" + "2" * 64}
INFO: dict[str, Any] = {
    "Name": socket.gethostname(),
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "RegistryConfig": {"Mirrors": ["http://127.0.0.1:9", f"http://{REGISTRY}/"]},
}
KEPT = {"python:3.11-slim": [f"python@{DIGESTS['python:3.11-slim']}"]}


def answering(info: dict[str, Any] | None, kept: dict[str, list[str]]) -> Docker:
    """A docker that only knows `info` and `image inspect`."""
    answers: dict[str, Any] = {f"image inspect {name}": digests for name, digests in kept.items()}
    if info is not None:
        answers["info"] = info
    script = (
        "import json, sys; words = [w for w in sys.argv[2:] if not w.startswith(('-', '{'))]; "
        "answer = json.loads(sys.argv[1]).get(' '.join(words)); print(json.dumps(answer)); sys.exit(answer is None)"
    )
    return Docker((sys.executable, "-c", script, json.dumps(answers)), "own")


def changed(**values: Any) -> dict[str, Any]:
    return copy.deepcopy(INFO) | values


@pytest.mark.parametrize(
    ("info", "kept", "reason"),
    [
        (INFO, KEPT, ""),
        (INFO, {}, ""),
        (None, KEPT, "it runs on another machine"),
        (changed(Name="docker-desktop"), KEPT, "it runs on another machine"),
        (changed(DriverStatus=[["Backing Filesystem", "extfs"]]), KEPT, "its image store holds one platform an image"),
        (changed(DriverStatus=None), KEPT, "its image store holds one platform an image"),
        (changed(RegistryConfig=None), KEPT, f"http://{REGISTRY} is not among its registry mirrors"),
        (
            changed(RegistryConfig={"Mirrors": [f"http://{REGISTRY}0/"]}), KEPT,
            f"http://{REGISTRY} is not among its registry mirrors",
        ),
        (INFO, {"musl:1": ["musl@sha256:" + "3" * 64]}, "its musl:1 is another image than the tests'"),
        (INFO, {"musl:1": []}, "its musl:1 is another image than the tests'"),
    ],
)  # fmt: skip
def test_what_a_docker_must_have(
    info: dict[str, Any] | None, kept: dict[str, list[str]], reason: str
) -> None:
    assert docker.unfit(answering(info, kept), REGISTRY, DIGESTS) == reason


@pytest.mark.engines
def test_tests_on_the_own_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a fitting `docker` on PATH `./dev test` takes that one, unless told otherwise; so do the tests."""
    engines = Engines.ensure()
    log = tmp_path / "calls"
    program = docker_of(engines, tmp_path / "bin", before=f'echo "$@" >> {shlex.quote(str(log))}')
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    test = "tests/e2e/test_run.py::test_same_answer[arguments]"
    chosen = {}
    for flags in ([], ["--engines"]):
        log.write_text("")
        done = subprocess.run(
            [str(paths.CHECKOUT / "dev"), "test", *flags, "--", test],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 passed" in done.stdout
        chosen[tuple(flags)] = (
            "dev: tests use your own Docker\n" in done.stderr,
            "run --rm" in log.read_text(),
        )
    assert chosen == {(): (True, True), ("--engines",): (False, False)}


@pytest.mark.engines
def test_an_own_docker_that_does_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engines' Docker is taken, and the reason is said once."""
    engines = Engines.ensure()
    hidden = 'case "$1" in info) echo \'{"Name": "elsewhere"}\'; exit;; esac'
    program = docker_of(engines, tmp_path / "bin", before=hidden)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert docker.for_tests(engines).owner == "engines"
    said = capsys.readouterr().err
    assert (
        said
        == "dev: tests use the engines' Docker, not yours: it runs on another machine (see docs/engines.md)\n"
    )
