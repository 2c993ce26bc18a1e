"""A report of two applications and known systems, made by the real runner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.compare import phases
from bench.compare.phases import PHASES
from bench.compare.report.figures import Figures
from bench.compare.run import Runner, plan
from bench.compare.samples import Log, read
from bench.compare.scenario import Scenario
from tests.bench.fake import Fake, FakeNetwork, scenarios

DOCKER = {
    phases.BUILD_COLD: 20.0,
    phases.BUILD_SAME: 1.0,
    phases.PUSH: 6.0,
    phases.DEPLOY_BASE: 10.0,
    phases.DEPLOY_SHARED: 10.0,
    phases.DEPLOY_WARM: 1.0,
}
TWO = {phases.BUILD_PLATFORMS: 60.0, phases.PUSH_PLATFORMS: 12.0}
CIR = DOCKER | {
    phases.BUILD_COLD: 1.0,
    phases.BUILD_CODE: 1.6,
    phases.PUSH: 0.5,
    phases.DEPLOY_BASE: 5.0,
    phases.DEPLOY_SHARED: 1.0,
}


LINKS = {"500 Mbit/s": 500.0, "100 Mbit/s": 100.0}


def systems(broken: str = "") -> list[Fake]:
    return [
        Fake("cir", "CIR on Docker", CIR | dict.fromkeys(TWO, 1.0), 10_000),
        Fake("docker", "Docker, expert's Dockerfile", DOCKER | TWO, 100_000_000),
        Fake("other", "Another", DOCKER, 200_000_000, broken),
    ]


def measure(
    samples: Path,
    apps: list[Scenario],
    chosen: list[Fake],
    rounds: int = 3,
    swept: Sequence[str] = ("cir", "docker"),
    network: FakeNetwork | None = None,
    prepare: Callable[[Scenario], None] = lambda _: None,
    free: int = 10**12,
) -> Figures:
    """Measure over two links, with so many bytes free on the disk."""
    chosen_phases = [replace(phase, cold=False) for phase in PHASES]  # no cache is dropped
    runner = Runner(
        Log(samples), samples.parent, network or FakeNetwork(), LINKS, rounds, swept, chosen_phases, prepare,
        room=lambda _: free,
    )  # fmt: skip
    Log(samples).begin({"cores": "2"}, plan(apps, chosen, runner))
    runner.run(apps, chosen)
    return Figures.of(read(samples.read_text().splitlines()))


@pytest.fixture
def apps(tmp_path: Path) -> list[Scenario]:
    return scenarios(tmp_path / "apps", "a", "b")
