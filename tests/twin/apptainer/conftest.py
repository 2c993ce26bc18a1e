"""Fixtures of the tests on real Apptainer: an ordinary account, images it has made, a package index it reaches.

Everything runs as the unprivileged account of the test engines, with an environment that each test gives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from devtools import account as installation
from devtools import images, venv
from devtools.docker import Docker, certificate_secret
from devtools.engines import enter
from devtools.engines.api import Engines
from tests.support import restrict
from tests.support.index import Index
from tests.support.wheels import Wheel

Done = subprocess.CompletedProcess[str]

PROBE = '''"""Say what this process is and sees; with `fail` exit with 7, with `write` change the layer."""
import json, os, subprocess, sys
import greeting
if sys.argv[1:] == ["fail"]:
    sys.exit(7)
if sys.argv[1:] == ["write"]:
    open(greeting.__file__, "a")
child = subprocess.run(["greet"], capture_output=True, text=True)
print(json.dumps({
    "argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ), "path": sys.path, "uid": os.getuid(),
    "greeting": greeting.WORD, "file": greeting.__file__, "child": child.stdout + child.stderr, "pid": os.getpid(),
}))
'''
CIRFILE = """FROM python:3.11-slim
REQUIRE pypi --index-url {index} greeting
ENV A=image VIRTUAL_ENV=/opt/image
WORKDIR /app
COPY probe.py ./
ENTRYPOINT ["python3", "probe.py"]
CMD ["from", "cmd"]
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the engines."""
    for item in items:
        if "tests/twin/apptainer/" in str(item.path):
            item.add_marker(pytest.mark.engines)


@dataclass(frozen=True)
class Account:
    """The ordinary account: a folder of its own that the engines show at the same path, and ways to run programs."""

    engines: Engines
    folder: Path
    python_path: str

    def argv(self, *argv: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> list[str]:
        """The command that runs `argv` with nothing in its environment but what an account has, and `env`."""
        own = enter.environment(self.engines.instance, user=True)
        given = own | {"PATH": f"{self.folder}/bin:{own['PATH']}"} | dict(env or {})
        words = ["env", "-i", *(f"{name}={value}" for name, value in given.items()), *argv]
        return self.engines.command(words, cwd=cwd or self.folder, user=True)

    def run(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 300,
    ) -> Done:
        """Run and wait."""
        return subprocess.run(
            self.argv(*argv, env=env, cwd=cwd),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    def cir_words(self, *words: str) -> list[str]:
        """`cir WORDS` of the checkout, as a command."""
        return ["env", f"PYTHONPATH={self.python_path}", "python3", "-B", "-m", "cirfile.cli", *words]

    def cir(
        self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 300
    ) -> Done:
        """Run `cir WORDS`."""
        return self.run(*self.cir_words(*words), env=env, cwd=cwd, timeout=timeout)

    def restricted(
        self, setup: str, *argv: str, env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> Done:
        """Run a command where root did ``setup`` before."""
        return subprocess.run(
            restrict.restricted(self.argv(*argv, env=env), setup),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    @property
    def shared_memory(self) -> Path:
        """The engines' ``/dev/shm``, which is not this process's."""
        return Path(f"/proc/{self.engines.holder}/root/dev/shm")

    def owned(self, path: Path) -> Path:
        """Make a folder of this account."""
        path.mkdir(parents=True)
        os.chown(path, self.engines.instance.user_id, self.engines.instance.user_id)
        return path

    def as_root(self, *argv: str) -> None:
        """Run something as root among the engines."""
        self.engines.run(list(argv))


@pytest.fixture(scope="session")
def engines() -> Engines:
    """The test engines, up."""
    return Engines.ensure()


@pytest.fixture(scope="session")
def docker(engines: Engines) -> Docker:
    """Docker of the test engines, which builds the images that Apptainer gets."""
    return Docker(tuple(engines.command(["docker"])), "engines")


@pytest.fixture(scope="session")
def account(engines: Engines) -> Iterator[Account]:
    """The ordinary account."""
    folder = Path(tempfile.mkdtemp(prefix="cir-twin-"))
    os.chown(folder, engines.instance.user_id, engines.instance.user_id)
    folder.chmod(0o755)
    # A copy, because the checkout and the development environment may be in a folder that is closed to others.
    installed = installation.install(folder / "installed", venv.ensure())
    (folder / "bin").mkdir()
    (folder / "bin/uv").symlink_to(installed / "bin/uv")
    yield Account(engines, folder, str(installed / "site"))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def place(account: Account) -> Iterator[Path]:
    """An empty folder of the account for one test."""
    folder = Path(tempfile.mkdtemp(dir=account.folder))
    os.chown(folder, account.engines.instance.user_id, account.engines.instance.user_id)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def index(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """A package index with ``greeting`` and its command ``greet``."""
    folder = tmp_path_factory.mktemp("wheels")
    files = {"greeting.py": "WORD = 'hello'\n\n\ndef main():\n    print(WORD)\n"}
    Wheel("greeting", files=files, entry_points="[console_scripts]\ngreet = greeting:main\n").write(folder)
    with Index(folder, address=engines.bridge_ip) as running:
        yield running


Layout = Callable[[str, Mapping[str, str]], Path]


@pytest.fixture(scope="session")
def layout(docker: Docker, account: Account) -> Layout:
    """Build a Cirfile with files beside it by BuildKit; the result is an OCI layout that the account can read."""
    frontend = images.ensure(docker)
    number = 0

    def make(text: str, files: Mapping[str, str]) -> Path:
        nonlocal number
        number += 1
        context = account.folder / f"context{number}"
        context.mkdir()
        for name, content in {"Cirfile": text, **files}.items():
            (context / name).write_text(content)
        archive = account.folder / f"layout{number}.tar"
        docker.run(
            "buildx", "build", "-f", str(context / "Cirfile"), "--provenance=false", "--build-arg",
            f"BUILDKIT_SYNTAX={frontend}", *certificate_secret(), "-o", f"type=oci,dest={archive}", str(context),
        )  # fmt: skip
        folder = account.folder / f"layout{number}"
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        archive.unlink()
        return folder

    return make


#: Quick to make; what is in the image does not depend on it.
FAST = ("--mksquashfs-args", "-comp zstd -Xcompression-level 1")


def convert(account: Account, layout: Path, name: str) -> Path:
    """Let Apptainer make a SIF of an OCI layout."""
    target = account.folder / name
    done = account.run("apptainer", "build", *FAST, str(target), f"oci:{layout}")
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="session")
def sif(account: Account, layout: Layout, index: Index) -> Path:
    """The probe as a SIF."""
    return convert(account, layout(CIRFILE.format(index=index.url), {"probe.py": PROBE}), "probe.sif")
