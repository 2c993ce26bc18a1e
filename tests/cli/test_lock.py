"""`cir lock` with the real uv and an index of this test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from cirfile.codec import decode_lock, encode_lock
from tests.cli.conftest import CHECKOUT, Cir
from tests.support.index import Index
from tests.support.wheels import Wheel


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("wheels")
    Wheel("alpha", "1.0").write(folder)
    with Index(folder) as running:
        yield running


@pytest.fixture
def cir(cir: Cir) -> Cir:
    """The registry has every base, and none that tells its Python."""
    (cir.state / "imagetools").write_text('{"config": {"Env": ["PATH=/usr/bin"]}}')
    return cir


def _cirfile(cir: Cir, requirement: str = "alpha") -> None:
    cir.write("Cirfile", f"FROM debian:12\nARG INDEX\nREQUIRE pypi --index-url $INDEX {requirement}\n")


def test_write_check_and_print(cir: Cir, index: Index) -> None:
    _cirfile(cir)
    argument = ["--build-arg", f"INDEX={index.url}"]
    assert cir("lock", "--check", *argument).returncode == 1
    done = cir("lock", *argument)
    assert done.returncode == 0
    assert "wrote Cirfile.lock: 1 components, 1 artifacts" in done.stderr
    data = (cir.folder / "Cirfile.lock").read_bytes()
    assert decode_lock(data).components[0].version == "1.0"
    assert cir("lock", "-o", "-", *argument).stdout.encode() == data
    assert cir("lock", "--check", *argument).stdout == "Cirfile.lock is up to date\n"
    made = decode_lock(data)
    other = encode_lock(replace(made, resolver="uv 0.0.1"))
    (cir.folder / "Cirfile.lock").write_bytes(other)
    assert cir("lock", "--check", *argument).returncode == 0, "a colleague's uv may be another one"
    for wrong in (b"{", encode_lock(replace(made, components=()))):
        (cir.folder / "Cirfile.lock").write_bytes(wrong)
        assert cir("lock", "--check", *argument).returncode == 1
    (cir.folder / "Cirfile.lock").write_bytes(data)
    Wheel("alpha", "2.0").write(index.folder)
    assert cir("lock", "--check", *argument).returncode == 1
    assert (cir.folder / "Cirfile.lock").read_bytes() == data


@pytest.mark.parametrize("words", [[], ["--check"], ["-o", "-"]])
@pytest.mark.parametrize(
    ("told", "reason", "hint"),
    [
        (None, "python:3.12: not found", "start Docker, or `docker login`"),
        (
            '{"linux/s390x": {"config": {}}}',
            "`docker buildx imagetools` names no image for linux/",
            "check --pl",
        ),
        ("nonsense", "`docker buildx imagetools` names no image for linux/", "check --pl"),
    ],
)
def test_a_base_that_cannot_be_asked(
    cir: Cir, index: Index, words: list[str], told: str | None, reason: str, hint: str
) -> None:
    """The lock would be another one than the build's; the one that is there stays."""
    answer = cir.state / "imagetools"
    answer.unlink()
    if told is not None:
        answer.write_text(told)
    cir.write("Cirfile", "FROM python:3.12\nREQUIRE pypi alpha\n")
    cir.write("Cirfile.lock", "good")
    cir.environ["UV_DEFAULT_INDEX"] = index.url
    done = cir("lock", *words)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith(f"error: the Python of the base python:3.12 is not known: {reason}")
    assert f"\nhint: {hint}" in done.stderr
    assert "PLATFORMS python=3.12" in done.stderr
    assert (cir.folder / "Cirfile.lock").read_text() == "good"


def test_a_base_that_cannot_be_asked_without_buildx(cir: Cir) -> None:
    (cir.state / "imagetools").unlink()
    (cir.state / "no-buildx").touch()
    cir.write("Cirfile", "FROM python:3.12\nREQUIRE pypi alpha\n")
    done = cir("lock")
    assert done.returncode == 69
    assert (
        "is not known: this docker has no buildx\nhint: install the buildx plug-in of Docker; or"
        in done.stderr
    )


def test_no_docker_but_the_python_is_told(cir: Cir, index: Index) -> None:
    cir.write("Cirfile", "FROM python:3.12\nREQUIRE pypi alpha\n")
    cir.environ |= {"UV_DEFAULT_INDEX": index.url, "PATH": "/nonexistent"}
    done = cir("lock")
    assert done.returncode == 69
    assert "is not known: there is no `docker` on PATH" in done.stderr
    cir.write("Cirfile", "FROM python:3.12\nPLATFORMS python=3.12\nREQUIRE pypi alpha\n")
    done = cir("lock")
    assert done.returncode == 0
    assert done.stderr.startswith("note: what the base python:3.12 sets (Python, indexes) is left out here: ")
    assert (cir.folder / "Cirfile.lock").exists()


def test_index_settings_of_the_environment(cir: Cir, index: Index) -> None:
    cir.write("Cirfile", "FROM debian:12\nREQUIRE pypi alpha\n")
    cir.environ["UV_DEFAULT_INDEX"] = index.url
    assert cir("lock").returncode == 0
    assert decode_lock((cir.folder / "Cirfile.lock").read_bytes()).components[0].index == index.url


def test_credentials_of_the_environment(
    cir: Cir, index: Index, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As with `cir build` they reach the index and nothing else: no lock, no plan, no message."""
    cir.write("Cirfile", "FROM debian:12\nREQUIRE pypi alpha\n")
    password = 'h u#s\\h"'
    with Index(index.folder, user="me", password=password) as guarded:
        place = guarded.root.partition("://")[2]
        cir.environ["UV_INDEX_URL"] = f"http://me:{quote(password)}@{place}/simple/"
        plan = cir("plan", "--json")
        assert json.loads(plan.stdout)["manifest"]["indexes"][0]["url"] == guarded.url, plan.stderr
        done = cir("lock", "-o", "-")
        assert done.returncode == 0, done.stderr
        (found,) = decode_lock(done.stdout.encode()).components
        assert (found.name, found.index) == ("alpha", guarded.url)
        cir.environ["UV_INDEX_URL"] = f"http://me:wrong@{place}/simple/"
        refused = cir("lock")
    assert refused.returncode == 69
    assert "wrong" not in refused.stderr


def test_a_lock_is_replaced_whole(cir: Cir, index: Index) -> None:
    """Who reads the old lock meanwhile reads all of it; links and modes stay, nothing else is left."""
    _cirfile(cir)
    argument = ["--build-arg", f"INDEX={index.url}"]
    target = cir.write("locks/real.lock", "old")
    target.chmod(0o640)
    (cir.folder / "Cirfile.lock").symlink_to("locks/real.lock")
    with target.open() as reader:
        assert cir("lock", *argument).returncode == 0
        assert reader.read() == "old"
    assert (cir.folder / "Cirfile.lock").readlink() == Path("locks/real.lock")
    assert decode_lock(target.read_bytes()).components[0].name == "alpha"
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(target.parent.iterdir()) == [target]
    printed = cir("lock", "-o", "/dev/stdout", *argument)
    assert printed.stdout.encode() == target.read_bytes()


def test_a_lock_that_cannot_be_written(tmp_path: Path) -> None:
    """The file system is full: the old lock stays, nothing is left beside it."""
    target = tmp_path / "Cirfile.lock"
    target.write_text("old")
    script = (
        "import resource, signal, sys; from pathlib import Path; from cirfile.cli.lock import write_whole; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)); write_whole(Path(sys.argv[1]), b'0' * 100)"
    )
    argv = [sys.executable, "-c", script, str(target)]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True)
    assert "OSError: [Errno 27]" in done.stderr
    assert (target.read_text(), list(tmp_path.iterdir())) == ("old", [target])


def test_an_unknown_package(cir: Cir, index: Index) -> None:
    _cirfile(cir, "nosuch")
    done = cir("lock", "--build-arg", f"INDEX={index.url}")
    assert done.returncode == 69
    assert done.stderr.startswith("error: no package index has `nosuch`\nhint: ")
    assert not (cir.folder / "Cirfile.lock").exists()


def test_requirements_from_a_file_of_the_context_only(cir: Cir, index: Index, tmp_path: Path) -> None:
    cir.environ["UV_DEFAULT_INDEX"] = index.url
    cir.write("app/Cirfile", "FROM debian:12\nREQUIRE pypi -r requirements.txt\n")
    cir.write("requirements.txt", "alpha\n")
    assert cir("lock", "app").returncode == 65
    cir.write("app/requirements.txt", "alpha\n")
    assert cir("lock", "app").returncode == 0
    (cir.folder / "app" / "requirements.txt").unlink()
    (cir.folder / "app" / "requirements.txt").symlink_to(tmp_path / "requirements.txt")
    assert cir("lock", "app").returncode == 65
