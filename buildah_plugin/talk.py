"""What a build says while it works: lines on stderr, a phase a line, nothing with ``--quiet``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cirfile.errors import printable


@dataclass(frozen=True, slots=True)
class Talk:
    """How much is said: ``quiet`` leaves errors only, ``verbose`` adds commands and what they say."""

    quiet: bool = False
    verbose: bool = False

    def say(self, text: str) -> None:
        """Say a line."""
        if not self.quiet:
            sys.stderr.write(f"{printable(text)}\n")
            sys.stderr.flush()

    def detail(self, line: str) -> None:
        """Pass on a line of another program."""
        if self.verbose and line:
            self.say(f"  {line}")

    def debug(self, text: str) -> None:
        """Say what is done, to who wants to know."""
        if self.verbose:
            self.say(f"+ {text}")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Say what was done and how long it took, once it is done."""
        started = time.monotonic()
        yield
        self.say(f"{name}: {time.monotonic() - started:.1f} s")
