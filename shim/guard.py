"""What may end an assembly from outside: a signal, or the deadline.

As PID 1 a process gets no signal that it has no handler for, so handlers are installed explicitly.
Both ways out raise an exception in the main thread, so that everything half-made is removed; should
that take longer than a moment, the process ends at once, and the next start sweeps up.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from shim.errors import TRY_AGAIN, ShimError

#: Those that end a program unless it says otherwise: any of them may be the image's STOPSIGNAL.
SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPWR,
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
)
#: Seconds that removing what is half-made may take.
_GRACE = 3.0


class Interrupted(BaseException):
    """A signal asks to end; the exit code is 128 and the signal's number, as shells have it."""

    def __init__(self, number: int) -> None:
        known = number in {each.value for each in signal.Signals}  # real-time ones have no names in between
        super().__init__(signal.Signals(number).name if known else f"signal {number}")
        self.code = 128 + number


class Guard:
    """Ends work in time. `check` is for workers: it raises in their thread what the main thread got."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._end = time.monotonic() + timeout
        self._ending = 0

    def check(self) -> None:
        """Raise `ShimError` (75) once the deadline has passed or a signal has come."""
        if self._ending or time.monotonic() >= self._end:
            raise self._late()

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Signal handler: end the work; a second signal changes nothing."""
        if not self._ending:
            self._ending = 128 + number
            signal.setitimer(signal.ITIMER_REAL, _GRACE)
            raise Interrupted(number)

    def on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        """Timer: the deadline, or the end of the grace after it."""
        if self._ending:
            os.write(2, b"cir: ended before everything half-made was removed; the next start removes it\n")
            os._exit(self._ending)
        self._ending = TRY_AGAIN
        signal.setitimer(signal.ITIMER_REAL, _GRACE)
        raise self._late()

    def start_timer(self) -> None:
        """Let `on_alarm` come at the deadline."""
        signal.setitimer(signal.ITIMER_REAL, max(self._end - time.monotonic(), 0.001))

    def _late(self) -> ShimError:
        message = f"the assembly was not finished within {self.timeout:g} s"
        hint = "what was fetched is kept: start again, or allow more time with CIR_TIMEOUT"
        return ShimError(TRY_AGAIN, message, hint)


@contextmanager
def guarded(timeout: float) -> Iterator[Guard]:
    """Run a block under a deadline of `timeout` seconds, with signals that end it cleanly."""
    guard = Guard(timeout)
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    for number in SIGNALS:
        if before[number] is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, guard.on_signal)
    signal.signal(signal.SIGALRM, guard.on_alarm)
    guard.start_timer()
    try:
        yield guard
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
