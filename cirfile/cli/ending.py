"""How a command ends where a signal asks it to: programs it started end, and what is half-made is removed.

``scancel``, a time limit or a CI server sends SIGTERM, a lost terminal or ssh SIGHUP. Both become an exception in the
main thread, so that whoever has something to remove does it where it always does. What nobody can do after SIGKILL is
left to the next start (see `buildah_plugin.folders`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class _Asked:
    """What signals have asked of this process; its main thread handles them."""

    def __init__(self) -> None:
        self.number = 0
        self.waits = False
        self.is_due = False

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Signal handler: end; a second signal changes nothing, for it would cut the removing short."""
        if not self.number:
            self.number = number
            self.is_due = self.waits
            if not self.waits:
                self.end()

    def end(self) -> None:
        """Raise `SystemExit` with the status of a program that the signal has ended."""
        self.is_due = False
        raise SystemExit(128 + self.number)


_ASKED = _Asked()


@contextmanager
def terminable() -> Iterator[None]:
    """Let signals raise `SystemExit` in a block, 128 and their number, but those that are ignored, as under nohup."""
    _ASKED.number = 0
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, _ASKED.on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


@contextmanager
def postponed() -> Iterator[None]:
    """Let a signal wait for the end of a block: what is made there has to be known before it can be removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _ASKED.waits = True
    try:
        yield
    finally:
        _ASKED.waits = False
        if _ASKED.is_due:
            _ASKED.end()
