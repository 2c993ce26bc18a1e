"""`PIN latest` and `PIN as-of`: resolved by the first start on a host, kept for the next ones."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devtools.docker import Docker, certificates
from devtools.engines.api import Engines
from devtools.paths import CHECKOUT
from tests.e2e.conftest import Build
from tests.support.certificate import make_certificate
from tests.support.index import Index
from tests.support.wheels import Wheel

PINS = {"latest": ("2.0", "3.0"), "as-of=2026-03-01": ("1.0", "1.0")}
SEEN = "alpha.VERSION, os.environ.get('UV_INDEX'), 'me:' in str(os.environ)"
APP = 'CMD ["python3", "-c", "import alpha, os; print(alpha.VERSION)"]'


def publish(folder: Path, version: str, day: str) -> None:
    """Add a version to an index, uploaded on a day."""
    wheel = Wheel("alpha", version, files={"alpha.py": f"VERSION = '{version}'\n"}).write(folder)
    uploaded = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    os.utime(wheel, (uploaded, uploaded))


@dataclass(frozen=True)
class Company:
    """An index behind a password and a company's certificate, and what a host needs to reach it."""

    index: Index
    netrc: Path
    bundle: Path

    @property
    def trust(self) -> tuple[str, ...]:
        """Flags of a run that hand over the certificates."""
        return ("-v", f"{self.bundle}:/run/ca.crt:ro", "-e", "SSL_CERT_FILE=/run/ca.crt")

    @property
    def login(self) -> tuple[str, ...]:
        """Flags of a run that hand over the credentials."""
        return ("-v", f"{self.netrc}:/run/netrc:ro", "-e", "NETRC=/run/netrc")


@pytest.fixture
def company(engines: Engines, tmp_path: Path) -> Iterator[Company]:
    """The index has two versions. The bundle is the host's, which the resolver is fetched with, and the company's."""
    folder, netrc, bundle = tmp_path / "wheels", tmp_path / "netrc", tmp_path / "bundle.crt"
    folder.mkdir()
    publish(folder, "1.0", "2026-01-05")
    publish(folder, "2.0", "2026-06-05")
    made = make_certificate(tmp_path, engines.bridge_ip)
    own = certificates()
    bundle.write_text((own.read_text() if own else "") + made.ca.read_text())
    password = "s3cr3t-" + uuid.uuid4().hex
    netrc.write_text(f"machine {engines.bridge_ip} login me password {password}\n")
    with Index(folder, address=engines.bridge_ip, user="me", password=password, tls=made.pair) as running:
        yield Company(running, netrc, bundle)


@pytest.fixture(scope="module")
def store(docker: Docker) -> Iterator[str]:
    """One store for all, so that the resolver is fetched once."""
    name = f"cir-test-{uuid.uuid4().hex[:8]}"
    docker.run("volume", "create", name)
    yield name
    docker.run("volume", "rm", "-f", name)


def start(docker: Docker, store: str, image: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run the application with the store."""
    argv = docker.argv("run", "--rm", "-v", f"{store}:/var/lib/cir", *flags, image)
    return subprocess.run(argv, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("pin", PINS)
def test_pin(pin: str, build: Build, docker: Docker, store: str, company: Company) -> None:
    """Not resolved by the build; once by the first start; then without network; anew only where that is meant."""
    first, later = PINS[pin]
    image, index = f"localhost/cir/pin-{uuid.uuid4().hex[:8]}", company.index
    build(
        f"FROM python:3.11-slim\nARG INDEX\nREQUIRE pypi --index-url $INDEX alpha\nPIN {pin}\n{APP}\n", {},
        "--build-arg", f"INDEX={index.url}", "-t", image, "--load",
    )  # fmt: skip
    assert index.requests == [], "the build asked nobody"
    try:
        refused = start(docker, store, image, *company.trust)
        assert (refused.returncode, refused.stdout) == (69, ""), refused.stderr
        assert index.address in refused.stderr
        untrusted = start(docker, store, image, *company.login)
        assert (untrusted.returncode, untrusted.stdout) == (69, ""), untrusted.stderr
        cold = start(docker, store, image, *company.trust, *company.login)
        assert (cold.returncode, cold.stdout) == (0, f"{first}\n"), cold.stderr
        assert index.password not in refused.stderr + untrusted.stderr + cold.stderr

        publish(index.folder, "3.0", "2026-09-05")
        index.requests.clear()
        warm = start(docker, store, image, "--network", "none")
        assert (warm.returncode, warm.stdout, warm.stderr) == (0, f"{first}\n", "")
        assert index.requests == []

        again = start(docker, store, image, *company.trust, *company.login, "-e", "CIR_MODE=materialize")
        assert (again.returncode, again.stdout) == (0, ""), again.stderr
        renewed = start(docker, store, image, "--network", "none")
        assert (renewed.returncode, renewed.stdout) == (0, f"{later}\n"), renewed.stderr
        held = docker.run(
            "run", "--rm", "-v", f"{store}:/store:ro", "--entrypoint", "grep", "python:3.11-slim", "-r", "-l",
            index.password, "/store", check=False,
        )  # fmt: skip
        assert (held.returncode, held.stdout) == (1, ""), "the store holds no password"
    finally:
        docker.run("image", "rm", "-f", image)


def test_cir_run_with_the_indexes_of_the_host(
    build: Build, docker: Docker, engines: Engines, company: Company
) -> None:
    """The application's container knows what was resolved for it, though it gets neither index nor login."""
    image, index = f"localhost/cir/pin-{uuid.uuid4().hex[:8]}", company.index
    text = f"FROM python:3.11-slim\nREQUIRE pypi alpha\nPIN latest\n{APP.replace('alpha.VERSION', SEEN)}\n"
    build(text, {}, "-t", image, "--load")
    scheme, _, rest = index.url.partition("://")
    volume = f"cir-test-{uuid.uuid4().hex[:8]}"
    words = [
        *("env", f"PYTHONPATH={CHECKOUT}", f"UV_INDEX={scheme}://me:{index.password}@{rest}"),
        *(f"SSL_CERT_FILE={company.bundle}", "python3", "-B", "-m", "cirfile.cli"),
        *("run", "--store", volume, "--rm", image),
    ]
    try:
        done = subprocess.run(engines.command(words), capture_output=True, text=True, timeout=300)
        assert (done.returncode, done.stdout) == (0, "2.0 None False\n"), done.stderr
    finally:
        docker.run("volume", "rm", "-f", volume)
        docker.run("image", "rm", "-f", image)
