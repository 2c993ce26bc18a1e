"""Raw samples as JSON lines: one file, appended to; a sample that is in it is not taken again.

A line is one of three: ``{"machine": ...}`` where a run began, ``{"plan": ...}`` what it was to measure, and
``{"sample": ...}``. The last line of a run that was killed may be half a line; it is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Key:
    """Which sample: rounds below zero are warm-up and do not count."""

    scenario: str
    system: str
    phase: str
    link: str
    round: int


@dataclass(frozen=True)
class Sample:
    """What was measured; or why it was not, in ``error``.

    :param values: numbers by metric; seconds, bytes
    :param took: seconds with what came before it
    :param blobs: of a pushed image: digest, bytes, and what it is (``base``, ``shared`` by all images of the
        system, or ``own``)
    """

    key: Key
    values: Mapping[str, float] = field(default_factory=dict)
    blobs: tuple[tuple[str, int, str], ...] = ()
    error: str = ""
    took: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What a run is to measure: titles by name, in order. Everything is measured on the first link, the main one."""

    scenarios: tuple[str, ...]
    systems: Mapping[str, str]
    #: Phases by system.
    phases: Mapping[str, tuple[str, ...]]
    #: Mbit/s by name of link; 0 for an unshaped one.
    links: Mapping[str, float]
    rounds: int
    #: Phases by system that are measured on the other links, too.
    swept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Rounds of the phases that have fewer.
    fewer: Mapping[str, int] = field(default_factory=dict)
    #: Files a maintainer keeps, and their lines, by system and scenario.
    kept: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    #: Phases that do not exist for a scenario, whatever the system.
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: By system: phases that are the same to it as another one, which is measured for both.
    alike: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """The link that everything is measured on."""
        return next(iter(self.links))

    def wanted(self, scenario: str, system: str, phase: str, link: str) -> int:
        """How many rounds of a cell are planned; 0 for one that does not exist."""
        chosen = self.phases if link == self.main else self.swept
        there = phase in chosen.get(system, ()) and phase not in self.lacking.get(scenario, ())
        return self.fewer.get(phase, self.rounds) if there else 0

    def having(self, phase: str) -> tuple[str, ...]:
        """The scenarios that a phase exists for."""
        return tuple(name for name in self.scenarios if phase not in self.lacking.get(name, ()))

    def joined(self, later: Plan) -> Plan:
        """What two runs are to measure together: runs may take some applications, systems or links each.

        The main link is that of the run with more links.
        """
        first, second = sorted((self.links, later.links), key=len, reverse=True)
        return Plan(
            scenarios=_union(self.scenarios, later.scenarios),
            systems={**self.systems, **later.systems},
            phases=_unions(self.phases, later.phases),
            links={**first, **second},
            rounds=max(self.rounds, later.rounds),
            swept=_unions(self.swept, later.swept),
            fewer={**self.fewer, **later.fewer},
            kept={
                name: {**self.kept.get(name, {}), **later.kept.get(name, {})}
                for name in _union(self.kept, later.kept)
            },
            lacking=_unions(self.lacking, later.lacking),
            alike={**self.alike, **later.alike},
        )


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _unions(
    first: Mapping[str, tuple[str, ...]], second: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    return {name: _union(first.get(name, ()), second.get(name, ())) for name in _union(first, second)}


class Log:
    """The file of samples, read once and appended to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole)
        self._samples = {s.key: s for s in read(whole.splitlines()).samples}

    def add(self, sample: Sample) -> None:
        """Append a sample."""
        self._samples[sample.key] = sample
        self._write({"sample": asdict(sample)})

    def begin(self, machine: Mapping[str, str], plan: Plan) -> None:
        """Note where a run begins."""
        self._write({"machine": dict(machine)})
        self._write({"plan": asdict(plan)})

    @property
    def samples(self) -> Iterable[Sample]:
        """All that there are."""
        return self._samples.values()

    def __contains__(self, key: object) -> bool:
        return key in self._samples

    def failed(self, key: Key) -> bool:
        """Whether a round of the same cell has failed."""
        return any(s.error and _cell(k) == _cell(key) for k, s in self._samples.items())

    def _write(self, line: Mapping[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _cell(key: Key) -> tuple[str, str, str, str]:
    return key.scenario, key.system, key.phase, key.link


@dataclass(frozen=True)
class Record:
    """Everything a file of samples says: of machine and versions the last, of plans all.

    :param runs: the machine of each run that took samples, with the keys of those
    """

    machine: Mapping[str, str]
    plan: Plan | None
    samples: tuple[Sample, ...]
    runs: tuple[tuple[Mapping[str, str], tuple[Key, ...]], ...] = ()


def read(lines: Iterable[str]) -> Record:
    """Read raw samples.

    :raises ValueError: naming the line that is none
    """
    machine: dict[str, str] = {}
    plan: Plan | None = None
    samples: list[Sample] = []
    runs: list[tuple[Mapping[str, str], list[Key]]] = []
    for number, line in enumerate(lines, 1):
        try:
            given = json.loads(line)
            if "machine" in given:
                machine |= given["machine"]
                runs.append((given["machine"], []))
            if "plan" in given:
                planned = Plan(**given["plan"])
                plan = plan.joined(planned) if plan else planned
            if "sample" in given:
                samples.append(_sample(given["sample"]))
                if runs:
                    runs[-1][1].append(samples[-1].key)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"line {number} is no line of samples: {error}") from error
    took_some = tuple((described, tuple(keys)) for described, keys in runs if keys)
    return Record(machine, plan, tuple(samples), took_some)


def _sample(given: dict[str, Any]) -> Sample:
    blobs = tuple((digest, int(size), kind) for digest, size, kind in given["blobs"])
    return Sample(Key(**given["key"]), given["values"], blobs, given["error"], given.get("took", 0.0))
