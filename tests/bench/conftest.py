"""A report of two applications and known systems, made by the real runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.compare import phases
from bench.compare.phases import PHASES
from bench.compare.report.figures import Figures
from bench.compare.run import Runner, plan
from bench.compare.samples import Log, read
from bench.compare.scenario import Scenario
from tests.bench.fake import Fake, scenarios

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
    phases.PUSH: 0.5,
    phases.DEPLOY_BASE: 5.0,
    phases.DEPLOY_SHARED: 1.0,
}


def systems(broken: str = "") -> list[Fake]:
    return [
        Fake("cir", "CIR on Docker", CIR | {phase: 1.0 for phase in TWO}, 10_000),
        Fake("docker", "Docker, expert's Dockerfile", DOCKER | TWO, 100_000_000),
        Fake("other", "Another", DOCKER, 200_000_000, broken),
    ]


def measure(
    samples: Path, apps: list[Scenario], chosen: list[Fake], rounds: int = 3, slow: list[Fake] | None = None
) -> Figures:
    """Measure over two links, the slower one with the systems of ``slow`` where given."""
    links = {"100 Mbit/s": 100.0, "500 Mbit/s": 500.0}
    for link in links:
        warm = [phase for phase in PHASES if not phase.cold]
        cold = [type(phase)(phase.name, phase.title) for phase in PHASES if phase.cold]  # no cache is dropped
        runner = Runner(Log(samples), samples.parent, link, rounds, [*cold, *warm])
        Log(samples).begin({"cores": "2"}, plan(apps, chosen, links, runner))
        runner.run(apps, slow if slow and links[link] == 100 else chosen)
    return Figures.of(read(samples.read_text().splitlines()))


@pytest.fixture
def apps(tmp_path: Path) -> list[Scenario]:
    return scenarios(tmp_path / "apps", "a", "b")
