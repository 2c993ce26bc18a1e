"""A person at a terminal: a program on a pseudo-terminal, typed to and read from."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from types import TracebackType
from typing import Self


class Terminal:
    """Runs a program with a terminal of its own on all three streams; a context manager that ends it."""

    def __init__(self, argv: list[str], columns: int, lines: int) -> None:
        self._end, inner = pty.openpty()
        self.resize(columns, lines)
        self.seen = ""
        self.process = subprocess.Popen(
            argv, stdin=inner, stdout=inner, stderr=inner, start_new_session=True, preexec_fn=_take_terminal
        )
        os.close(inner)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the window; the kernel tells the program."""
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, text: str) -> None:
        """Press keys."""
        os.write(self._end, text.encode())

    def show_size(self, columns: int, lines: int, text: str) -> None:
        """Resize until ``text`` is shown: a client of an engine may begin to watch the size only after the start."""
        self.resize(columns, lines)
        deadline = time.monotonic() + 30
        while text not in self.seen and self.process.poll() is None and time.monotonic() < deadline:
            self.process.send_signal(signal.SIGWINCH)
            self._read(1)
        self.wait_for(text, 0)

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Read until ``text`` was shown since the last one waited for. Raise `AssertionError` if it never is."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert self._read(deadline - time.monotonic()), f"{text!r} never came, but {self.seen!r}"
        self.seen = self.seen.partition(text)[2]

    def status(self, seconds: float = 30) -> int:
        """Read to the end and return the exit status."""
        deadline = time.monotonic() + seconds
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(max(0, deadline - time.monotonic()))

    def _read(self, seconds: float) -> bool:
        if not select.select([self._end], [], [], max(0, seconds))[0]:
            return False
        try:
            piece = os.read(self._end, 4096)
        except OSError:  # EIO: nobody holds the other end any more
            return False
        self.seen += piece.decode(errors="replace")
        return bool(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._end)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
