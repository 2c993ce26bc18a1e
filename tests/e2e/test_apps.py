"""Every application of testdata is built and verified inside its container."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools import paths
from devtools.docker import Docker, certificate_mount, certificate_secret
from devtools.engines.api import Engines
from tests.support.index import Index
from tests.support.wheels import Wheel

APPS = paths.CHECKOUT / "testdata/apps"


def verify(docker: Docker, image: str, *flags: str) -> str:
    """Run the application's own check in its container and return what it said."""
    argv = docker.argv(
        "run", "--rm", *certificate_mount(), *flags, "--entrypoint", "/.cir/shim", image, "./verify"
    )
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("app", ["sklearn", "fastapi", "etl", "plain"])
def test_application(app: str, docker: Docker, frontend_ref: str) -> None:
    """Built with the `# syntax=` line as it is written, it does what it is for."""
    assert f"# syntax={frontend_ref}\n" in (APPS / app / "Cirfile").read_text()
    image = f"localhost/cir/app-{app}"
    docker.run(
        "buildx",
        "build",
        "-f",
        str(APPS / app / "Cirfile"),
        "-t",
        image,
        "--load",
        *certificate_secret(),
        str(APPS / app),
    )
    assert f"{app}: " in verify(docker, image)


def test_every_application_is_tested() -> None:
    """A new folder is a new test."""
    assert {path.parent.name for path in APPS.glob("*/Cirfile")} == {
        "sklearn",
        "fastapi",
        "etl",
        "plain",
        "private",
    }


@pytest.fixture
def company_index(engines: Engines, tmp_path: Path) -> Iterator[Index]:
    """An index with basic authentication that holds the company's package."""
    folder = tmp_path / "company"
    folder.mkdir()
    Wheel(
        "acme-greeting", files={"acme_greeting/__init__.py": "def greet(who):\n    return f'hello, {who}'\n"}
    ).write(folder)
    with Index(
        folder, address=engines.bridge_ip, user="builder", password="s3cr3t-" + uuid.uuid4().hex
    ) as running:
        yield running


def unpacked(saved: bytes) -> Iterator[bytes]:
    """Every blob of a saved image, decompressed."""
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                blob = file.read()
                yield gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob


def test_private_index(
    docker: Docker, frontend_ref: str, company_index: Index, tmp_path: Path, engines: Engines
) -> None:
    """The password comes by secret at build and by netrc at run; it is in no image, lock or log."""
    password = company_index.password
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {engines.bridge_ip} login builder password {password}\n")
    image = "localhost/cir/app-private"
    build = [
        "buildx", "build", "--progress=plain", "-f", str(APPS / "private/Cirfile"), "-t", image, "--load",
        "--build-arg", f"INDEX={company_index.url}", *certificate_secret(), str(APPS / "private"),
    ]  # fmt: skip
    refused = docker.run(*build, check=False)
    assert refused.returncode != 0
    assert "cir_netrc" in refused.stderr, "the message names the way out"
    done = docker.run(*build, "--secret", f"id=cir_netrc,src={netrc}")
    inside = ("-v", f"{netrc}:/run/netrc:ro", "-e", "NETRC=/run/netrc")
    assert verify(docker, image, *inside) == "private: hello, you\n"
    saved = subprocess.run(docker.argv("image", "save", image), capture_output=True, check=True).stdout
    shown = docker.run("image", "inspect", image).stdout + docker.run("history", "--no-trunc", image).stdout
    assert password not in done.stderr + shown
    assert not any(password.encode() in blob for blob in unpacked(saved))
    locked = docker.run(
        "run", "--rm", "--entrypoint", "cat", image, "/.cir/cir.json", "/.cir/lock/pypi.json"
    ).stdout
    assert company_index.root in locked
    assert password not in locked
