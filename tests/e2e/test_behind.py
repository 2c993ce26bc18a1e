"""Applications in real containers that start before all bytecode is made: it is made behind them, unnoticed."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devtools.docker import Docker
from shim import contents, unfinished
from tests.e2e.conftest import Build
from tests.support.index import Index
from tests.support.wheels import Wheel

MODULES = 600
#: Long enough to compile that some are still missing when the first one has been imported.
TEXT = "".join(
    f"def f{number}(a, b=1, *c, **d):\n    return [a, b, c, d, {number}]\n" for number in range(150)
)

#: Says what it sees of processes that it did not start, starts one itself, and waits to be told to end.
APPLICATION = """
import json, os, signal, sys, time
signals = []
signal.signal(signal.SIGCHLD, lambda *_: signals.append(1))
import lengthy.m0
print("first", flush=True)

def others():
    found = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    return [open(f"/proc/{name}/comm").read().strip() for name in found]

if sys.argv[1:] == ["stay"]:
    before = others()
    while os.path.exists(sys.prefix + "/layer.part"):
        time.sleep(0.05)
    time.sleep(0.2)
    try:
        unexpected = os.wait()
    except ChildProcessError:
        unexpected = None
    own = os.fork()
    if not own:
        os._exit(7)
    print(json.dumps([before, unexpected, os.wait() == (own, 7 << 8), os.getpid()]), flush=True)
"""


@pytest.fixture
def image(build: Build, index: Index, wheels: Path) -> str:
    """An application that imports one module of six hundred, and names all of them."""
    files = {f"lengthy/m{number}.py": TEXT for number in range(MODULES)}
    files["lengthy/__init__.py"] = ""
    Wheel("lengthy", files=files).write(wheels)
    later = "\n".join(f"    import lengthy.m{number}" for number in range(1, MODULES))
    text = f"FROM python:3.11-slim\nREQUIRE pypi --index-url {index.url} lengthy\n"
    text += 'WORKDIR /app\nCOPY app.py later.py .\nENTRYPOINT ["python3", "/app/app.py"]\n'
    build(
        text,
        {"app.py": APPLICATION, "later.py": f"def later():\n{later}\n"},
        "-t",
        "localhost/cir/behind",
        "--load",
    )
    return "localhost/cir/behind"


@dataclass(frozen=True)
class Store:
    """A store in a folder that this machine sees as well."""

    folder: Path

    @property
    def layer(self) -> Path:
        return next((self.folder / "layers").iterdir())

    @property
    def bytecode(self) -> int:
        return len(list(self.layer.rglob("lengthy/__pycache__/*.pyc")))

    @property
    def is_warm(self) -> bool:
        return bool(list((self.folder / "active").iterdir()))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store")
    made.folder.mkdir()
    yield made
    subprocess.run(["rm", "-rf", str(made.folder)], check=True)


def start(
    docker: Docker, image: str, store: Store, *flags: str, words: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    argv = docker.argv("run", "--rm", "-v", f"{store.folder}:/var/lib/cir", *flags, image, *words)
    return subprocess.run(argv, capture_output=True, text=True, timeout=120)


def test_the_application_does_not_notice(docker: Docker, image: str, store: Store) -> None:
    """It is the container's first process, finds nobody to wait for, and its own children as ever."""
    done = start(docker, image, store, words=("stay",))
    first, said = done.stdout.splitlines()
    before, unexpected, own, pid = json.loads(said)
    assert (first, done.returncode, pid) == ("first", 0, 1), done.stderr
    assert "cir-behind" in before, "nothing went on behind it"
    assert (unexpected, own) == (None, True)
    assert store.bytecode == MODULES + 1
    assert not unfinished.is_unfinished(store.layer)
    assert contents.intact(store.layer)
    assert store.is_warm


def test_short_containers_finish_it_one_after_the_other(docker: Docker, image: str, store: Store) -> None:
    """Each ends with its application; what was made until then stays, and the fourth waits for the rest."""
    made = []
    for _ in range(4):
        done = start(docker, image, store)
        assert (done.returncode, done.stdout) == (0, "first\n"), done.stderr
        made.append(store.bytecode)
        if store.is_warm:
            break
    assert made == sorted(made)
    assert made[0] < made[-1] == MODULES + 1, made
    assert store.is_warm
    assert not unfinished.is_unfinished(store.layer)
    assert contents.intact(store.layer)
    warm = start(docker, image, store)
    assert (warm.stdout, warm.stderr) == ("first\n", "")


@pytest.mark.parametrize("flags", [("--memory", "512m"), ("--cpus", "1"), ("-e", "CIR_MODE=materialize")])
def test_where_it_waits(docker: Docker, image: str, store: Store, flags: tuple[str, ...]) -> None:
    """Small containers, and where nobody starts."""
    done = start(docker, image, store, *flags)
    assert done.returncode == 0, done.stderr
    assert "cir: compile" in done.stderr
    assert store.bytecode == MODULES + 1
    assert store.is_warm


def test_other_users_and_an_init(docker: Docker, image: str, store: Store) -> None:
    """With an init as first process, and by a user who cannot write what another has made."""
    name = f"cir-test-{uuid.uuid4().hex[:8]}"
    flags = ("--init", "--name", name, "--entrypoint", "/.cir/path/python")
    argv = docker.argv(
        "run",
        "--rm",
        "-v",
        f"{store.folder}:/var/lib/cir",
        *flags,
        image,
        "-c",
        "import lengthy.m0, time; print('up', flush=True); time.sleep(60)",
    )
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout
            assert running.stdout.readline() == "up\n"
            other = start(docker, image, store, "-u", "4567")
            assert (other.returncode, other.stdout) == (0, "first\n"), other.stderr
            end = time.monotonic() + 60
            while unfinished.is_unfinished(store.layer) and time.monotonic() < end:
                time.sleep(0.1)
            assert not unfinished.is_unfinished(store.layer)
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                docker.run("rm", "-f", name)
    warm = start(docker, image, store, "-u", "4567")
    assert (warm.returncode, warm.stdout) == (0, "first\n"), warm.stderr
