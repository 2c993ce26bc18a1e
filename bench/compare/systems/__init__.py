"""The systems that are compared, each behind the same protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.compare.scenario import Scenario

#: Digest, bytes, and what it is (bench/compare/samples.py).
Blobs = tuple[tuple[str, int, str], ...]


@dataclass(frozen=True)
class Taken:
    """What a phase found out by itself, beside what the meter sees: numbers by metric, blobs of a pushed image.

    The blobs are asked for when the meter has stopped: looking at them is no part of the phase.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    blobs: Callable[[], Blobs] = tuple


class Job(Protocol):
    """One system at work on one scenario. Each method raises where a command fails."""

    def ready(self, phase: str, number: int) -> None:
        """Bring about what the phase begins with; not measured."""

    def act(self, phase: str, number: int) -> Taken:
        """Do what is measured."""

    def tidy(self) -> None:
        """Delete what earlier phases left on the host and in the registry and later ones do not need."""

    def forget_builds(self) -> None:
        """Delete what was built and what building cached: where the disk is full, and in the end."""


class System(Protocol):
    """A way to build, ship and start applications.

    A phase that is not among ``phases`` does not exist for the system, and is no gap in the report. One that ``alike``
    names is the same work as the phase it gives, and is measured with that.
    """

    @property
    def name(self) -> str:
        """Its name in the samples."""

    @property
    def title(self) -> str:
        """Its name for readers."""

    @property
    def recipe(self) -> str:
        """The file of a scenario that a maintainer keeps for it."""

    @property
    def phases(self) -> frozenset[str]:
        """What it does."""

    @property
    def alike(self) -> Mapping[str, str]:
        """Phases by those that are the same to it."""

    def versions(self) -> Mapping[str, str]:
        """Programs and their versions."""

    def open(self, scenario: Scenario, folder: Path) -> Job:
        """Begin with a scenario; ``folder`` is for its files and does not exist yet."""
