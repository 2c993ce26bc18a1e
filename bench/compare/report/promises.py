"""What was promised, the paper's figures and our goals, beside what was measured; nothing is estimated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.compare import phases
from bench.compare.report.figures import Figures

#: Whom we compare, by name in the samples.
OURS, PEER = "cir", "docker"


@dataclass(frozen=True)
class Result:
    """One promise and one scenario; ``value`` is None where it was not measured."""

    what: str
    promised: str
    scenario: str
    value: float | None
    text: str
    met: bool


@dataclass(frozen=True)
class Promise:
    """A figure that something should be: ``of`` finds it for a scenario and a link, ``met`` judges it.

    :param mbit: the link it holds for; 0 is any, and the first is taken
    """

    what: str
    promised: str
    of: Callable[[Figures, str, str], float | None]
    met: Callable[[float], bool]
    shape: str = "{:.1%}"
    mbit: float = 0

    def results(self, figures: Figures) -> list[Result]:
        """One for each scenario."""
        links = [name for name, rate in figures.plan.links.items() if not self.mbit or rate == self.mbit]
        made: list[Result] = []
        for scenario in figures.plan.scenarios:
            value = self.of(figures, scenario, links[0]) if links else None
            if value is None:
                why = "not measured" if links else f"not measured: no link of {self.mbit:g} Mbit/s"
                made.append(Result(self.what, self.promised, scenario, None, why, False))
            else:
                text = self.shape.format(value)
                made.append(Result(self.what, self.promised, scenario, value, text, self.met(value)))
        return made


def _saved(ours: str, peer: str) -> Callable[[Figures, str, str], float | None]:
    """Share of the peer's time that ours saves."""

    def share(figures: Figures, scenario: str, link: str) -> float | None:
        ratio = figures.ratio(scenario, (OURS, ours), (PEER, peer), link)
        return None if ratio is None else 1 - ratio

    return share


def _times(ours: str, peer: str) -> Callable[[Figures, str, str], float | None]:
    """How many times as fast as the peer."""

    def factor(figures: Figures, scenario: str, link: str) -> float | None:
        ratio = figures.ratio(scenario, (OURS, ours), (PEER, peer), link)
        return None if not ratio else 1 / ratio

    return factor


def _of_same(figures: Figures, scenario: str, link: str) -> float | None:
    return figures.ratio(scenario, (OURS, phases.BUILD_COLD), (PEER, phases.BUILD_SAME), link)


def _smaller(figures: Figures, scenario: str, _link: str) -> float | None:
    """Whole images beside each other, base and all."""
    every = ("base", "shared", "own")
    ours, peer = (figures.size(system, [scenario], every) for system in (OURS, PEER))
    return 1 - ours / peer if ours is not None and peer else None


def _smaller_alone(figures: Figures, scenario: str, _link: str) -> float | None:
    """Bytes that no other image has, beside the peer's dependency layer."""
    ours, peer = figures.size(OURS, [scenario], ["own"]), figures.largest(PEER, scenario)
    return 1 - ours / peer if ours is not None and peer else None


PAPER = (
    Promise("image smaller, unique bytes to the dependency layer", "95 %", _smaller_alone, lambda v: v >= 0.95),
    Promise("image smaller, whole images with their bases", "95 %", _smaller, lambda v: v >= 0.95),
    Promise(
        "deployment faster, base present", "40-60 %",
        _saved(phases.DEPLOY_BASE, phases.DEPLOY_BASE), lambda v: v >= 0.4,
    ),
    Promise("build faster", "77-86 %", _saved(phases.BUILD_COLD, phases.BUILD_COLD), lambda v: v >= 0.77),
)  # fmt: skip
GOALS = (
    Promise(
        "unique bytes smaller than the dependency layer", "at least 99 %", _smaller_alone, lambda v: v >= 0.99,
        "{:.2%}",
    ),
    Promise(
        "build times as fast as the cold one", "at least 10", _times(phases.BUILD_COLD, phases.BUILD_COLD),
        lambda v: v >= 10, "{:.1f}",
    ),
    Promise("build to the peer's with nothing changed", "at most 1.5", _of_same, lambda v: v <= 1.5, "{:.2f}"),
    Promise(
        "deployment faster, base present, 500 Mbit/s", "at least 40 %",
        _saved(phases.DEPLOY_BASE, phases.DEPLOY_BASE), lambda v: v >= 0.4, mbit=500,
    ),
    Promise(
        "deployment faster, components shared, 500 Mbit/s", "at least 85 %",
        _saved(phases.DEPLOY_SHARED, phases.DEPLOY_SHARED), lambda v: v >= 0.85, mbit=500,
    ),
    Promise(
        "two architectures, times as fast as with emulation", "at least 20",
        _times(phases.BUILD_PLATFORMS, phases.BUILD_PLATFORMS), lambda v: v >= 20, "{:.1f}",
    ),
)  # fmt: skip


def results(figures: Figures, promises: tuple[Promise, ...]) -> list[Result]:
    """All of them, for every scenario."""
    return [result for promise in promises for result in promise.results(figures)]
