"""Fixtures of the twin's tests: the test engines' ordinary account, and this checkout where it can read it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cirfile import __version__
from devtools import account as account_of
from devtools import images
from devtools.docker import Docker
from devtools.engines.api import Engines

# Fixtures of the front door that serve here as well.
from tests.e2e.conftest import (  # noqa: F401
    build,
    company_index,
    company_netrc,
    docker,
    engines,
    frontend_ref,
    greeting_index,
    index,
    lay_out,
    registry,
    wheels,
)
from tests.e2e.test_differential import bases  # noqa: F401
from tests.support.restrict import restricted

CHECKOUT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the engines."""
    for item in items:
        if "tests/twin/" in str(item.path):
            item.add_marker(pytest.mark.engines)


@pytest.fixture(scope="session")
def shared() -> Iterator[Path]:
    """A folder that every account can read; the folders of pytest are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="cir-twin-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def installed(shared: Path) -> Path:
    """The packages of this checkout and what they need, with a `python3` that runs among the engines."""
    return account_of.install(shared / "installed", Path(sys.prefix))


@pytest.fixture(scope="session")
def shim_ref(docker: Docker, registry: str) -> str:  # noqa: F811
    """The shim image of the present sources in the registry, for both architectures."""
    images.push_shim(docker, f"{registry}/twin/cir")
    return f"{registry}/twin/cir/shim:{__version__}"


@dataclass(frozen=True)
class Done:
    """The end of a command as the ordinary user."""

    status: int
    out: str
    talk: str = field(repr=False)


@dataclass(frozen=True)
class Account:
    """The ordinary account among the engines; ``environ`` is added to what it has."""

    engines: Engines
    installed: Path
    environ: Mapping[str, str]

    def run(self, *argv: str, ok: bool = True, environ: Mapping[str, str] | None = None) -> Done:
        """Run a command; ``environ`` is added to what the account has."""
        variables = {**self.environ, **(environ or {})}
        words = [
            "env", *(f"{name}={value}" for name, value in variables.items()),
            "sh", "-c", f'PATH={self.installed}/bin:$PATH; export PATH; exec "$@"', "sh", *argv,
        ]  # fmt: skip
        done = subprocess.run(
            self.engines.command(words, cwd=self.installed, user=True),
            capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def restricted(
        self, setup: str, *argv: str, ok: bool = True, environ: Mapping[str, str] | None = None
    ) -> Done:
        """Run a command where root did ``setup`` before, in a mount namespace that ends with the command."""
        variables = {**self.environ, **(environ or {})}
        words = ["env", *(f"{name}={value}" for name, value in variables.items())]
        command = self.engines.command(words, cwd=self.installed, user=True)
        path = f'PATH={self.installed}/bin:$PATH; export PATH; exec "$@"'
        done = subprocess.run(
            [*restricted(command, setup), "sh", "-c", path, "sh", *argv],
            capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def bud(self, *argv: str, ok: bool = True, environ: Mapping[str, str] | None = None) -> Done:
        """Run `buildah-cir bud`."""
        return self.run("python3", "-m", "buildah_plugin.cli", "bud", *argv, ok=ok, environ=environ)


@pytest.fixture(scope="session")
def account(engines: Engines, installed: Path, shared: Path, shim_ref: str) -> Account:  # noqa: F811
    """The ordinary account of the test engines, with a cache of this run."""
    cache = shared / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    site = installed / "site"
    environ = {"PYTHONPATH": str(site), "CIR_SHIM": shim_ref, "XDG_CACHE_HOME": str(cache)}
    return Account(engines, installed, environ)


@dataclass
class Contexts:
    """Makes build contexts of the ordinary account, whose number is ``owner``."""

    folder: Path
    owner: int
    number: int = 0

    def make(self, text: str, files: dict[str, object], name: str = "Cirfile") -> Path:
        """Write a context and return its folder."""
        self.number += 1
        place = self.folder / str(self.number)
        place.mkdir()
        lay_out(place, files)
        (place / name).write_text(text)
        return self.own(place)

    def copy(self, source: Path) -> Path:
        """Copy a folder of the checkout."""
        self.number += 1
        return self.own(Path(shutil.copytree(source, self.folder / str(self.number), symlinks=True)))

    def own(self, place: Path) -> Path:
        """Give a folder with all in it to the account."""
        for path in (place, *place.rglob("*")):
            os.chown(path, self.owner, self.owner, follow_symlinks=False)
        return place


@pytest.fixture
def contexts(engines: Engines, shared: Path) -> Contexts:  # noqa: F811
    """Build contexts for one test."""
    folder = Path(tempfile.mkdtemp(prefix="contexts-", dir=shared))
    folder.chmod(0o755)
    return Contexts(folder, engines.instance.user_id)


@pytest.fixture
def outbox(shared: Path) -> Path:
    """A folder where the ordinary account can write."""
    folder = Path(tempfile.mkdtemp(prefix="out-", dir=shared))
    folder.chmod(0o777)
    return folder


@pytest.fixture
def plain(contexts: Contexts) -> Path:
    """The application without dependencies."""
    return contexts.copy(CHECKOUT / "testdata/apps/plain")


@pytest.fixture
def fresh(account: Account, outbox: Path) -> dict[str, str]:
    """A home of its own: no image, no cache."""
    home, owner = outbox / "home", account.engines.instance.user_id
    (home / "run").mkdir(parents=True)
    for folder in (home, home / "run"):
        folder.chmod(0o700)
        os.chown(folder, owner, owner)
    return {
        "HOME": str(home), "XDG_CACHE_HOME": f"{home}/.cache", "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_DATA_HOME": f"{home}/.local/share", "XDG_RUNTIME_DIR": f"{home}/run",
    }  # fmt: skip
