"""Long work, shown on stderr: bars on a terminal, a line a phase otherwise, JSON lines for programs."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping

#: Seconds between two drawings of a bar.
_PACE = 0.1
_WIDTH = 24


class Silent:
    """Shows nothing: `CIR_LOG=quiet`."""

    def phase(self, name: str, total: int = 0) -> None:
        """Begin a phase."""

    def advance(self, amount: int) -> None:
        """Report progress."""

    def note(self, text: str) -> None:
        """Say one line that a person should see."""

    def debug(self, text: str) -> None:
        """Say one line that helps to find a fault."""

    def close(self) -> None:
        """Take an unfinished bar off the terminal."""


class Lines(Silent):
    """A line a phase."""

    def __init__(self, write: Callable[[str], None], *, debug: bool = False) -> None:
        self._write = write
        self._debug = debug

    def phase(self, name: str, total: int = 0) -> None:
        """Begin a phase."""
        amount = f" {megabytes(total)}" if total >= 1_000_000 else ""
        self._write(f"cir: {name}{amount}\n")

    def note(self, text: str) -> None:
        """Say one line that a person should see."""
        self._write(f"cir: {text}\n")

    def debug(self, text: str) -> None:
        """Say one line that helps to find a fault."""
        if self._debug:
            self._write(f"cir: {text}\n")


class Bars(Lines):
    """A bar that is drawn over itself. Safe to call from several threads."""

    def __init__(self, write: Callable[[str], None], *, colour: bool, debug: bool = False) -> None:
        super().__init__(write, debug=debug)
        self._colour = colour
        self._lock = threading.Lock()
        self._name = ""
        self._total = self._done = 0
        self._drawn = 0.0

    def phase(self, name: str, total: int = 0) -> None:
        """Begin a phase."""
        with self._lock:
            self._name, self._total, self._done, self._drawn = name, total, 0, 0.0
            self._draw()

    def advance(self, amount: int) -> None:
        """Report progress."""
        with self._lock:
            self._done += amount
            self._draw()

    def note(self, text: str) -> None:
        """Say one line that a person should see, above the bar."""
        with self._lock:
            self._write(f"\r\x1b[Kcir: {text}\n")
            self._drawn = 0.0

    def debug(self, text: str) -> None:
        """Say one line that helps to find a fault."""
        if self._debug:
            self.note(text)

    def close(self) -> None:
        """Take an unfinished bar off the terminal."""
        with self._lock:
            if self._name:
                self._write("\r\x1b[K")
                self._name = ""

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._drawn < _PACE:
            return
        self._drawn = now
        self._write(f"\r\x1b[Kcir: {self._name}{self._bar()}")

    def _bar(self) -> str:
        if not self._total:
            return " ..."
        part = min(self._done / self._total, 1.0)
        filled = round(part * _WIDTH)
        bar = "━" * filled + " " * (_WIDTH - filled)
        bar = f"\x1b[36m{bar}\x1b[0m" if self._colour else bar
        amount = f" of {megabytes(self._total)}" if self._total >= 1_000_000 else ""
        return f" {bar} {part:4.0%}{amount}"


class Json(Silent):
    """One object a line, for programs."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def event(self, event: str, **fields: object) -> None:
        """Write one object."""
        self._write(json.dumps({"event": event, **fields}, separators=(",", ":")) + "\n")

    def phase(self, name: str, total: int = 0) -> None:
        """Begin a phase."""
        self.event("phase", name=name, total=total)

    def note(self, text: str) -> None:
        """Say one line that a person should see."""
        self.event("note", text=text)

    def debug(self, text: str) -> None:
        """Say one line that helps to find a fault."""
        self.event("debug", text=text)


def reporter(log: str, environment: Mapping[bytes, bytes]) -> Silent:
    """The progress of a value of `CIR_LOG`, on stderr as it is."""
    if log == "quiet":
        return Silent()
    if log == "json":
        return Json(_write)
    debug = log == "debug"
    if _is_terminal() and environment.get(b"TERM") not in (None, b"", b"dumb"):
        return Bars(_write, colour=not environment.get(b"NO_COLOR"), debug=debug)
    return Lines(_write, debug=debug)


def megabytes(amount: int) -> str:
    """Bytes as people read them; decimal units."""
    if amount < 1_000_000:
        return f"{amount / 1000:.1f} kB" if amount >= 1000 else f"{amount} B"
    return f"{amount / 1e6:.1f} MB" if amount < 1e9 else f"{amount / 1e9:.2f} GB"


def _is_terminal() -> bool:
    try:
        return os.isatty(2)
    except OSError:
        return False


def _write(text: str) -> None:
    """Write to stderr; that nobody listens is no reason to end."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        return
