"""One store, many containers: a layer is made once, and no end of a process leaves a store that does not heal."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devtools.docker import Docker
from devtools.engines.api import Engines
from tests.support.index import Index
from tests.support.wheels import Wheel

PACKAGES = 12
KILLS = 100


@pytest.fixture(scope="module")
def big_index(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """Packages with a few hundred files each, so that an assembly takes a while."""
    folder = tmp_path_factory.mktemp("big")
    chance = random.Random(7)
    for number in range(PACKAGES):
        name = f"part{number:02}"
        files = {f"{name}/m{n}.py": f"VALUE = {n}\n" for n in range(150)}
        blobs = {f"{name}/data{n}.bin": chance.randbytes(200_000) for n in range(3)}
        Wheel(name, files={f"{name}/__init__.py": "", **files, **blobs}).write(folder)
    with Index(folder, address=engines.bridge_ip) as running:
        yield running


@pytest.fixture(scope="module")
def image(
    docker: Docker, frontend_ref: str, big_index: Index, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """An application that imports every package."""
    folder = tmp_path_factory.mktemp("store")
    names = [f"part{number:02}" for number in range(PACKAGES)]
    imports = "\n".join(f"from {name} import m1, m149" for name in names)
    (folder / "app.py").write_text(f"{imports}\nprint('all here', flush=True)\n")
    needs = f"REQUIRE pypi --index-url {big_index.url} {' '.join(names)}"
    text = f'FROM python:3.11-slim\n{needs}\nCOPY app.py /app.py\nCMD ["python3", "/app.py"]\n'
    (folder / "Cirfile").write_text(text)
    name = "localhost/cir/store-test"
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


def start(docker: Docker, image: str, store: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run the application once with the store."""
    argv = docker.argv("run", "--rm", "-v", f"{store}:/var/lib/cir", *flags, image)
    return subprocess.run(argv, capture_output=True, text=True, timeout=300)


def test_ten_at_once(docker: Docker, image: str, store: str, big_index: Index) -> None:
    """Ten containers on an empty store: every wheel is fetched once, and all ten answer."""
    big_index.requests.clear()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: start(docker, image, store), range(10)))
    assert [(done.returncode, done.stdout) for done in answers] == [(0, "all here\n")] * 10, [
        a.stderr for a in answers
    ]
    fetched = {path: count for path, count in big_index.counts().items() if path.endswith(".whl")}
    assert len(fetched) == PACKAGES
    assert set(fetched.values()) == {1}


@pytest.mark.slow
def test_killed_at_any_moment(docker: Docker, image: str, tmp_path: Path) -> None:
    """SIGKILL at a random moment of the assembly, a hundred times; the next start is whole each time."""
    store = tmp_path / "store"
    store.mkdir()
    chance = random.Random(uuid.uuid4().int)
    begin = time.monotonic()
    assert start(docker, image, str(store), "-e", "CIR_MODE=materialize").returncode == 0
    whole = time.monotonic() - begin
    interrupted = 0
    for number in range(KILLS):
        empty(store, everything=number % 2 == 0)
        name = f"cir-test-{uuid.uuid4().hex[:8]}"
        docker.run("run", "-d", "--rm", "--name", name, "-v", f"{store}:/var/lib/cir", image)
        time.sleep(chance.uniform(0, whole))
        interrupted += docker.run("kill", "-s", "KILL", name, check=False).returncode == 0
        if number % 10 == 9:
            healed = start(docker, image, str(store))
            assert (healed.returncode, healed.stdout) == (0, "all here\n"), (number, healed.stderr)
    assert interrupted > KILLS / 4, "most containers had ended before they were killed"
    left = [path for folder in ("tmp", "claims", "trash") for path in (store / folder).glob("*")]
    assert left == [], "a whole start takes away what dead processes left"


def empty(store: Path, *, everything: bool) -> None:
    """Take the layers out of a store, and every second time the cache, too."""
    for folder in ("layers", "active", "cache") if everything else ("layers", "active"):
        shutil.rmtree(store / folder, ignore_errors=True)
