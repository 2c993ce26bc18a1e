"""A system whose times and sizes are known, run by the real runner; and one that fails half-way."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bench.compare import phases
from bench.compare.scenario import FILES, Scenario
from bench.compare.systems import Job, Taken

BASE = ("sha256:base", 80_000_000, "base")
OTHER_BASE = ("sha256:base-arm64", 70_000_000, "base")


@dataclass
class FakeNetwork:
    """Notes what it is told.

    :param missing: what a mirror lacks while something is measured; ``fills``: until that was said once
    """

    rate: float | None = None
    missing: list[str] = field(default_factory=list)
    fills: bool = False

    def prepare(self) -> None:
        if self.fills and self.rate is not None:
            self.missing = []
        self.rate = None

    def measure(self, mbit: float) -> None:
        self.rate = mbit

    def missed(self) -> list[str]:
        return self.missing if self.rate is not None else []

    def received(self) -> float:
        return 0.0

    def sent(self) -> float:
        return 0.0


@dataclass(frozen=True)
class Fake:
    """Phases take what they are told to, by round; nothing is built.

    :param slow: seconds of phases on a link of 100 Mbit/s, where they are others
    :param seconds: of each phase, in round 0; each further round takes a second more
    :param own: bytes of its own layer in the registry
    :param broken: the phase that fails, from its round 1 on
    """

    name: str
    title: str
    seconds: dict[str, float]
    own: int
    broken: str = ""
    slow: dict[str, float] = field(default_factory=dict)
    network: FakeNetwork = field(default_factory=FakeNetwork)
    recipe: str = "Dockerfile"
    alike: dict[str, str] = field(default_factory=dict)
    done: list[tuple[str, str, int]] = field(default_factory=list)
    tidied: list[int] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)

    @property
    def phases(self) -> frozenset[str]:
        return frozenset(self.seconds)

    def versions(self) -> dict[str, str]:
        return {self.name: "1"}

    def open(self, scenario: Scenario, folder: Path) -> Job:
        return FakeJob(self, scenario)


class FakeJob:
    def __init__(self, system: Fake, scenario: Scenario) -> None:
        self.system = system
        self.scenario = scenario

    def ready(self, phase: str, number: int) -> None:
        self.system.done.append((self.system.name, phase, number))

    def act(self, phase: str, number: int) -> Taken:
        if phase == self.system.broken and number >= 1:
            raise RuntimeError("no space left on device")
        known = self.system.seconds | (self.system.slow if self.system.network.rate == 100 else {})
        seconds = known[phase] + number
        values = {
            "seconds": seconds,
            "cpu": 2 * seconds,
            "peak": 3e6,
            "received": 4e6,
            "sent": 6e6,
            "elsewhere": 1e6,
            "disk": 5e6,
        }
        if phase in phases.DEPLOYMENTS:
            values |= {"pull": seconds / 4, "start": seconds * 3 / 4, "deployed": seconds}
        name = f"sha256:{self.system.name}-{self.scenario.name}"
        one = (BASE, (name, self.system.own, "own"))
        two = (*one, OTHER_BASE, (f"{name}-arm64", self.system.own, "own"))
        return Taken(values, lambda: {phases.PUSH: one, phases.PUSH_PLATFORMS: two}.get(phase, ()))

    def tidy(self) -> None:
        """Note that it was asked for."""
        self.system.tidied.append(len(self.system.done))

    def forget_builds(self) -> None:
        """Note that it was asked for."""
        self.system.forgotten.append(len(self.system.done))


def scenarios(folder: Path, *names: str) -> list[Scenario]:
    """Folders with all files of a scenario."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for file in FILES:
            (folder / name / file).write_text("FROM base\nline two\n")
    return [Scenario(folder / name) for name in names]
