"""Paired samples: both sides in turn, so that a drift of the machine meets both; medians and ratios."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Samples of ours and of the peer, taken in turn; in the unit that the name tells."""

    name: str
    unit: str
    ours: tuple[float, ...]
    peer: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median of the ratios ours to peer, pair by pair."""
        return statistics.median(a / b for a, b in zip(self.ours, self.peer, strict=True))

    @property
    def difference(self) -> float:
        """Median of the differences ours minus peer, pair by pair."""
        return statistics.median(a - b for a, b in zip(self.ours, self.peer, strict=True))

    def __str__(self) -> str:
        ours, peer = (
            f"{statistics.median(side):.3f} ({min(side):.3f}-{max(side):.3f})"
            for side in (self.ours, self.peer)
        )
        return f"{self.name}: ours {ours} {self.unit}, peer {peer} {self.unit}, ratio {self.ratio:.3f}"


@dataclass(frozen=True)
class Goal:
    """A figure against what was promised of it."""

    point: str
    what: str
    value: float
    limit: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure keeps the promise; every limit is an upper one."""
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "ok    " if self.met else "MISSED"
        return f"{verdict} {self.point} {self.what}: {self.value:.3f} <= {self.limit:g} {self.unit}".rstrip()


def pair(
    name: str,
    unit: str,
    rounds: int,
    ours: Callable[[int], float],
    peer: Callable[[int], float],
    warmup: int = 1,
) -> Pair:
    """Take ``rounds`` samples of each after ``warmup`` rounds that do not count."""
    kept: list[tuple[float, float]] = []
    for number in range(-warmup, rounds):
        print(
            f"bench: {name} {number + 1}/{rounds}" if number >= 0 else f"bench: {name} warm-up",
            file=sys.stderr,
            flush=True,
        )
        taken = (ours(number), peer(number)) if number % 2 else tuple(reversed((peer(number), ours(number))))
        if number >= 0:
            kept.append((taken[0], taken[1]))
    return Pair(name, unit, tuple(a for a, _ in kept), tuple(b for _, b in kept))


def save(path: Path, machine: dict[str, str], pairs: list[Pair], goals: list[Goal]) -> None:
    """Write machine, raw samples and goals as JSON lines."""
    lines = [
        {"machine": machine},
        *({"pair": asdict(p)} for p in pairs),
        *({"goal": asdict(g) | {"met": g.met}} for g in goals),
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
