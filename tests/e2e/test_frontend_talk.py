"""What a person sees: errors with the guilty line, warnings, checks, outlines."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import Build


@pytest.mark.parametrize(
    ("text", "shown", "words"),
    [
        ("FROM debian:12-slim\nRUN pip install six\n", "2 | >>> RUN pip install six", "REQUIRE pypi six"),
        ("FROM debian:12-slim\nCOPY nothing /\n", "2 | >>> COPY nothing /", "nothing"),
        ("FROM nonesuch:1\nLABEL a=1\n", "1 | >>> FROM nonesuch:1", "nonesuch:1"),
        (
            "FROM debian:12-slim\nLABEL a=1\nCOPY --from=nonesuch:1 a b\n",
            "3 | >>> COPY --from=nonesuch:1",
            "nonesuch:1",
        ),
        (
            "FROM python:3.11-slim\nREQUIRE pypi cir-has-no-such-package\n",
            "2 | >>> REQUIRE pypi",
            "cir-has-no-such-package",
        ),
    ],
)
def test_mistakes_show_the_line(build: Build, text: str, shown: str, words: str) -> None:
    built = build(text, {"a": ""}, ok=False)
    assert built.status != 0
    assert shown in built.talk
    assert words in built.talk
    assert "Traceback" not in built.talk
    assert "internal error" not in built.talk


WARNED = 'FROM debian:12-slim\nCMD ["/usr/bin/python3", "x.py"]\n'


def test_warnings_are_shown_once(build: Build) -> None:
    talk = build(WARNED, {}, "--platform=linux/amd64,linux/arm64", ok=False).talk
    # buildx shows a warning below its step only if it comes before the step is done, and in its summary
    # each text once; how often a warning is sent, a test of the frontend counts.
    assert talk.count("WARN: CIR001: ") <= 1
    assert talk.count("- CIR001: ") == 1


def test_check(build: Build) -> None:
    bad = build(WARNED, {}, "--check", ok=False)
    assert bad.status != 0
    assert "CIR001" in bad.talk
    assert ">>> CMD" in bad.talk
    good = build("FROM debian:12-slim\nLABEL a=1\n", {}, "--check")
    assert good.status == 0
    skipped = build("# check=skip=CIR001\n" + WARNED, {}, "--check")
    assert skipped.status == 0


def test_check_shows_a_mistake(build: Build) -> None:
    built = build("FROM debian:12-slim\nRUN true\n", {}, "--check", ok=False)
    assert built.status != 0
    assert "2 | >>> RUN true" in built.talk


def test_findings_can_end_the_build(build: Build) -> None:
    built = build("# check=error=true\n" + WARNED, {}, ok=False)
    assert built.status != 0
    assert "CIR001" in built.talk


def test_outline(build: Build) -> None:
    text = "FROM debian:12-slim AS app\n# WHO is greeted\nARG WHO=you\nREQUIRE pypi six\n"
    talk = build(text, {}, "--call=outline", "--build-arg=WHO=me").talk
    assert "is greeted" in talk
    assert "cir_netrc" in talk
    talk = build(text, {}, "--call=outline,format=json").talk
    found = json.loads(talk[talk.index("{") : talk.rindex("}") + 1])
    assert [(each["name"], each["value"]) for each in found["args"]] == [("WHO", "you")]


def test_targets(build: Build) -> None:
    talk = build("# app serves\nFROM debian:12-slim AS app\n", {}, "--call=targets").talk
    assert "app (default)" in talk


def test_describe(build: Build) -> None:
    talk = build("FROM debian:12-slim\n", {}, "--call=subrequests.describe").talk
    for name in ("outline", "targets", "lint"):
        assert name in talk


def test_progress_speaks_of_instructions(build: Build) -> None:
    talk = build("FROM debian:12-slim\nWORKDIR /app\nCOPY a ./\n", {"a": ""}).talk
    assert "[1/2] WORKDIR /app" in talk
    assert "[2/2] COPY a ./" in talk
