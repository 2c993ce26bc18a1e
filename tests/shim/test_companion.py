"""A process beside the shim: unseen by the program that the shim becomes, and gone when it shall be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from shim import companion
from shim.companion import Companion

_BECOME = """
import os, sys, time
from shim.companion import Companion

def work():
    time.sleep(float(sys.argv[1]))
    open(sys.argv[2], "w").write("done")
    return True

found = Companion.start(work, ())
assert found.hidden
os.execv(sys.executable, [sys.executable, "-c", sys.argv[3]])
"""

#: What an application sees that has started nothing itself.
_APPLICATION = """
import os, signal, time
signals = []
signal.signal(signal.SIGCHLD, lambda *_: signals.append(1))
time.sleep(1)
try:
    print(os.wait(), signals)
except ChildProcessError:
    print("no child", signals)
own = os.fork()
if not own:
    os._exit(7)
print(os.wait() == (own, 7 << 8))
"""


def become(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", _BECOME, *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)


def never() -> None:
    """Nothing ends the wait."""


def appears(path: Path) -> bool:
    end = time.monotonic() + 20
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    return path.exists()


def test_the_application_does_not_see_it(tmp_path: Path) -> None:
    """Nothing to wait for, also after it has ended, and its own children as ever; at most one SIGCHLD."""
    done = become("0.2", str(tmp_path / "done"), _APPLICATION)
    assert done.stdout in ("no child []\nTrue\n", "no child [1]\nTrue\n")
    assert (tmp_path / "done").exists()


def test_it_ends_with_the_application_and_nobody_waits_for_its_output(tmp_path: Path) -> None:
    """Who reads the application's output sees its end when the application ends."""
    began = time.monotonic()
    done = become("3", str(tmp_path / "done"), "print('application')")
    assert done.stdout == "application\n"
    assert time.monotonic() - began < 3
    time.sleep(3)
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("well", [True, False])
def test_its_result(well: bool) -> None:
    found = Companion.start(lambda: well, ())
    assert found
    assert found.wait(never) is well


def test_a_failure_is_a_result() -> None:
    found = Companion.start(lambda: bool(1 / 0), ())
    assert found
    assert not found.wait(never)


def test_beside_threads_it_is_an_ordinary_child() -> None:
    """The C library has to look after its locks; who starts it then waits for it."""
    ready = threading.Event()
    thread = threading.Thread(target=ready.wait)
    thread.start()
    try:
        found = Companion.start(lambda: True, ())
        assert found
        assert not found.hidden
        assert found.wait(never)
    finally:
        ready.set()
        thread.join()


def test_where_clone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a filter of system calls."""
    monkeypatch.setattr(companion, "_clone", lambda: -1)
    found = Companion.start(lambda: True, ())
    assert found
    assert not found.hidden
    assert found.wait(never)


def test_where_there_may_be_no_more_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(companion, "_clone", lambda: -1)
    monkeypatch.setattr(os, "fork", refuse)
    assert Companion.start(lambda: True, ()) is None


def test_the_wait_can_be_ended() -> None:
    def check() -> None:
        raise TimeoutError

    def work() -> bool:
        time.sleep(60)
        return True

    found = Companion.start(work, ())
    assert found
    with pytest.raises(TimeoutError):
        found.wait(check)
    found.kill()


def test_kill_ends_what_it_has_started(tmp_path: Path) -> None:
    def work() -> bool:
        child = subprocess.Popen(["sleep", "60"])
        (tmp_path / "pid.part").write_text(str(child.pid))
        (tmp_path / "pid.part").rename(tmp_path / "pid")
        child.wait()
        return True

    found = Companion.start(work, ())
    assert found
    assert appears(tmp_path / "pid")
    found.kill()
    pid = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 20
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(pid)
    assert not found.wait(never), "it can be asked again"


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_what_it_has_open_and_is(tmp_path: Path) -> None:
    """Its own standard streams, the files it was given and no other; no terminal's signals; first to go for memory."""
    reading, kept = os.pipe()
    _, other = os.pipe()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    def work() -> bool:
        found = [str(Path(f"/proc/self/fd/{name}").readlink()) for name in (0, 1, 2)]
        states = [Path(f"/proc/self/fd/{name}").exists() for name in (kept, other)]
        heard = signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
        group = os.getpgrp() == os.getpid()
        oom = Path("/proc/self/oom_score_adj").read_text().strip()
        os.write(kept, f"{found} {states} {heard} {group} {oom}".encode())
        return True

    found = Companion.start(work, {kept})
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    assert found
    assert found.wait(never)
    assert os.read(reading, 1000) == b"['/dev/null', '/dev/null', '/dev/null'] [True, False] True True 1000"
