"""How far a run is: a bar where somebody looks at a terminal, a line a sample elsewhere; and when it will end."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean
from typing import TextIO

from bench.compare import phases
from bench.compare.samples import Key

#: What a sample takes about with what comes before it, in seconds, where none of its kind was taken yet.
_GUESS = 12.0
_GUESSES = {phases.BUILD_SAME: 2.0, phases.PUSH: 5.0, phases.DEPLOY_WARM: 3.0, phases.BUILD_PLATFORMS: 120.0}


class Estimate:
    """What samples will take, from what those of their kind took."""

    def __init__(self) -> None:
        self._took: dict[tuple[str, ...], list[float]] = defaultdict(list)

    def add(self, key: Key, seconds: float) -> None:
        """Note what one took."""
        for kind in self._kinds(key):
            self._took[kind].append(seconds)

    def of(self, keys: Iterable[Key]) -> float:
        """Seconds that these will take."""
        return sum(map(self._one, keys))

    def _one(self, key: Key) -> float:
        for kind in self._kinds(key):
            if kind in self._took:
                return fmean(self._took[kind])
        return _GUESSES.get(key.phase, _GUESS)

    @staticmethod
    def _kinds(key: Key) -> list[tuple[str, ...]]:
        """From what is most alike to what is less so."""
        phase, system = key.phase, key.system
        return [
            (phase, system, key.scenario, key.link),
            (phase, system, key.scenario),
            (phase, system),
            (phase,),
        ]


class Progress:
    """Says what was measured, to a person or to a log."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._bar = stream.isatty()
        self._drawn = ""

    def say(self, line: str) -> None:
        """A line that stays."""
        self._clear()
        print(f"bench: {line}", file=self._stream, flush=True)
        self._draw()

    def at(self, done: int, total: int, seconds: float, now: str) -> None:
        """Draw the bar, where there is one: how far, how long still, what is being measured."""
        if not self._bar:
            return
        width = 24
        filled = width * done // max(total, 1)
        text = f"[{'#' * filled}{'.' * (width - filled)}] {done}/{total}, {minutes(seconds)} left: {now}"
        self._clear()
        self._drawn = text[: shutil.get_terminal_size().columns - 1]
        self._draw()

    def end(self) -> None:
        """Take the bar away."""
        self._clear()
        self._drawn = ""

    def _clear(self) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=self._stream)

    def _draw(self) -> None:
        if self._drawn:
            print(self._drawn, end="", file=self._stream, flush=True)


def minutes(seconds: float) -> str:
    """A time to wait, as people say it."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
