"""What a run says while it works: lines in a log, a bar on a terminal, and how long it will take."""

from __future__ import annotations

import io

import pytest

from bench.compare import phases
from bench.compare.__main__ import _links
from bench.compare.progress import Estimate, Progress, minutes
from bench.compare.samples import Key


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_has_lines_only() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    progress.at(3, 12, 100, "a, docker, push")
    progress.say("a, docker, push: 1.00 s")
    progress.end()
    assert stream.getvalue() == "bench: a, docker, push: 1.00 s\n"


def test_a_terminal_has_a_bar_below_the_lines() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.at(6, 12, 300, "a, docker, push")
    bar = "[############............] 6/12, about 5 min left: a, docker, push"
    assert stream.getvalue() == bar
    progress.say("done")
    assert stream.getvalue() == f"{bar}\r\x1b[Kbench: done\n{bar}"
    progress.end()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_what_is_left_is_estimated_from_what_is_most_alike() -> None:
    estimate = Estimate()
    key = Key("a", "docker", phases.BUILD_COLD, "500 Mbit/s", 0)
    unknown = estimate.of([key])
    assert unknown > 0
    estimate.add(key, 40.0)
    other = Key("b", "cir", phases.BUILD_COLD, "500 Mbit/s", 0)
    estimate.add(other, 2.0)
    assert estimate.of([key, key]) == 80
    assert estimate.of([Key("b", "docker", phases.BUILD_COLD, "100 Mbit/s", 3)]) == 40, "the same system"
    assert estimate.of([Key("b", "buildah", phases.BUILD_COLD, "100 Mbit/s", 3)]) == 21, "the same phase"


@pytest.mark.parametrize(
    ("seconds", "text"), [(12, "about 12 s"), (600, "about 10 min"), (9000, "about 2.5 h")]
)
def test_times(seconds: float, text: str) -> None:
    assert minutes(seconds) == text


def test_the_main_link_comes_first() -> None:
    assert _links(["100", "unshaped", "500"]) == {"500 Mbit/s": 500, "100 Mbit/s": 100, "unshaped": 0}
    assert list(_links(["2.5", "unshaped"])) == ["2.5 Mbit/s", "unshaped"]


@pytest.mark.parametrize("name", ["fast", "0", "-5", "nan", "1e9"])
def test_a_link_that_is_none_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"--link {name}: give Mbit/s from 1 to 100000, or `unshaped`"):
        _links(["500", name])
