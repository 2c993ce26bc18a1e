"""The README's figures come from samples of the comparison."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from bench.compare import phases
from bench.compare.report.figures import Figures
from bench.compare.samples import read
from bench.compare.scenario import Scenario
from docs import comparison
from tests.bench.conftest import measure, systems


def test_figures(tmp_path: Path, apps: list[Scenario]) -> None:
    made = comparison.summary(measure(tmp_path / "samples.jsonl", apps, systems()))
    assert "| a | 10.0 kB / 100.0 MB | 2.00 / 21.00 | 6.00 / 11.00 | 2.00 / 11.00 |\n" in made
    assert "medians of 3 rounds on 2 cores; registry and package index behind a link of 500 Mbit/s." in made
    assert "Of 14 goals, all against the best Dockerfile, 12 are met, 2 of them not in every round;" in made
    assert "\u2020" not in made


def test_what_users_would_pick_instead_stands_beside(tmp_path: Path, apps: list[Scenario]) -> None:
    """`uv run`, with a mark where it was measured in another sitting."""
    ours, peer, other = systems()
    samples = tmp_path / "samples.jsonl"
    for chosen in ([ours, peer], [replace(other, name="uv-run")]):
        measure(samples, apps, chosen)
    days = iter((1, 2))
    record = read(
        json.dumps({"machine": {"boot": str(next(days))}}) if '{"machine"' in line else line
        for line in samples.read_text().splitlines()
    )
    made = comparison.summary(Figures.of(record))
    assert made.startswith(
        "CIR / the best Dockerfile we could write / `uv run` with a volume as its cache, all on Docker;"
    )
    assert "| 2.00 / 21.00 / 21.00 \u2020 |" in made
    assert "\n\n\u2020 Measured in another sitting than CIR" in made


def test_a_failure_is_said(tmp_path: Path, apps: list[Scenario]) -> None:
    ours, *peers = systems()
    broken = type(ours)(ours.name, ours.title, ours.seconds, ours.own, phases.DEPLOY_BASE)
    made = comparison.summary(measure(tmp_path / "samples.jsonl", apps, [broken, *peers]))
    assert "| a | 10.0 kB / 100.0 MB | 2.00 / 21.00 | failed / 11.00 | 2.00 / 11.00 |\n" in made


def test_without_samples_there_are_no_figures() -> None:
    assert comparison.summary(None) == comparison._NOT_YET
    assert not any(character.isdigit() for character in comparison._NOT_YET)
