"""Stores that are refused, and how those of one user are made."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from shim import contents, failure, location, promise
from shim.cold import _Start
from shim.errors import PERMISSION, TRY_AGAIN, ShimError
from shim.facts import Facts, Interpreter
from shim.guard import Guard
from shim.launch import environment
from shim.progress import Silent
from shim.settings import Settings
from shim.store import Store
from tests.support.tmpfs import tmpfs

KEY = "ab" * 32


@pytest.fixture
def noexec(tmp_path: Path) -> Iterator[Path]:
    """A file system as Docker mounts it for `--tmpfs`."""
    with tmpfs(tmp_path / "noexec", "size=1m,noexec") as folder:
        yield folder


def test_a_store_whose_libraries_could_not_be_loaded_is_refused(noexec: Path) -> None:
    with pytest.raises(ShimError, match="noexec") as caught:
        location.writable(Settings({b"CIR_STORE": os.fsencode(noexec)}), {}, print)
    assert caught.value.code == PERMISSION


def test_such_a_folder_is_passed_over(noexec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(location, "DEFAULT_STORE", str(noexec / "default"))
    monkeypatch.setattr(location, "fallback_stores", lambda _: (str(noexec / "1"), str(tmp_path / "2")))
    said: list[str] = []
    assert location.writable(Settings({}), {}, said.append).root == tmp_path / "2"
    assert "noexec" in said[0]


@pytest.mark.parametrize("mask", [0o002, 0o007, 0o022, 0o077])
def test_a_private_store_is_written_by_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int
) -> None:
    monkeypatch.setattr(location, "DEFAULT_STORE", "/proc/nowhere")
    monkeypatch.setattr(location, "fallback_stores", lambda _: (str(tmp_path / ".cache/cir"),))
    before = os.umask(mask)
    try:
        store = location.writable(Settings({}), {}, lambda _: None)
        (store.root / "later").mkdir()  # as layers and entries of the cache are
    finally:
        os.umask(before)
    found = {path for path in (tmp_path / ".cache").rglob("*") if path.is_dir()}
    assert len(found) > 4
    assert not [path for path in (tmp_path / ".cache", *found) if path.stat().st_mode & 0o022]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ESTALE, "Stale file handle", "/var/lib/cir/claims/x"), TRY_AGAIN, "/var/lib/cir/claims/x"),
        (OSError(errno.EIO, "Input/output error", b"/var/lib/cir/x"), TRY_AGAIN, "input/output error"),
        (OSError(errno.EIO, "Input/output error", "/.cir/lib/x"), 70, "fault of the shim"),
        (OSError(errno.EINVAL, "Invalid argument", "/var/lib/cir/x"), 70, "fault of the shim"),
        (RuntimeError("can't start new thread"), TRY_AGAIN, "--pids-limit"),
        (RuntimeError("something else"), 70, "fault of the shim"),
    ],
)  # fmt: skip
def test_whose_fault_it_is(error: Exception, code: int, words: str) -> None:
    found = failure.of(error)
    assert found.code == code
    assert words in f"{found.message} {found.hint}"


def test_a_free_threaded_python_is_told_from_others() -> None:
    facts = Facts("amd64", "glibc", (2, 36), Interpreter("/usr/bin/python3", (3, 13, 0), abiflags="t"))
    assert "python=3.13t " in promise.describe(facts)


@pytest.mark.parametrize("given", [None, b"C", b"POSIX", b"C.UTF-8", b"de_DE.UTF-8"])
def test_the_locale_of_the_application_is_that_of_its_user(given: bytes | None, tmp_path: Path) -> None:
    """Python replaces that of C by one of UTF-8 (PEP 538), in its own environment."""
    code = "import sys, shim.launch as l; sys.stdout.buffer.write(l.environment().get(b'LC_CTYPE', b'-'))"
    env = {b"PYTHONPATH": os.fsencode(Path(__file__).parents[2])} | ({b"LC_CTYPE": given} if given else {})
    found = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True).stdout
    assert found == (given or b"-")
    assert environment()


def test_a_read_only_store_says_why_each_start_takes_longer(tmp_path: Path) -> None:
    """Its layer is of another boot: it is read to its end, and that cannot be noted."""
    said: list[str] = []
    progress = SimpleNamespace(note=said.append, debug=lambda _: None)
    with tmpfs(tmp_path / "store", "size=1m") as root:
        store = Store.create(root)
        (root / "layers" / KEY).mkdir()
        (root / "layers" / KEY / "layer.json").write_text("{}")
        contents.write(root / "layers" / KEY, "another boot", {})
        assert store.is_sound(KEY)
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        _Start({}, Settings({}), cast(Silent, progress), cast(Guard, None))._record(store, "a" * 64, KEY)
    assert len(said) == 1
    assert "start once with the store writable" in said[0]
