"""The applications that are compared: every folder is whole, and its recipes describe the same application."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.compare.scenario import LOCAL, Scenario, find

SCENARIOS = find(Path(__file__).resolve().parents[2] / "bench" / "scenarios")
#: A warm-up round, five measured ones, and one to spare.
ROUNDS = 7
DOCKERFILES = ("Dockerfile", "Dockerfile.usual", "Dockerfile.uv")


@pytest.fixture(params=SCENARIOS, ids=lambda scenario: scenario.name)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found: Scenario = request.param
    return found


def lines(scenario: Scenario, name: str) -> list[str]:
    return (scenario.folder / name).read_text().splitlines()


def test_there_are_six() -> None:
    names = {scenario.name for scenario in SCENARIOS}
    assert names == {"fastapi", "jax", "onnxruntime", "sklearn", "tabular", "transformers"}


def test_every_way_begins_with_the_same_base(scenario: Scenario) -> None:
    """That of `uv run` is the same Python with uv, as the harness makes it."""
    uv_base = scenario.base.replace("python:3.11", "astral/uv:python3.11-trixie")
    for name in ("Cirfile", *DOCKERFILES):
        base = uv_base if name == "Dockerfile.uv" else scenario.base
        assert [line for line in lines(scenario, name) if line.startswith("FROM ")] == [f"FROM {base}"]
    assert lines(scenario, "Apptainer.def")[:2] == ["Bootstrap: docker", f"From: {scenario.base}"]


def test_every_way_installs_the_requirements_and_nothing_else(scenario: Scenario) -> None:
    for name in ("Cirfile", *DOCKERFILES, "Apptainer.def"):
        text = "\n".join(lines(scenario, name))
        installs = re.findall(r"REQUIRE .*|(?<!uv )pip install .*|--with-requirements.*", text)
        assert len(installs) == (0 if name in ("Dockerfile", "Apptainer.def") else 1), name
        installs += re.findall(r"uv pip install .*", text)
        assert len(installs) == 1, name
        assert installs[0].rstrip("]").rstrip('"').endswith("requirements.txt"), name
        assert "apt-get" not in text, name


def test_verify_is_a_program(scenario: Scenario) -> None:
    assert (scenario.folder / "verify").stat().st_mode & 0o111 == 0o111
    assert lines(scenario, "verify")[0] == "#!/usr/bin/env python3"
    for name in ("verify", "main.py"):
        compile("\n".join(lines(scenario, name)), name, "exec")


def test_verify_says_something_once_and_at_the_end(scenario: Scenario) -> None:
    """Its first line ends a measured deployment, so nothing may be printed before the result is checked."""
    text = lines(scenario, "verify")
    printed = [number for number, line in enumerate(text) if "print(" in line]
    assert len(printed) == 1
    assert f'print(f"{scenario.name}: ' in text[printed[0]] or f'print("{scenario.name}: ' in text[printed[0]]
    checked = [number for number, line in enumerate(text) if line.lstrip().startswith("assert ")]
    assert len([number for number in checked if number < printed[0]]) >= 1


def test_each_round_has_a_dependency_of_its_own(scenario: Scenario) -> None:
    added = scenario.added
    assert len(set(added)) == len(added) >= ROUNDS
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line) for line in added)
    named = {re.split("[=<>]", line)[0] for line in lines(scenario, "requirements.txt")}
    assert not named & {line.partition("==")[0] for line in added}


def test_wheels_of_this_machine_are_for_one_platform(scenario: Scenario) -> None:
    """What comes from this machine is required just so, and the Cirfile promises no other platform."""
    if not (scenario.folder / LOCAL).exists():
        assert scenario.arches == ("amd64", "arm64")
        return
    assert set(lines(scenario, LOCAL)) <= set(lines(scenario, "requirements.txt"))
    assert scenario.arches == ("amd64",)
