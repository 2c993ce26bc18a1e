"""Figures from raw samples: medians with spread, ratios pair by pair, unique bytes, and what is missing or failed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from string import ascii_lowercase

from bench.compare import phases
from bench.compare.samples import Key, Plan, Record, Sample


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of some samples."""

    median: float
    low: float
    high: float
    count: int

    def apart(self, other: Spread) -> bool:
        """Whether all samples of one are below all of the other."""
        return self.high < other.low or other.high < self.low


@dataclass(frozen=True)
class Figures:
    """Everything the report says, by scenario, system, phase and link."""

    plan: Plan
    machine: Mapping[str, str]
    samples: Mapping[Key, Sample]
    #: Of each run: its machine, and the keys of its samples.
    runs: tuple[tuple[Mapping[str, str], tuple[Key, ...]], ...] = ()

    @classmethod
    def of(cls, record: Record) -> Figures:
        """Take the last sample of each key; phases that are alike have the same ones.

        :raises ValueError: when the samples do not say what they were to be
        """
        if record.plan is None:
            raise ValueError("the samples have no plan: no run has begun with them")
        samples = {sample.key: sample for sample in record.samples}
        for system, alike in record.plan.alike.items():
            for phase, same in alike.items():
                found = [key for key in samples if (key.system, key.phase) == (system, same)]
                samples |= {replace(key, phase=phase): samples[key] for key in found}
        return cls(record.plan, record.machine, samples, record.runs)

    @property
    def main(self) -> str:
        """The link that everything is shown for."""
        return self.plan.main

    def link_of(self, mbit: float) -> str:
        """The link of a bandwidth; empty where it was not measured."""
        return next((name for name, rate in self.plan.links.items() if rate == mbit), "")

    def rounds(self, scenario: str, system: str, phase: str, link: str, metric: str = "") -> dict[int, float]:
        """Values by round, warm-up left out; without a metric, the phase's time."""
        metric = metric or time_of(phase)
        return {
            key.round: sample.values[metric]
            for key, sample in self._cells.get((scenario, system, phase, link), ())
            if key.round >= 0 and metric in sample.values
        }

    @cached_property
    def _cells(self) -> Mapping[tuple[str, str, str, str], list[tuple[Key, Sample]]]:
        """Samples by scenario, system, phase and link: a report asks for thousands of cells."""
        found: dict[tuple[str, str, str, str], list[tuple[Key, Sample]]] = {}
        for key, sample in self.samples.items():
            found.setdefault((key.scenario, key.system, key.phase, key.link), []).append((key, sample))
        return found

    def spread(self, scenario: str, system: str, phase: str, link: str, metric: str = "") -> Spread | None:
        """Of one cell; None where there is no sample, or where one failed."""
        if self.failure(scenario, system, phase, link):
            return None
        values = self.rounds(scenario, system, phase, link, metric).values()
        if not values:
            return None
        return Spread(statistics.median(values), min(values), max(values), len(values))

    def ratio(self, scenario: str, ours: tuple[str, str], peer: tuple[str, str], link: str) -> Spread | None:
        """Of the ratios of two cells (system, phase), round by round; None where there is no pair of one sitting."""
        if self.failure(scenario, *ours, link) or self.failure(scenario, *peer, link):
            return None
        if self.apart(scenario, ours, peer, link):
            return None
        a, b = self.rounds(scenario, *ours, link), self.rounds(scenario, *peer, link)
        pairs = [a[number] / b[number] for number in sorted(a.keys() & b.keys()) if b[number]]
        return Spread(statistics.median(pairs), min(pairs), max(pairs), len(pairs)) if pairs else None

    def failure(self, scenario: str, system: str, phase: str, link: str) -> str:
        """What a failed round of a cell said; empty where none failed."""
        cell = self._cells.get((scenario, system, phase, link), ())
        return next((sample.error for _, sample in cell if sample.error), "")

    def sittings(self, scenario: str, system: str, phase: str, link: str) -> frozenset[str]:
        """The sittings that a cell's samples are of; no phase means any. Two sittings may be on two machines.

        A sitting is what was taken until the machine was started again; of samples that do not say when that was,
        what was taken on one day and processor.
        """
        return frozenset(self._sittings.get((scenario, system, self._same(system, phase), link), ()))

    @cached_property
    def _sittings(self) -> Mapping[tuple[str, str, str, str], set[str]]:
        """Sittings by scenario, system, phase or none, and link."""
        found: dict[tuple[str, str, str, str], set[str]] = {}
        for described, keys in self.runs:
            for key in keys:
                for phase in ("", key.phase):
                    cell = (key.scenario, key.system, phase, key.link)
                    found.setdefault(cell, set()).add(sitting(described))
        return found

    def letters(self, scenario: str, system: str, phase: str, link: str) -> str:
        """The sittings of a cell by their letters; empty where the whole report is of one."""
        if len(self.named_sittings) < 2:
            return ""
        of_cell = self.sittings(scenario, system, phase, link)
        return "".join(letter for name, letter in self.named_sittings.items() if name in of_cell)

    @cached_property
    def named_sittings(self) -> Mapping[str, str]:
        """Letters of the sittings that samples are of, in the order of their first."""
        names = dict.fromkeys(sitting(described) for described, keys in self.runs if keys)
        return dict(zip(names, ascii_lowercase, strict=False))

    def apart(self, scenario: str, ours: tuple[str, str], peer: tuple[str, str], link: str) -> bool:
        """Whether two cells (system, phase) have no sitting in common; no phase means any."""
        one, other = (self.sittings(scenario, *cell, link) for cell in (ours, peer))
        return bool(one and other and one.isdisjoint(other))

    def _same(self, system: str, phase: str) -> str:
        """The phase that a phase was measured with."""
        return self.plan.alike.get(system, {}).get(phase, phase)

    def size(
        self, system: str, scenarios: Iterable[str], kinds: Iterable[str], phase: str = phases.PUSH
    ) -> int | None:
        """Bytes of the unique blobs that images of one system have in a registry; None where one is not known.

        Of several sittings that is the most that it can be: what images share was made again in each.

        :param phase: the push that is asked about: for this machine, or for two platforms
        """
        wanted, blobs = frozenset(kinds), dict[str, int]()
        for scenario in scenarios:
            pushed = self._pushed(scenario, system, phase)
            if pushed is None:
                return None
            blobs |= {digest: size for digest, size, kind in pushed.blobs if kind in wanted}
        return sum(blobs.values())

    def is_bound(self, system: str, scenarios: Iterable[str], phase: str) -> bool:
        """Whether images that share layers were pushed in several sittings."""
        links = tuple(self.plan.links)
        found = [self.sittings(name, system, phase, link) for name in scenarios for link in links]
        return len(frozenset().union(*found)) > 1

    def largest(self, system: str, scenario: str) -> int | None:
        """Bytes of the largest layer of its own: that of the dependencies."""
        pushed = self._pushed(scenario, system, phases.PUSH)
        return (
            None
            if pushed is None
            else max((size for _, size, kind in pushed.blobs if kind == "own"), default=0)
        )

    def _pushed(self, scenario: str, system: str, phase: str) -> Sample | None:
        cells = (self._cells.get((scenario, system, phase, link), ()) for link in self.plan.links)
        found = [(key.round, sample) for cell in cells for key, sample in cell if sample.blobs]
        return max(found, key=lambda item: item[0])[1] if found else None

    def failures(self) -> list[tuple[Key, str]]:
        """Every sample that failed."""
        return [
            (key, sample.error) for key, sample in self.samples.items() if sample.error and key == sample.key
        ]

    def missing(self) -> list[str]:
        """Cells of the plan that have fewer rounds than planned and did not fail; those of the same gap together."""
        gaps: dict[tuple[str, str, str, int, int], list[str]] = {}
        for scenario, system, phase, link in self._planned():
            count = len(self.rounds(scenario, system, phase, link))
            wanted = self.plan.wanted(scenario, system, phase, link)
            if count < wanted and not self.failure(scenario, system, phase, link):
                gaps.setdefault((system, link, scenario, count, wanted), []).append(
                    phases.TITLES.get(phase, phase)
                )
        together: dict[str, list[str]] = {}
        for (system, link, scenario, count, wanted), titles in gaps.items():
            gap = f"{self.plan.systems[system]}, {link}: {count} of {wanted} rounds of {'; '.join(titles)}"
            together.setdefault(gap, []).append(scenario)
        return [f"{', '.join(scenarios)}: {gap}" for gap, scenarios in together.items()]

    def _planned(self) -> Iterator[tuple[str, str, str, str]]:
        for scenario in self.plan.scenarios:
            for system, chosen in self.plan.phases.items():
                for link in self.plan.links:
                    for phase in chosen:
                        yield scenario, system, phase, link


def time_of(phase: str) -> str:
    """The metric that is a phase's time: a deployment ends with the first useful line, others when they end."""
    return "deployed" if phase in phases.DEPLOYMENTS else "seconds"


def crossovers(a: Mapping[float, Spread], b: Mapping[float, Spread]) -> list[float]:
    """Where two curves of seconds over Mbit/s cross, between measured points.

    Only where the ranges of both keep apart at either end: else which one is faster there is not known. Between the
    points time is taken to go with the time a byte takes, as it does where a link is what holds it up.
    """
    points = sorted(rate for rate in a.keys() & b.keys() if rate > 0)
    found: list[float] = []
    for left, right in pairwise(points):
        before, after = (a[rate].median - b[rate].median for rate in (left, right))
        if before * after < 0 and a[left].apart(b[left]) and a[right].apart(b[right]):
            share = before / (before - after)
            found.append(1 / (1 / left + share * (1 / right - 1 / left)))
    return found


def sitting(described: Mapping[str, str]) -> str:
    """The name of the sitting that a run belongs to, from the description of its machine."""
    known = [described.get(what, "unknown") for what in ("date", "processor")]
    return described.get("boot") or ", ".join(known)
