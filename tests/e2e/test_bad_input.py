"""What goes wrong in containers and builds: clear message, right status, nothing half-made; the next run heals."""

from __future__ import annotations

import hashlib
import random
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.docker import Docker
from tests.e2e.conftest import Build
from tests.support.index import Fault, Index
from tests.support.wheels import Wheel

TRACE = "Traceback (most recent call last)"


@pytest.fixture(scope="module")
def image(
    docker: Docker, frontend_ref: str, greeting_index: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """An application that needs one package of the test index."""
    folder = tmp_path_factory.mktemp("bad")
    command = '["python3", "-c", "import greeting; print(greeting.WORD)"]'
    text = f"FROM python:3.11-slim\nREQUIRE pypi --index-url {greeting_index} greeting\nCMD {command}\n"
    (folder / "Cirfile").write_text(text)
    name = "localhost/cir/bad-input"
    docker.run(
        "buildx",
        "build",
        "-f",
        str(folder / "Cirfile"),
        "--build-arg",
        f"BUILDKIT_SYNTAX={frontend_ref}",
        "-t",
        name,
        "--load",
        str(folder),
    )
    return name


@pytest.fixture
def store(docker: Docker) -> Iterator[str]:
    """An empty store volume."""
    name = f"cir-test-{uuid.uuid4().hex[:8]}"
    docker.run("volume", "create", name)
    yield name
    docker.run("volume", "rm", "-f", name)


def start(docker: Docker, image: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run the image; the application must not have been started when it fails."""
    done = subprocess.run(
        docker.argv("run", "--rm", *flags, image), capture_output=True, text=True, timeout=120
    )
    assert TRACE not in done.stderr
    return done


def heals(docker: Docker, image: str, store: str) -> None:
    """The next start with the same store works."""
    done = start(docker, image, "-v", f"{store}:/var/lib/cir")
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def fails(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """It ended with a status and named what matters, and the application printed nothing."""
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_unreachable_index(docker: Docker, image: str, store: str, greeting_index: str) -> None:
    """No network: 69, and the host is named."""
    done = start(docker, image, "--network", "none", "-v", f"{store}:/var/lib/cir")
    fails(done, 69, "greeting", greeting_index.split("/")[2].split(":")[0])
    heals(docker, image, store)


def test_offline(docker: Docker, image: str, store: str) -> None:
    """CIR_OFFLINE=1 and nothing in the store: fails at once, says so."""
    done = start(docker, image, "-e", "CIR_OFFLINE=1", "-v", f"{store}:/var/lib/cir")
    fails(done, 69, "CIR_OFFLINE", "greeting")
    heals(docker, image, store)


@pytest.mark.parametrize("kind", ["corrupt", "truncate"])
def test_wrong_bytes(kind: str, docker: Docker, image: str, store: str, index: Index) -> None:
    """A component that is not what the lock says is refused and not kept."""
    index.fail(r"/files/greeting.*\.whl$", Fault(kind, times=30))
    done = start(docker, image, "-v", f"{store}:/var/lib/cir")
    index.forgive()
    fails(done, 69, "greeting-1.0-py3-none-any.whl")
    heals(docker, image, store)


def test_another_wheel_of_the_same_name(
    docker: Docker, image: str, store: str, index: Index, wheels: Path
) -> None:
    """A valid wheel, and not the one that was locked: refused and not kept."""
    locked = wheels / Wheel("greeting").filename
    original = locked.read_bytes()
    try:
        Wheel("greeting", files={"greeting.py": "WORD = 'other'\n"}).write(wheels)
        done = start(docker, image, "-v", f"{store}:/var/lib/cir")
    finally:
        locked.write_bytes(original)
    fails(done, 69, locked.name, "lock")
    heals(docker, image, store)


@pytest.fixture
def bulky(build: Build, index: Index, wheels: Path) -> str:
    """An application whose one package is a hundred times larger unpacked than fetched."""
    content = random.Random(0).randbytes(16 << 10) * 1500
    Wheel("bulky", files={"bulky/__init__.py": "WORD = 'hello'\n", "bulky/large.bin": content}).write(wheels)
    command = '["python3", "-c", "import bulky; print(bulky.WORD)"]'
    text = f"FROM python:3.11-slim\nREQUIRE pypi --index-url {index.url} bulky\nCMD {command}\n"
    build(text, {}, "-t", "localhost/cir/bulky", "--load")
    return "localhost/cir/bulky"


@pytest.fixture
def small_store(docker: Docker) -> Iterator[str]:
    """A store volume of 12 MB that can grow; a container of the same name keeps it mounted."""
    name = f"cir-test-{uuid.uuid4().hex[:8]}"
    options = ("type=tmpfs", "device=tmpfs", "o=size=12m")
    docker.run("volume", "create", *(word for option in options for word in ("--opt", option)), name)
    run = ("run", "-d", "--rm", "--privileged", "--name", name, "-v", f"{name}:/store")
    docker.run(*run, "debian:12-slim", "sleep", "600")
    yield name
    docker.run("rm", "-f", name)
    docker.run("volume", "rm", "-f", name)


def test_full_disk(docker: Docker, bulky: str, small_store: str) -> None:
    """A store with room for the download only: 75, and it says where and how much; with more room it heals."""
    fails(
        start(docker, bulky, "-v", f"{small_store}:/var/lib/cir"),
        75,
        "/var/lib/cir",
        "no space left",
        "MB free",
    )
    left = docker.run("exec", small_store, "find", "/store", "-type", "f").stdout.split()
    assert left == [], "nothing half-made is left"
    docker.run("exec", small_store, "mount", "-o", "remount,size=200m", "/store")
    heals(docker, bulky, small_store)


def test_disk_without_room_for_anything(docker: Docker, image: str) -> None:
    """Not even the store's folders: 75 as well."""
    done = start(docker, image, "--tmpfs", "/var/lib/cir:exec,size=4k")
    fails(done, 75, "/var/lib/cir")


def test_unwritable_store(docker: Docker, image: str, store: str) -> None:
    """An empty store mounted read-only on a read-only root: 77, with what to add to the command."""
    done = start(docker, image, "--read-only", "-v", f"{store}:/var/lib/cir:ro", "-e", "HOME=/nonexistent")
    fails(done, 77, "/var/lib/cir")
    heals(docker, image, store)


def test_unwritable_store_elsewhere(docker: Docker, image: str, store: str) -> None:
    """With a writable folder the layer is made there, and a warning says that it will not last."""
    done = start(docker, image, "-u", "4567", "-v", f"{store}:/var/lib/cir:ro")
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert "warning" in done.stderr


@pytest.mark.parametrize(("path", "text"), [
    ("/.cir/cir.json", ""),
    ("/.cir/cir.json", "{\"cir\":1"),
    ("/.cir/cir.json", "{\"cir\":99}"),
    ("/.cir/cir.json", "[]"),
    ("/.cir/lock/pypi.json", "{}"),
    ("/.cir/lock/pypi.json", "{\"cir-lock\":1,\"ecosystem\":\"pypi\"}"),
])  # fmt: skip
def test_corrupted(path: str, text: str, docker: Docker, image: str, store: str, tmp_path: Path) -> None:
    """A damaged manifest or lock is refused with 65 and named."""
    (tmp_path / "file").write_text(text)
    done = start(docker, image, "-v", f"{tmp_path}/file:{path}:ro", "-v", f"{store}:/var/lib/cir")
    fails(done, 65, path)
    heals(docker, image, store)


def test_missing_python(build: Build, docker: Docker, image: str, store: str, greeting_index: str) -> None:
    """Python packages on a base without Python: 78, and the way out; the store serves a base that has it."""
    without = "localhost/cir/no-python"
    build(
        f'FROM debian:12-slim\nREQUIRE pypi --index-url {greeting_index} greeting\nCMD ["true"]\n',
        {},
        "-t",
        without,
        "--load",
    )
    fails(start(docker, without, "-v", f"{store}:/var/lib/cir"), 78, "Python")
    heals(docker, image, store)


@pytest.mark.parametrize(
    ("requirement", "word"), [("deb libgomp1", "libgomp1"), ("cran jsonlite", "jsonlite")]
)
def test_not_provided_yet(requirement: str, word: str, build: Build, docker: Docker) -> None:
    """What the shim cannot provide yet is said, never ignored."""
    image = "localhost/cir/not-yet"
    build(f'FROM python:3.11-slim\nREQUIRE {requirement}\nCMD ["true"]\n', {}, "-t", image, "--load")
    fails(start(docker, image), 78, word)


def test_setup_is_not_provided_yet(build: Build, docker: Docker) -> None:
    """SETUP travels in the manifest and is refused at start."""
    image = "localhost/cir/not-yet"
    build('FROM python:3.11-slim\nSETUP echo prepared\nCMD ["true"]\n', {}, "-t", image, "--load")
    fails(start(docker, image), 78, "SETUP")


def test_platform_not_promised(build: Build, docker: Docker) -> None:
    """An image that promises musl alone, on a base with glibc, says what it promises and what this is."""
    image = "localhost/cir/promise"
    build('FROM python:3.11-slim\nPLATFORMS libc=musl\nCMD ["true"]\n', {}, "-t", image, "--load")
    fails(start(docker, image), 78, "musl", "glibc")


def test_architecture_not_promised(build: Build) -> None:
    """An architecture that is built for and not promised is found at build."""
    built = build('FROM python:3.11-slim\nPLATFORMS arch=arm64\nCMD ["true"]\n', ok=False)
    assert built.status != 0
    assert ">>> PLATFORMS arch=arm64" in built.talk
    assert "amd64" in built.talk


def test_unknown_package(build: Build, greeting_index: str) -> None:
    """The build fails at the line that asks for it."""
    built = build(f"FROM python:3.11-slim\n\nREQUIRE pypi --index-url {greeting_index} gr33ting\n", ok=False)
    assert built.status != 0
    assert "gr33ting" in built.talk
    assert ">>> REQUIRE pypi" in built.talk
    assert TRACE not in built.talk


def test_unreachable_index_at_build(build: Build) -> None:
    """An index that does not answer: the address is named."""
    built = build(
        "FROM python:3.11-slim\nREQUIRE pypi --index-url http://127.0.0.1:9/simple greeting\n", ok=False
    )
    assert built.status != 0
    assert "127.0.0.1:9" in built.talk
    assert TRACE not in built.talk


def test_no_fitting_wheel(build: Build, index: Index, wheels: Path) -> None:
    """A package without a wheel for a promised platform is found at build, not at deployment."""
    Wheel("onlyintel", tag="cp311-cp311-manylinux_2_17_x86_64", files={"onlyintel.py": ""}).write(wheels)
    built = build(f"FROM python:3.11-slim\nREQUIRE pypi --index-url {index.url} onlyintel\n", ok=False)
    assert built.status != 0
    assert "onlyintel" in built.talk
    assert "arm64" in built.talk
    narrower = (
        f"FROM python:3.11-slim\nPLATFORMS arch=amd64\nREQUIRE pypi --index-url {index.url} onlyintel\n"
    )
    assert build(narrower).status == 0


def test_same_inputs_same_digest(build: Build, greeting_index: str) -> None:
    """Folder, order and times of the files, and a fresh frontend process, change no digest."""
    text = f"FROM python:3.11-slim\nREQUIRE pypi --index-url {greeting_index} greeting\nCOPY . /app\nWORKDIR /w\n"
    files = {name: f"{name}\n" for name in ("a", "b", "c/d", "c/e")}
    digests = set()
    for order in (list(files), list(reversed(files))):
        built = build(text, {name: files[name] for name in order}, "--no-cache")
        image = built.images["linux/amd64"]
        digests.add(hashlib.sha256(repr((image.layers, image.config)).encode()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("epoch", ["0", "1700000000"])
def test_source_date_epoch(epoch: str, build: Build) -> None:
    """SOURCE_DATE_EPOCH sets the time of creation and of the files."""
    built = build("FROM scratch\nCOPY a /a\n", {"a": "a"}, "--build-arg", f"SOURCE_DATE_EPOCH={epoch}")
    expected = {"0": "1970-01-01T00:00:00Z", "1700000000": "2023-11-14T22:13:20Z"}[epoch]
    assert built.images["linux/amd64"].config["created"] == expected
