"""Every application of testdata is built, verified inside its container, and used as its users use it."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from devtools import paths
from devtools.docker import Docker, certificate_mount, certificate_secret
from tests.support.index import Index

APPS = paths.CHECKOUT / "testdata/apps"


def verify(docker: Docker, image: str, *flags: str) -> str:
    """Run the application's own check in its container and return what it said."""
    argv = docker.argv(
        "run", "--rm", *certificate_mount(), *flags, "--entrypoint", "/.cir/shim", image, "./verify"
    )
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def store(docker: Docker) -> Iterator[str]:
    """A store volume that the applications share, as on a host."""
    name = f"cir-test-{uuid.uuid4().hex[:8]}"
    docker.run("volume", "create", name)
    yield name
    docker.run("volume", "rm", "-f", name)


@pytest.fixture(scope="module")
def built(docker: Docker, frontend_ref: str) -> Callable[[str], str]:
    """Build an application with the `# syntax=` line as it is written, once, and return its image."""

    @cache
    def image_of(app: str) -> str:
        folder, image = APPS / app, f"localhost/cir/app-{app}"
        assert f"# syntax={frontend_ref}\n" in (folder / "Cirfile").read_text()
        flags = ["-f", str(folder / "Cirfile"), "-t", image, "--load", *certificate_secret()]
        docker.run("buildx", "build", *flags, str(folder))
        return image

    return image_of


def start(
    docker: Docker, store: str, image: str, *arguments: str, flags: tuple[str, ...] = (), text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the application's own command, or give it arguments."""
    mounts = ("-v", f"{store}:/var/lib/cir", *certificate_mount())
    argv = docker.argv("run", "--rm", "-i", *mounts, *flags, image, *arguments)
    return subprocess.run(argv, capture_output=True, text=True, input=text, timeout=600)


@pytest.mark.parametrize("app", ["sklearn", "fastapi", "etl", "plain"])
def test_application(app: str, docker: Docker, store: str, built: Callable[[str], str]) -> None:
    """It does what it is for, whatever its command is."""
    as_root = ("-u", "0")  # so that every application's layer comes into the shared store
    assert f"{app}: " in verify(docker, built(app), "-v", f"{store}:/var/lib/cir", *as_root)


def test_sklearn_with_arguments(docker: Docker, store: str, built: Callable[[str], str]) -> None:
    """What follows the image goes to the ENTRYPOINT in place of the CMD; stdout is the application's alone."""
    done = start(docker, store, built("sklearn"), "--trees", "5", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert 0.7 < report["forest"] < 1
    assert "CPUExecutionProvider" in report["providers"]
    refused = start(docker, store, built("sklearn"), "--trees", "many")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "usage: train.py" in refused.stderr


def test_plain_reads_its_input(docker: Docker, store: str, built: Callable[[str], str]) -> None:
    """A script without dependencies in a pipe."""
    done = start(docker, store, built("plain"), text="b a b\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 b\n1 a\n", "")


def test_etl_over_mounted_folders(
    docker: Docker, store: str, built: Callable[[str], str], tmp_path: Path
) -> None:
    """The default command reads one folder of the host and writes another; a user's number owns the result."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    os.chown(target, 4321, 4321)
    (source / "a.csv").write_text("day,country,amount\n2026-01-05,DE,10\n2026-01-09,DE,5\n")
    (source / "b.csv").write_text("day,country,amount\n2026-02-01,FR,7\n2026-01-31,DE,1\n")
    flags = ("-u", "4321:4321", "-v", f"{source}:/data/in:ro", "-v", f"{target}:/data/out")
    done = start(docker, store, built("etl"), flags=flags)
    assert (done.returncode, done.stdout) == (0, "2 files, 4 rows, 2 groups\n"), done.stderr
    (result,) = target.iterdir()
    assert (result.name, result.stat().st_uid) == ("amounts.parquet", 4321)
    look = "import pyarrow.parquet as p; print(p.read_table('/data/out/amounts.parquet').to_pydict())"
    read = start(docker, store, built("etl"), "-c", look, flags=(*flags, "--entrypoint", "python"))
    assert read.stdout == (
        "{'country': ['DE', 'FR'], 'month': ['2026-01', '2026-02'], 'amount': [16, 7]}\n"
    ), read.stderr
    nothing = start(docker, store, built("etl"), "/data/none", "/data/out", flags=flags)
    assert (nothing.returncode, nothing.stderr) == (1, "etl.py: /data/none has no .csv file\n")


@pytest.mark.parametrize("kept", [True, False], ids=["store", "no store"])
def test_fastapi_as_a_service(kept: bool, docker: Docker, store: str, built: Callable[[str], str]) -> None:
    """In the background it becomes healthy, answers as user 1000 and process 1 on its port, and stops at once."""
    name, image = f"cir-test-{uuid.uuid4().hex[:8]}", built("fastapi")
    mounts = [*certificate_mount(), *(["-v", f"{store}:/var/lib/cir:ro"] if kept else [])]
    docker.run("run", "-d", "--name", name, "-p", "127.0.0.1::8000", *mounts, image)
    try:
        deadline = time.monotonic() + 120
        ask = ("inspect", "-f", "{{.State.Health.Status}}", name)
        while (health := docker.run(*ask).stdout.strip()) == "starting":
            assert time.monotonic() < deadline, docker.run("logs", name).stderr
            time.sleep(0.2)
        assert health == "healthy", docker.run("logs", name).stderr
        address = docker.run("port", name, "8000").stdout.strip()
        with urllib.request.urlopen(f"http://{address}/health", timeout=10) as answer:
            assert json.load(answer) == {"status": "ok", "uid": 1000, "pid": 1}
        body = json.dumps({"text": "a b a"}).encode()
        request = urllib.request.Request(
            f"http://{address}/count", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer) == {"a": 2, "b": 1}
        begin = time.monotonic()
        docker.run("stop", "-t", "30", name)
        assert time.monotonic() - begin < 10
        assert docker.run("wait", name).stdout.strip() == "0"
    finally:
        docker.run("rm", "-f", name)


def test_every_application_is_tested() -> None:
    """A new folder is a new test."""
    assert {path.parent.name for path in APPS.glob("*/Cirfile")} == {
        "sklearn",
        "fastapi",
        "etl",
        "plain",
        "private",
    }


def unpacked(saved: bytes) -> Iterator[bytes]:
    """Every blob of a saved image, decompressed."""
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                blob = file.read()
                yield gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob


def test_private_index(docker: Docker, frontend_ref: str, company_index: Index, company_netrc: Path) -> None:
    """The password comes by secret at build and by netrc at run; it is in no image, lock or log."""
    password = company_index.password
    image = "localhost/cir/app-private"
    build = [
        "buildx", "build", "--progress=plain", "-f", str(APPS / "private/Cirfile"), "-t", image, "--load",
        "--build-arg", f"INDEX={company_index.url}", *certificate_secret(), str(APPS / "private"),
    ]  # fmt: skip
    refused = docker.run(*build, check=False)
    assert refused.returncode != 0
    assert "cir_netrc" in refused.stderr, "the message names the way out"
    done = docker.run(*build, "--secret", f"id=cir_netrc,src={company_netrc}")
    inside = ("-v", f"{company_netrc}:/run/netrc:ro", "-e", "NETRC=/run/netrc")
    assert verify(docker, image, *inside) == "private: hello, you\n"
    assert docker.run("run", "--rm", *inside, image).stdout == "private: hello, you\n", "its own command"
    saved = subprocess.run(docker.argv("image", "save", image), capture_output=True, check=True).stdout
    shown = docker.run("image", "inspect", image).stdout + docker.run("history", "--no-trunc", image).stdout
    assert password not in done.stderr + shown
    assert not any(password.encode() in blob for blob in unpacked(saved))
    locked = docker.run(
        "run", "--rm", "--entrypoint", "cat", image, "/.cir/cir.json", "/.cir/lock/pypi.json"
    ).stdout
    assert company_index.root in locked
    assert password not in locked
