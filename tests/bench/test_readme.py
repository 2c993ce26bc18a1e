"""The README's figures come from samples of the comparison."""

from __future__ import annotations

from pathlib import Path

from bench.compare import phases
from bench.compare.scenario import Scenario
from docs import comparison
from tests.bench.conftest import measure, systems


def test_figures(tmp_path: Path, apps: list[Scenario]) -> None:
    made = comparison.summary(measure(tmp_path / "samples.jsonl", apps, systems()))
    assert "| a | 10.0 kB / 100.0 MB | 2.00 / 21.00 | 6.00 / 11.00 | 2.00 / 11.00 |\n" in made
    assert "medians of 3 rounds on 2 cores; registry and package index behind a link of 500 Mbit/s." in made
    assert "Of 14 goals 12 are met" in made


def test_a_failure_is_said(tmp_path: Path, apps: list[Scenario]) -> None:
    ours, *peers = systems()
    broken = type(ours)(ours.name, ours.title, ours.seconds, ours.own, phases.DEPLOY_BASE)
    made = comparison.summary(measure(tmp_path / "samples.jsonl", apps, [broken, *peers]))
    assert "| a | 10.0 kB / 100.0 MB | 2.00 / 21.00 | failed / 11.00 | 2.00 / 11.00 |\n" in made


def test_without_samples_there_are_no_figures() -> None:
    assert comparison.summary(None) == comparison._NOT_YET
    assert not any(character.isdigit() for character in comparison._NOT_YET)
