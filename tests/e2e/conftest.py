"""Fixtures of the tests on real engines. A missing engine is a failure, never a skip."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devtools import images
from devtools.docker import Docker, certificate_secret, for_tests
from devtools.engines.api import Engines
from tests.support import ocitree
from tests.support.index import Index
from tests.support.wheels import Wheel

Files = dict[str, "str | bytes | tuple[str, str | bytes, int]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the engines."""
    for item in items:
        if "tests/e2e/" in str(item.path):
            item.add_marker(pytest.mark.engines)


@pytest.fixture(scope="session")
def engines() -> Engines:
    """The test engines, up."""
    return Engines.ensure()


@pytest.fixture(scope="session")
def docker(engines: Engines, pytestconfig: pytest.Config) -> Docker:
    """The user's own Docker where tests can work with it, else that of the test engines."""
    return for_tests(engines, own=not pytestconfig.getoption("engines"))


@pytest.fixture(scope="session")
def registry(engines: Engines) -> str:
    """The registry of the test engines, as ``host:port``."""
    return engines.registry


@pytest.fixture(scope="session")
def frontend_ref(docker: Docker) -> str:
    """The frontend of the present sources; the shim image is there, too."""
    return images.ensure(docker)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `index` serves; tests may add wheels with names of their own."""
    folder = tmp_path_factory.mktemp("wheels")
    Wheel("greeting", files={"greeting.py": "WORD = 'hello'\n"}).write(folder)
    return folder


@pytest.fixture(scope="session")
def index(engines: Engines, wheels: Path) -> Iterator[Index]:
    """A package index on the bridge, so that builds and containers reach it."""
    with Index(wheels, address=engines.bridge_ip) as running:
        yield running


@pytest.fixture(scope="session")
def company_index(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index with basic authentication that holds the company's package."""
    folder = tmp_path_factory.mktemp("company")
    code = "def greet(who):\n    return f'hello, {who}'\n"
    Wheel("acme-greeting", files={"acme_greeting/__init__.py": code}).write(folder)
    password = "s3cr3t-" + uuid.uuid4().hex
    with Index(folder, address=engines.bridge_ip, user="builder", password=password) as running:
        yield running


@pytest.fixture(scope="session")
def company_netrc(company_index: Index, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The credentials of the company's index, as a person has them."""
    path = tmp_path_factory.mktemp("netrc") / "netrc"
    path.write_text(f"machine {company_index.address} login builder password {company_index.password}\n")
    return path


@pytest.fixture(scope="session")
def greeting_index(index: Index) -> str:
    """The address of an index with one package, ``greeting``, whose module has ``WORD = 'hello'``."""
    return index.url


@dataclass(frozen=True)
class Built:
    """The end of a build: status, what was printed, and what was made where it was asked for."""

    status: int
    talk: str
    archive: bytes = field(repr=False, default=b"")

    @property
    def images(self) -> dict[str, ocitree.Image]:
        """The images of the archive by platform."""
        return ocitree.read(self.archive)

    @property
    def image(self) -> ocitree.Image:
        """The one image of the archive."""
        (image,) = self.images.values()
        return image


Build = Callable[..., Built]


@pytest.fixture
def build(docker: Docker, frontend_ref: str, tmp_path: Path) -> Build:
    """Build a text: ``build(text, files, *flags, frontend=..., ok=True)``; ``frontend=None`` is the stock one.

    ``files`` maps paths to content, or to ``("link", target)``, or to ``("file", content, mode)``. Without
    an ``--output``, ``--tag`` or ``--push`` among the flags the result holds an OCI archive.
    """
    number = 0

    def run(
        text: str, files: dict[str, object] | None = None, *flags: str, frontend: str | None = "ours", ok: bool = True,
        name: str = "Cirfile",
    ) -> Built:  # fmt: skip
        nonlocal number
        number += 1
        context = tmp_path / f"context{number}"
        context.mkdir()
        lay_out(context, files or {})
        (context / name).write_text(text)
        syntax = [f"--build-arg=BUILDKIT_SYNTAX={frontend_ref}"] if frontend == "ours" else []
        wants = any(
            flag.split("=")[0] in ("--output", "-o", "-t", "--tag", "--push", "--load") for flag in flags
        )
        calls = any(flag.startswith(("--call", "--check", "--print")) for flag in flags)
        archive = tmp_path / f"image{number}.tar"
        output = [] if wants or calls else ["--output", f"type=oci,dest={archive}", "--provenance=false"]
        argv = docker.argv(
            "buildx", "build", "--progress=plain", "-f", str(context / name), *syntax, *certificate_secret(), *output,
            *flags, str(context),
        )  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace")
        talk = done.stdout + done.stderr
        assert not ok or done.returncode == 0, talk
        return Built(done.returncode, talk, archive.read_bytes() if archive.exists() else b"")

    return run


def lay_out(folder: Path, files: dict[str, object]) -> None:
    """Write the files of a build context."""
    for name, value in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, tuple) and value[0] == "link":
            path.symlink_to(value[1])
            continue
        content, mode = (value[1], value[2]) if isinstance(value, tuple) else (value, 0o644)
        path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
        path.chmod(mode)
