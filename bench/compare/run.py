"""Take the samples of a plan: systems in turn within each round, so that a slow moment of the machine meets all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.compare import machine
from bench.compare.phases import PHASES, Phase
from bench.compare.samples import Key, Log, Plan, Sample
from bench.compare.scenario import Scenario
from bench.compare.systems import Job, System

#: What a phase takes about, in seconds a sample, for the estimate before the first ones are taken.
_GUESS = 15.0


@dataclass
class Runner:
    """Takes what the log does not have yet.

    :param folder: for files of the systems; on the disk whose use is measured
    :param settle: seconds to wait after files of a phase were deleted: ext4 does not hand out their inodes for five
        minutes and searches around them, which slows whoever writes next
    """

    log: Log
    folder: Path
    link: str
    rounds: int
    phases: Sequence[Phase] = PHASES
    settle: float = 0.0
    warmup: int = 1
    clock: Callable[[], float] = time.monotonic
    _took: list[float] = field(default_factory=list)
    _left: int = 0

    def run(self, scenarios: Sequence[Scenario], systems: Sequence[System]) -> None:
        """Measure all; a sample that fails is noted as such, and its cell has no further rounds."""
        wanted = {s.name: list(self._missing(s, systems)) for s in scenarios}
        self._left = sum(map(len, wanted.values()))
        self._say(
            f"{self._left} samples to take, about {self._left * _GUESS / 60:.0f} minutes on a small machine"
        )
        for scenario in scenarios:
            if wanted[scenario.name]:
                self._measure(scenario, systems)

    def _missing(self, scenario: Scenario, systems: Sequence[System]) -> Iterator[Key]:
        """The samples that are to be taken, in order."""
        for phase in self.phases:
            for number in range(-self.warmup, self.rounds):
                turn = number % len(systems)
                for system in (*systems[turn:], *systems[:turn]):
                    key = Key(scenario.name, system.name, phase.name, self.link, number)
                    if phase.name in system.phases and key not in self.log:
                        yield key

    def _measure(self, scenario: Scenario, systems: Sequence[System]) -> None:
        with ExitStack() as ends:
            jobs: dict[str, Job] = {}
            for system in systems:
                jobs[system.name] = system.open(scenario, self.folder / f"{scenario.name}-{system.name}")
                ends.callback(self._tidy, system.name, jobs[system.name])
            cold = {phase.name for phase in self.phases if phase.cold}
            last = ""
            for key in list(self._missing(scenario, systems)):
                if last not in ("", key.phase):
                    self._between(jobs)
                last = key.phase
                if self.log.failed(key):
                    self._say(f"{_words(key)}: not taken, an earlier round failed")
                else:
                    self.log.add(self._sample(jobs[key.system], key, key.phase in cold))
                self._left -= 1

    def _sample(self, job: Job, key: Key, cold: bool) -> Sample:
        """Take one sample; whatever goes wrong in it becomes its error."""
        start = self.clock()
        try:
            job.ready(key.phase, key.round)
            if cold:
                machine.drop_page_cache()
            with machine.Meter(self.folder) as meter:
                taken = job.act(key.phase, key.round)
            sample = Sample(key, meter.values | dict(taken.values), taken.blobs)
        except Exception as error:
            sample = Sample(key, error=f"{type(error).__name__}: {error}")
        self._took.append(self.clock() - start)
        left = sum(self._took) / len(self._took) * (self._left - 1) / 60
        found = sample.error.splitlines()[0][:100] if sample.error else f"{sample.values['seconds']:.2f} s"
        self._say(f"{_words(key)}: {found} ({self._left - 1} to go, about {left:.0f} min)")
        return sample

    def _between(self, jobs: dict[str, Job]) -> None:
        for name, job in jobs.items():
            self._tidy(name, job)
        if self.settle:
            self._say(f"waiting {self.settle:.0f} s for the file system to settle")
            time.sleep(self.settle)

    def _tidy(self, name: str, job: Job) -> None:
        try:
            job.tidy()
        except Exception as error:
            self._say(f"{name}: not tidied: {error}")

    def _say(self, line: str) -> None:
        print(f"bench: {line}", file=sys.stderr, flush=True)


def plan(
    scenarios: Sequence[Scenario], systems: Sequence[System], links: dict[str, float], runner: Runner
) -> Plan:
    """What a run is to measure."""
    return Plan(
        scenarios=tuple(s.name for s in scenarios),
        systems={s.name: s.title for s in systems},
        phases={s.name: tuple(p.name for p in runner.phases if p.name in s.phases) for s in systems},
        links=links,
        rounds=runner.rounds,
        kept={s.name: {c.name: c.kept(s.recipe) for c in scenarios} for s in systems},
    )


def _words(key: Key) -> str:
    which = "warm-up" if key.round < 0 else f"round {key.round + 1}"
    return f"{key.scenario}, {key.system}, {key.phase}, {which}"
