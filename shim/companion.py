"""A process beside this one that goes on once this one has become the application.

The application must not find a child that it has never started: one that ends turns up in wait(2). So it is made by
clone(2) without a signal to be sent, and wait(2) passes over such children unless `__WALL` asks for them (clone(2),
wait(2)). SIGCHLD the kernel sends all the same, once, to a parent that has executed another program since
(do_notify_parent in its kernel/signal.c), which does no harm: signals that tell of nothing are part of its contract.
What is left of it, a process table entry without a process, stays with the application until that ends, or asks.
Nothing of the C library runs around that call, so it is made while there is no other thread; where that or the call
cannot be had, by fork(2), and then it has to be waited for.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

#: clone(2) by machine: a signal of 0 and everything else 0 as well makes a process as fork(2) does.
_CLONE = {"x86_64": 56, "aarch64": 220}
_WALL = 0x40000000
_PR_SET_PDEATHSIG = 1
#: How long threads that were told to end may take for it, in seconds.
_PATIENCE = 0.2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05


class Companion:
    """One that runs. `hidden` tells whether it may go on once this process has become another program."""

    def __init__(self, pid: int, hidden: bool) -> None:
        self.hidden = hidden
        self._pid = pid

    @classmethod
    def start(cls, work: Callable[[], bool], keep: Collection[int]) -> Companion | None:
        """Run ``work``, which tells whether it went well, beside this process; `None` where no process can be had.

        It has the open files `keep` and none of the others, a process group of its own, and no terminal's signals;
        where memory runs out it is the first to go.
        """
        parent = os.getpid()
        pid = _clone() if _is_alone() else -1
        hidden = pid >= 0
        if not hidden:
            try:
                pid = os.fork()
            except OSError:
                return None
        if not pid:
            _be(work, keep, parent)
        with contextlib.suppress(OSError):  # it does so itself; whoever is first
            os.setpgid(pid, pid)
        return cls(pid, hidden)

    def wait(self, check: Callable[[], None]) -> bool:
        """Wait until it has ended; whether it ended well. ``check`` raises what shall end the wait."""
        pause = _FIRST_PAUSE
        while self._pid:
            try:
                found, status = os.waitpid(self._pid, _WALL | os.WNOHANG)
            except ChildProcessError:  # who started this process has it pass over its children
                found, status = self._pid, 1
            if found:
                self._pid = 0
                return status == 0
            check()
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        return False

    def kill(self) -> None:
        """End it and what it has started, at once."""
        if not self._pid:
            return
        pid, self._pid = self._pid, 0
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, _WALL)
            while True:  # of the first process those are children now that it had started
                os.waitpid(-pid, _WALL)


def _is_alone() -> bool:
    """Whether this process has no other thread, once those that end have ended."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            if len(list(Path("/proc/self/task").iterdir())) == 1:
                return True
        except OSError:
            return False
        if time.monotonic() > end:
            return False
        time.sleep(_FIRST_PAUSE)


def _clone() -> int:
    """As fork(2) returns; -1 where it cannot be made."""
    number = _CLONE.get(os.uname().machine)
    if number is None:
        return -1
    zero = ctypes.c_long(0)
    # PyDLL keeps Python's lock through the call, so the new process has it as well.
    return int(ctypes.PyDLL(None).syscall(ctypes.c_long(number), zero, zero, zero, zero, zero))


def _be(work: Callable[[], bool], keep: Collection[int], parent: int) -> None:
    """Be the companion. Does not return."""
    status = 1
    try:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        for number in signal.valid_signals() - {signal.SIGPIPE}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        _keep_only(keep)
        _end_with(parent)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
        with contextlib.suppress(BaseException):  # nobody is there to be told; the status tells whoever waits
            status = 0 if work() else 1
    finally:
        os._exit(status)


def _end_with(parent: int) -> None:
    """Have the kernel end this process with its parent, also when that has become the application (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise ProcessLookupError(parent)


def _keep_only(keep: Collection[int]) -> None:
    """Close every open file but some. Whoever reads what this process wrote must not wait for its end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        if number != nothing and number not in keep:
            os.dup2(nothing, number)
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number not in keep:
            with contextlib.suppress(OSError):  # that of the folder that was listed
                os.close(number)
