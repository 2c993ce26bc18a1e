"""Workspaces of the cache: a living owner keeps its own whatever a sweep does, and what the dead have left goes."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shim.providers.pypi import cache as cache_module
from shim.providers.pypi.cache import Cache, Contents, File

LONG_AGO = (0, 0)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def works(cache: Cache) -> None:
    """Enter a workspace and work in it; a sweep does not take it."""
    with cache.workspace() as folder:
        (folder / "entry").mkdir()
        cache.sweep()
        (folder / "entry/file").write_text("made")
    assert left(cache) == []


def left(cache: Cache) -> list[str]:
    """What is in ``tmp``."""
    return sorted(str(path.relative_to(cache.folder / "tmp")) for path in cache.folder.glob("tmp/**/*"))


def test_a_sweep_before_the_lock_is_made(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner was stopped for a while after it had made the folder."""
    really = os.open
    swept: list[Path] = []

    def late(path: Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT and not swept:
            swept.append(path.parent)
            os.utime(path.parent, LONG_AGO)
            cache.sweep()
        return really(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", late)
    works(cache)
    assert swept


def test_a_sweep_before_the_lock_is_taken(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    really = fcntl.flock
    calls: list[int] = []

    def late(handle: int, operation: int) -> None:
        calls.append(handle)
        if len(calls) == 1:
            cache.sweep()
        really(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    works(cache)
    assert len(calls) > 2


def test_a_sweep_while_the_lock_is_taken(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has asked the lock before its owner does, and removes the folder afterwards."""
    lock, remove = fcntl.flock, shutil.rmtree
    removing, tried = threading.Event(), threading.Event()
    sweeper = threading.Thread(target=cache.sweep)

    def late(handle: int, operation: int) -> None:
        if threading.current_thread() is sweeper or tried.is_set():
            return lock(handle, operation)
        sweeper.start()
        assert removing.wait(10)
        try:
            lock(handle, operation)
        finally:
            tried.set()
            sweeper.join(10)

    def later(path: Path, ignore_errors: bool = False) -> None:
        if threading.current_thread() is sweeper:
            removing.set()
            assert tried.wait(10)
        remove(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(fcntl, "flock", late)
    monkeypatch.setattr(shutil, "rmtree", later)
    works(cache)
    assert tried.is_set()


def test_what_the_dead_have_left_goes_at_once(cache: Cache) -> None:
    """Killed before it had a lock, at work, and while somebody removed it."""
    with cache.workspace() as living:
        for name, entries in (("bare", ()), ("at-work", ("lock", "entry/")), ("removed", ("lock",))):
            folder = living.with_name(f"{living.name[:8]}-{name}")
            folder.mkdir()
            for entry in entries:
                (folder / entry).mkdir() if entry.endswith("/") else (folder / entry).touch()
        cache.sweep()
        assert left(cache) == [living.name, f"{living.name}/lock"]


@pytest.mark.parametrize("death", ["content", "lock"])
def test_a_removal_cut_short(death: str, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there after death in the middle of a removal goes with the next sweep."""

    class Killed(BaseException):
        pass

    really = os.unlink

    def unlink(path: str, **options: int) -> None:
        if str(path).endswith("file" if death == "content" else "lock"):
            raise Killed
        really(path, **options)

    workspace = cache.workspace()
    folder = workspace.__enter__()
    (folder / "entry").mkdir()
    for name in ("entry/file", "entry/other"):
        (folder / name).touch()
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", unlink)
        with pytest.raises(Killed):
            workspace.__exit__(None, None, None)
    assert f"{folder.name}/lock" in left(cache)
    close_handles_of(folder / "lock")  # as the kernel does
    cache.sweep()
    assert left(cache) == []


def close_handles_of(path: Path) -> None:
    for link in Path("/proc/self/fd").iterdir():
        if link.is_symlink() and link.readlink() == path:
            os.close(int(link.name))


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_age_tells(error: int, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", refuse)
    works(cache)
    with cache.workspace() as folder:
        old = folder.with_name(f"{folder.name[:8]}-old")
        old.mkdir()
        (old / "lock").touch()
        cache.sweep()
        assert old.is_dir()
        os.utime(old, LONG_AGO)
        cache.sweep()
        assert [path for path in left(cache) if "/" not in path] == [folder.name]


def test_an_entry_that_was_made_again_meanwhile_is_not_taken_away(cache: Cache) -> None:
    with cache.workspace() as workspace:
        (workspace / "made/site").mkdir(parents=True)
        (workspace / "made/site/a.py").touch()
        contents = Contents("a-1.dist-info", (File("site/a.py", 0, ""),))
        entry = cache.publish(workspace / "made", "ab" * 32, contents)
    cache.discard_ruin(entry, "site/a.py")
    assert cache.find("ab" * 32) == entry
    (entry.folder / "site/a.py").unlink()
    for _ in range(2):  # by two starts
        cache.discard_ruin(entry, "site/a.py")
        assert cache.find("ab" * 32) is None


def test_age_tells_of_another_host(cache: Cache) -> None:
    for name in ("0there00-young", "0there00-old"):
        folder = cache.folder / "tmp" / name
        folder.mkdir(parents=True)
        (folder / "lock").touch()
    os.utime(folder, LONG_AGO)
    cache.sweep()
    assert left(cache) == ["0there00-young", "0there00-young/lock"]


@pytest.mark.slow
def test_owners_and_sweeps_in_threads_and_processes(cache: Cache) -> None:
    """No owner loses its workspace; some owners are killed, and theirs go."""
    context = multiprocessing.get_context("spawn")
    end = time.monotonic() + 10
    crew = [context.Process(target=crowd, args=(cache, end)) for _ in range(4)]
    doomed = [context.Process(target=crowd, args=(cache, end + 60)) for _ in range(2)]
    for member in (*crew, *doomed):
        member.start()
    time.sleep(5)
    for member in doomed:
        assert member.pid
        os.kill(member.pid, signal.SIGKILL)
    for member in (*crew, *doomed):
        member.join()
    assert [member.exitcode for member in crew] == [0] * len(crew)
    cache.sweep()
    assert left(cache) == []


def crowd(cache: Cache, end: float) -> None:
    """Own workspaces in three threads and sweep in two; raise what any of them raises."""

    def own() -> None:
        with cache.workspace() as folder:
            (folder / "entry").mkdir()
            (folder / "entry/file").write_text("made")
            assert (folder / "lock").exists()

    def until_the_end(work: Callable[[], None]) -> None:
        while time.monotonic() < end:
            work()

    with ThreadPoolExecutor(5) as pool:
        for done in list(pool.map(until_the_end, (own, own, own, cache.sweep, cache.sweep))):
            assert done is None


def test_an_entry_that_is_published_while_it_is_looked_for_stays(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another container gives it its name after this one has read that it is not there."""
    contents = Contents("a-1.dist-info", (File("site/a.py", 0, ""),))
    genuine, sha256 = Path.read_bytes, "ab" * 32

    def read(path: Path) -> bytes:
        monkeypatch.setattr(Path, "read_bytes", genuine)
        with cache.workspace() as workspace:
            (workspace / "made/site").mkdir(parents=True)
            (workspace / "made/site/a.py").touch()
            cache.publish(workspace / "made", sha256, contents)
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    assert cache.find(sha256) is None
    found = cache.find(sha256)
    assert found
    assert found.contents == contents


def test_what_somebody_else_has_put_in_the_place_of_a_ruin_stays(cache: Cache) -> None:
    sha256 = "cd" * 32
    (cache.folder / sha256).mkdir(parents=True)
    judged = cache_module._identity(cache.folder / sha256)
    (cache.folder / sha256).rmdir()
    (cache.folder / "other").mkdir()
    (cache.folder / sha256).mkdir()
    (cache.folder / sha256 / "kept").touch()
    cache.discard(sha256, judged)
    assert (cache.folder / sha256 / "kept").exists()
    cache.discard(sha256, cache_module._identity(cache.folder / sha256))
    assert not (cache.folder / sha256).exists()
