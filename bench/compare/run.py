"""Take the samples of a plan: systems in turn within each round, so that a slow moment of the machine meets all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from bench.compare import machine
from bench.compare.network import Network
from bench.compare.phases import BUILD_DEPENDENCY, PHASES, Phase
from bench.compare.progress import Estimate, Progress, minutes
from bench.compare.samples import Key, Log, Plan, Sample
from bench.compare.scenario import Scenario
from bench.compare.systems import Job, System

_Item = TypeVar("_Item")
#: What one round may take on the disk, bytes: builds or deployments of eight systems, three of them over three links.
_ROUND = 24_000_000_000


class MissedError(RuntimeError):
    """Something was asked of the index mirror that it does not have."""


@dataclass
class Runner:
    """Takes what the log does not have yet.

    :param folder: for files of the systems
    :param disk: a folder on the disk whose use is measured; without one, that of ``folder`` is
    :param network: the way to registry and index
    :param links: Mbit/s by name, 0 for no limit; everything is measured on the first one
    :param swept: names of the systems that are measured on the others, too
    :param prepare: called before a scenario is measured
    :param settle: seconds to wait after files of a phase were deleted: ext4 does not hand out their inodes for five
        minutes and searches around them, which slows whoever writes next
    """

    log: Log
    folder: Path
    network: Network
    links: Mapping[str, float]
    rounds: int
    swept: Collection[str] = ()
    phases: Sequence[Phase] = PHASES
    prepare: Callable[[Scenario], None] = lambda _: None
    settle: float = 0.0
    disk: Path | None = None
    clock: Callable[[], float] = time.monotonic
    room: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    progress: Progress = field(default_factory=Progress)
    _estimate: Estimate = field(default_factory=Estimate)
    _left: list[Key] = field(default_factory=list)
    _total: int = 0

    def run(self, scenarios: Sequence[Scenario], systems: Sequence[System]) -> None:
        """Measure all; a sample that fails is noted as such, and its cell has no further rounds.

        :raises RuntimeError: in the end, naming the scenarios that could not be prepared and were left out
        """
        for sample in self.log.samples:
            if sample.took:
                self._estimate.add(sample.key, sample.took)
        self._left = [key for s in scenarios for key in self._missing(s, systems)]
        self._total = len(self._left)
        self._say(f"{self._total} samples to take, {minutes(self._estimate.of(self._left))}")
        left_out: list[str] = []
        for scenario in scenarios:
            if any(key.scenario == scenario.name for key in self._left):
                if self._prepared(scenario):
                    self._measure(scenario, systems)
                else:
                    left_out.append(scenario.name)
        self.progress.end()
        if left_out:
            raise RuntimeError(
                f"not measured, since the index mirror lacks what they need: {', '.join(left_out)}"
            )

    def rounds_of(self, phase: Phase) -> int:
        """How many rounds count."""
        return min(self.rounds, phase.rounds or self.rounds)

    def _missing(self, scenario: Scenario, systems: Sequence[System]) -> Iterator[Key]:
        """The samples that are to be taken, in order: links and systems in turn within each round."""
        for phase in self.phases:
            for number in range(-1 if phase.warmup else 0, self.rounds_of(phase)):
                for link in _turned(self._links(phase, number), number):
                    for system in _turned(systems, number):
                        key = Key(scenario.name, system.name, phase.name, link, number)
                        if self._exists(scenario, system, phase, link) and key not in self.log:
                            yield key

    def _links(self, phase: Phase, number: int) -> list[str]:
        links = list(self.links)
        return links if phase.swept and number >= 0 else links[:1]

    def _exists(self, scenario: Scenario, system: System, phase: Phase, link: str) -> bool:
        is_main = link == next(iter(self.links))
        there = phase.name in system.phases - scenario.lacking - system.alike.keys()
        return there and (is_main or system.name in self.swept)

    def _prepared(self, scenario: Scenario) -> bool:
        self._say(f"{scenario.name}: filling the index mirror")
        self.network.prepare()
        try:
            self.prepare(scenario)
        except (OSError, RuntimeError) as error:
            self._say(f"{scenario.name}: {error}")
            self._left = [key for key in self._left if key.scenario != scenario.name]
            return False
        return True

    def _measure(self, scenario: Scenario, systems: Sequence[System]) -> None:
        with ExitStack() as ends:
            jobs: dict[str, Job] = {}
            for system in systems:
                jobs[system.name] = system.open(scenario, self.folder / f"{scenario.name}-{system.name}")
                ends.callback(self._tidy, system.name, jobs[system.name].forget_builds)
                ends.callback(self._tidy, system.name, jobs[system.name].tidy)
            cold = {phase.name for phase in self.phases if phase.cold}
            last = None
            for key in [key for key in self._left if key.scenario == scenario.name]:
                if last and (last.phase != key.phase or (last.round != key.round and self._is_full())):
                    self._between(jobs)
                last = key
                self._show(key)
                if self.log.failed(key):
                    self._say(f"{_words(key)}: not taken, an earlier round failed")
                else:
                    self.log.add(self._sample(jobs[key.system], key, key.phase in cold))
                self._left.remove(key)

    def _is_full(self) -> bool:
        """Whether another round may not fit beside what earlier ones left."""
        return self.room(self.disk or self.folder) < _ROUND

    def _sample(self, job: Job, key: Key, cold: bool) -> Sample:
        """Take one sample; whatever goes wrong in it becomes its error."""
        start = self.clock()
        try:
            sample = self._measured(job, key, cold)
        except Exception as error:
            sample = Sample(key, error=f"{type(error).__name__}: {error}")
        sample = replace(sample, took=self.clock() - start)
        self._estimate.add(key, sample.took)
        found = sample.error.splitlines()[0][:100] if sample.error else f"{sample.values['seconds']:.2f} s"
        left = [other for other in self._left if other != key]
        self._say(f"{_words(key)}: {found} ({len(left)} to go, {minutes(self._estimate.of(left))})")
        return sample

    def _measured(self, job: Job, key: Key, cold: bool) -> Sample:
        """Take a sample; where the index mirror lacked something, once more after the same was done to fill it."""
        try:
            return self._once(job, key, cold, shaped=key.round >= 0)
        except MissedError as error:
            if key.phase == BUILD_DEPENDENCY:  # done once, it is a build of nothing changed
                raise
            self._say(f"{_words(key)}: {error}; it is filled, and the sample taken again")
        self._once(job, key, cold, shaped=False)
        return self._once(job, key, cold, shaped=True)

    def _once(self, job: Job, key: Key, cold: bool, *, shaped: bool) -> Sample:
        self.network.prepare()
        job.ready(key.phase, key.round)
        self.network.missed()
        if shaped:
            self.network.measure(self.links[key.link])
        if cold:
            machine.drop_page_cache()
        try:
            with machine.Meter(self.disk or self.folder, self.network.received, self.network.sent) as meter:
                taken = job.act(key.phase, key.round)
        finally:
            missed = self.network.missed()
            self.network.prepare()
            if missed:
                raise MissedError(f"the index mirror did not have {', '.join(missed)}")
        return Sample(key, meter.values | dict(taken.values), taken.blobs())

    def _between(self, jobs: dict[str, Job]) -> None:
        for name, job in jobs.items():
            self._tidy(name, job.tidy)
        if self._is_full():
            for name, job in jobs.items():
                self._tidy(name, job.forget_builds)
        if self.settle:
            self._say(f"waiting {self.settle:.0f} s for the file system to settle")
            time.sleep(self.settle)

    def _tidy(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._say(f"{name}: not tidied: {error}")

    def _show(self, key: Key) -> None:
        done = self._total - len(self._left)
        self.progress.at(done, self._total, self._estimate.of(self._left), _words(key))

    def _say(self, line: str) -> None:
        self.progress.say(line)


def plan(scenarios: Sequence[Scenario], systems: Sequence[System], runner: Runner) -> Plan:
    """What a run is to measure."""
    swept = [phase for phase in runner.phases if phase.swept]
    return Plan(
        scenarios=tuple(s.name for s in scenarios),
        systems={s.name: s.title for s in systems},
        phases={s.name: _of(s, runner.phases) for s in systems},
        links=dict(runner.links),
        rounds=runner.rounds,
        swept={s.name: _of(s, swept) for s in systems if s.name in runner.swept},
        fewer={p.name: found for p in runner.phases if (found := runner.rounds_of(p)) < runner.rounds},
        kept={s.name: {c.name: c.kept(s.recipe) for c in scenarios} for s in systems},
        lacking={s.name: tuple(sorted(s.lacking)) for s in scenarios if s.lacking},
        alike={s.name: dict(s.alike) for s in systems if s.alike},
    )


def _of(system: System, chosen: Sequence[Phase]) -> tuple[str, ...]:
    return tuple(phase.name for phase in chosen if phase.name in system.phases)


def _turned(items: Sequence[_Item], number: int) -> list[_Item]:
    """The same in another order for each round."""
    turn = number % len(items)
    return [*items[turn:], *items[:turn]]


def _words(key: Key) -> str:
    which = "warm-up" if key.round < 0 else f"round {key.round + 1}"
    return f"{key.scenario}, {key.system}, {key.phase}, {key.link}, {which}"
