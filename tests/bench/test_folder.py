"""The folder of a run: one comparison at a time on the same engines, and nothing is left of killed ones."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from bench.compare import __main__ as command


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    place = tmp_path / "disk"
    place.mkdir()
    return place


def test_a_second_comparison_on_the_same_engines_is_refused(tmp_path: Path, disk: Path) -> None:
    with command._folder(tmp_path, disk) as first:
        (first / "kept").touch()
        with (
            pytest.raises(ValueError, match="another comparison is running"),
            command._folder(tmp_path, disk),
        ):
            pass
        assert (first / "kept").exists()
    assert not first.exists()
    with command._folder(tmp_path, disk) as next_one:
        assert next_one.is_dir()


def test_a_run_on_other_engines_keeps_its_folder(tmp_path: Path, disk: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with command._folder(tmp_path, disk) as first, command._folder(tmp_path, other) as second:
        assert first.is_dir()
        assert second.is_dir()


def test_what_a_killed_run_left_goes(tmp_path: Path, disk: Path) -> None:
    left = tmp_path / f"{command._PREFIX}left"
    left.mkdir()
    (left / "large").touch()
    with command._folder(tmp_path, disk):
        assert not left.exists()


def test_what_is_no_folder_of_a_run_stays(tmp_path: Path, disk: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    link, file = tmp_path / f"{command._PREFIX}link", tmp_path / f"{command._PREFIX}file"
    link.symlink_to(elsewhere)
    file.touch()
    with command._folder(tmp_path, disk):
        pass
    assert link.is_symlink()
    assert file.exists()
    assert (elsewhere / "kept").exists()


def test_a_folder_that_a_process_holds_is_in_use(tmp_path: Path, disk: Path) -> None:
    held = tmp_path / f"{command._PREFIX}held"
    held.mkdir()
    descriptor = os.open(held, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with command._folder(tmp_path, disk):
            assert held.exists()
    finally:
        os.close(descriptor)
    with command._folder(tmp_path, disk):
        assert not held.exists()
