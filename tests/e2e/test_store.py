"""One store, many containers: a layer is made once, and no end of a process leaves a store that does not heal."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devtools.docker import Docker
from devtools.engines.api import Engines
from shim import contents
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
    """SIGKILL during a hundred assemblies, half of them from the cache; the next start heals each time."""
    store = tmp_path / "store"
    store.mkdir()
    chance = random.Random(uuid.uuid4().int)
    lasts = {
        True: assembly(docker, image, store, fresh=True),
        False: assembly(docker, image, store, fresh=False),
    }
    killed = attempts = 0
    while killed < KILLS:
        attempts += 1
        assert attempts < 3 * KILLS, "most assemblies had ended before they were killed"
        fresh = attempts % 2 == 0
        empty(store, everything=fresh)
        killed += killed_within(docker, image, store, chance.uniform(0, lasts[fresh]))
        healed = start(docker, image, str(store))
        assert (healed.returncode, healed.stdout) == (0, "all here\n"), (attempts, healed.stderr)
        (layer,) = (store / "layers").iterdir()
        assert contents.intact(layer)
    left = [path for folder in ("tmp", "claims", "trash") for path in (store / folder).glob("*")]
    assert left == [], "a whole start takes away what dead processes left"


def assembly(docker: Docker, image: str, store: Path, *, fresh: bool) -> float:
    """Seconds from the claim to the layer."""
    empty(store, everything=fresh)
    argv = docker.argv("run", "--rm", "-e", "CIR_MODE=materialize", "-v", f"{store}:/var/lib/cir", image)
    with subprocess.Popen(argv) as process:
        await_claim(store, process)
        begin = time.monotonic()
        while not list(store.glob("layers/*/layer.json")):
            assert process.poll() in (None, 0)
            time.sleep(0.002)
        return time.monotonic() - begin


def killed_within(docker: Docker, image: str, store: Path, seconds: float) -> bool:
    """Kill a start so long after it began to assemble; whether it had no layer by then."""
    mark = f"CIR_TEST={uuid.uuid4().hex}"
    argv = docker.argv("run", "--rm", "-e", mark, "-v", f"{store}:/var/lib/cir", image)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        await_claim(store, process)
        time.sleep(seconds)
        for process_id in processes_with(mark):
            with contextlib.suppress(ProcessLookupError):  # it went with another
                os.kill(process_id, signal.SIGKILL)
        out, err = process.communicate()
    assert (process.returncode, out) in ((137, ""), (137, "all here\n"), (0, "all here\n")), err
    return process.returncode == 137 and not list((store / "layers").glob("*"))


def processes_with(mark: str) -> list[int]:
    """The container's first process as the host sees it; `docker kill` comes too late for a short assembly."""
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in place.read_bytes().split(b"\0"):
                found.append(int(place.parent.name))
    return found


def await_claim(store: Path, process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Wait until the start begins to assemble."""
    while not list((store / "claims").glob("*")) and process.poll() is None:
        time.sleep(0.002)


def empty(store: Path, *, everything: bool) -> None:
    """Take the layers out of a store, and every second time the cache, too."""
    for folder in ("layers", "active", "cache") if everything else ("layers", "active"):
        shutil.rmtree(store / folder, ignore_errors=True)
