"""`cir lock` with the real uv and an index of this test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cirfile.codec import decode_lock
from tests.cli.conftest import Cir
from tests.support.index import Index
from tests.support.wheels import Wheel


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("wheels")
    Wheel("alpha", "1.0").write(folder)
    with Index(folder) as running:
        yield running


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
    Wheel("alpha", "2.0").write(index.folder)
    assert cir("lock", "--check", *argument).returncode == 1
    assert (cir.folder / "Cirfile.lock").read_bytes() == data


def test_index_settings_of_the_environment(cir: Cir, index: Index) -> None:
    cir.write("Cirfile", "FROM debian:12\nREQUIRE pypi alpha\n")
    cir.environ["UV_DEFAULT_INDEX"] = index.url
    assert cir("lock").returncode == 0
    assert decode_lock((cir.folder / "Cirfile.lock").read_bytes()).components[0].index == index.url


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
