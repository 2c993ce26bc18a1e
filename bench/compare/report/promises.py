"""What was promised, the paper's figures and our goals, beside what was measured; nothing is estimated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bench.compare import phases
from bench.compare.report.figures import Figures, Spread

#: Whom we compare, by name in the samples: ours, its peer, and the words for both.
DOCKER = ("cir", "docker")
PAIRS = {DOCKER: "Docker", ("cir-buildah", "buildah"): "Buildah", ("cir-apptainer", "apptainer"): "Apptainer"}
#: The link that goals for deployments hold for.
_GOAL_MBIT = 500
#: An image of Apptainer is one file: what is its own and what is the base's cannot be told apart.
_ONE_FILE = "apptainer"


@dataclass(frozen=True)
class Kind:
    """How a figure is judged and shown.

    :param at_most: whether it must not be above what was promised
    :param instead: what a share below nothing is: so many ``times as long`` as the peer
    """

    unit: str
    at_most: bool = False
    instead: str = "times as long"

    def shown(self, value: float) -> str:
        """Shares are rounded down: 99.996 % is not 100 %."""
        if self.unit == "%" and value < 0:
            return f"{1 - value:.2f} {self.instead}"
        if self.unit == "%":
            return f"{math.floor(value * 1e4) / 1e2:.2f} %"
        return f"{value:.2f}"

    def range(self, low: float, high: float) -> str:
        """The lowest and the highest of some rounds."""
        if self.unit == "%":
            return f"({low * 100:.0f} to {high * 100:.0f} %)"
        return f"({low:.1f} to {high:.1f})"

    def met(self, value: float, promised: float) -> bool:
        """Whether a figure is as promised."""
        return value <= promised if self.at_most else value >= promised

    def gap(self, value: float, promised: float) -> str:
        """How far a figure is from what was promised."""
        far = abs(promised - value)
        size = f"{far * 100:.2f} points" if self.unit == "%" else f"{far:.2f}"
        return f"{size} {'over' if self.at_most else 'short'}"


SAVED, SMALLER = Kind("%"), Kind("%", instead="times as large")
TIMES, AT_MOST = Kind("x"), Kind("x", at_most=True)


def engine_of(system: str) -> str:
    """The engine that a system's images run on; usual ways are of the engine whose expert's they stand beside."""
    system = system.removesuffix("-usual")
    return next((peer for (ours, peer) in PAIRS if system in (ours, peer)), DOCKER[1])


def is_one_file(system: str) -> bool:
    """Whether an image is one file, whose base cannot be told from what is its own."""
    return engine_of(system) == _ONE_FILE


@dataclass(frozen=True)
class Result:
    """One promise and one scenario; ``value`` is None where it was not measured.

    :param rounds: the lowest and the highest of the rounds, in words, where there are several
    :param steady: whether the verdict would be the same of each round
    :param exists: whether the scenario has what the promise is about
    """

    scenario: str
    value: float | None
    text: str
    met: bool = False
    gap: str = ""
    rounds: str = ""
    steady: bool = True
    exists: bool = True

    @property
    def state(self) -> str:
        """Met, missed, or missing; empty where there is nothing to measure."""
        if not self.exists:
            return ""
        return "missing" if self.value is None else "met" if self.met else "missed"

    @property
    def verdict(self) -> str:
        """The state in words."""
        return self.state if self.steady else f"{self.state}, not in every round"


#: Finds a figure for two systems, a scenario and a link; None where it was not measured.
Measure = Callable[[Figures, tuple[str, str], str, str], Spread | None]


@dataclass(frozen=True)
class Promise:
    """A figure that something should be: ``of`` finds it for two systems, a scenario and a link.

    :param key: its name in `causes.json`
    :param text: what was promised, in words
    :param limit: the same as a number
    :param mbit: the link it holds for; 0 is the main one
    :param phase: one that does not exist for every scenario, where it is about such a one
    """

    key: str
    what: str
    text: str
    limit: float
    kind: Kind
    of: Measure
    mbit: float = 0
    phase: str = ""

    def results(self, figures: Figures, pair: tuple[str, str] = DOCKER) -> list[Result]:
        """One for each scenario."""
        link = figures.link_of(self.mbit) if self.mbit else figures.main
        made: list[Result] = []
        for scenario in figures.plan.scenarios:
            found = self.of(figures, pair, scenario, link) if link else None
            if scenario not in figures.plan.having(self.phase):
                made.append(Result(scenario, None, "one platform", exists=False))
            elif found is None:
                why = "not measured" if link else f"not measured: no link of {self.mbit:g} Mbit/s"
                if figures.apart(scenario, (pair[0], ""), (pair[1], ""), link):
                    why = "not in one sitting"
                made.append(Result(scenario, None, why))
            else:
                made.append(self._judged(scenario, found))
        return made

    def _judged(self, scenario: str, found: Spread) -> Result:
        value = found.median
        met = self.kind.met(value, self.limit)
        gap = "" if met else self.kind.gap(value, self.limit)
        rounds = self.kind.range(found.low, found.high) if found.count > 1 else ""
        steady = all(self.kind.met(end, self.limit) == met for end in (found.low, found.high))
        return Result(scenario, value, self.kind.shown(value), met, gap, rounds, steady)


def pairs(figures: Figures) -> dict[tuple[str, str], str]:
    """Those of the run: Docker's always."""
    there = figures.plan.systems.keys()
    return {pair: name for pair, name in PAIRS.items() if pair == DOCKER or there >= set(pair)}


def _saved(phase: str) -> Measure:
    """Share of the peer's time that ours saves."""

    def share(figures: Figures, pair: tuple[str, str], scenario: str, link: str) -> Spread | None:
        found = figures.ratio(scenario, (pair[0], phase), (pair[1], phase), link)
        return found and Spread(1 - found.median, 1 - found.high, 1 - found.low, found.count)

    return share


def _times(phase: str) -> Measure:
    """How many times as fast as the peer."""

    def factor(figures: Figures, pair: tuple[str, str], scenario: str, link: str) -> Spread | None:
        found = figures.ratio(scenario, (pair[0], phase), (pair[1], phase), link)
        if found is None or not found.low:
            return None
        return Spread(1 / found.median, 1 / found.high, 1 / found.low, found.count)

    return factor


def _of_same(phase: str) -> Measure:
    """How many times as long as the peer's build of nothing changed: of medians, rounds of two phases are no pairs."""

    def factor(figures: Figures, pair: tuple[str, str], scenario: str, link: str) -> Spread | None:
        if figures.apart(scenario, (pair[0], phase), (pair[1], phases.BUILD_SAME), link):
            return None
        ours = figures.spread(scenario, pair[0], phase, link)
        peer = figures.spread(scenario, pair[1], phases.BUILD_SAME, link)
        return _one(ours.median / peer.median) if ours and peer and peer.median else None

    return factor


def _smaller(figures: Figures, pair: tuple[str, str], scenario: str, _link: str) -> Spread | None:
    """Whole images beside each other, base and all."""
    every = ("base", "shared", "own")
    ours, peer = (figures.size(system, [scenario], every) for system in pair)
    return _one(1 - ours / peer) if ours is not None and peer else None


def _smaller_alone(figures: Figures, pair: tuple[str, str], scenario: str, _link: str) -> Spread | None:
    """Bytes that no other image has, beside the peer's dependency layer."""
    if is_one_file(pair[0]):
        return None
    ours, peer = figures.size(pair[0], [scenario], ["own"]), figures.largest(pair[1], scenario)
    return _one(1 - ours / peer) if ours is not None and peer else None


def _one(value: float) -> Spread:
    """A figure that rounds do not differ in, or that was not taken round by round."""
    return Spread(value, value, value, 1)


PAPER = (
    Promise("paper-bytes", "image smaller, own bytes", "95 %", 0.95, SMALLER, _smaller_alone),
    Promise("paper-whole", "image smaller, whole", "95 %", 0.95, SMALLER, _smaller),
    Promise("paper-deploy", "deployment faster", "40-60 %", 0.4, SAVED, _saved(phases.DEPLOY_BASE)),
    Promise("paper-build", "build faster", "77-86 %", 0.77, SAVED, _saved(phases.BUILD_COLD)),
)  # fmt: skip
GOALS = (
    Promise(
        "bytes", "image smaller, own bytes", "at least 99 %", 0.99, SMALLER, _smaller_alone
    ),
    Promise(
        "build-cold", "build, nothing cached, times as fast", "at least 10", 10, TIMES, _times(phases.BUILD_COLD)
    ),
    Promise(
        "build-same", "build, nothing cached, to the peer's of nothing changed", "at most 1.5", 1.5, AT_MOST,
        _of_same(phases.BUILD_COLD),
    ),
    Promise(
        "build-code", "build, code changed, to the peer's of nothing changed", "at most 1.5", 1.5, AT_MOST,
        _of_same(phases.BUILD_CODE),
    ),
    Promise(
        "deploy-base", "deployment faster, base present, 500 Mbit/s", "at least 40 %", 0.4, SAVED,
        _saved(phases.DEPLOY_BASE), _GOAL_MBIT,
    ),
    Promise(
        "deploy-shared", "deployment faster, components shared, 500 Mbit/s", "at least 85 %", 0.85, SAVED,
        _saved(phases.DEPLOY_SHARED), _GOAL_MBIT,
    ),
    Promise(
        "platforms", "build for two platforms, times as fast as with emulation", "at least 20", 20, TIMES,
        _times(phases.BUILD_PLATFORMS), phase=phases.BUILD_PLATFORMS,
    ),
)  # fmt: skip
