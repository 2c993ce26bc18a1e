"""The pages tell the truth: their Cirfiles have a meaning, their links lead somewhere, their commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cirfile import parser, planner
from cirfile.request import Request
from cirfile.source import Source

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [
    (page, number, text)
    for page in PAGES
    for number, text in enumerate(re.findall(r"```cirfile\n(.*?)```", page.read_text(), re.S))
]


@pytest.mark.parametrize(
    ("page", "number", "text"), EXAMPLES, ids=lambda value: str(getattr(value, "name", ""))[:30]
)
def test_example(page: Path, number: int, text: str) -> None:
    """Every Cirfile shown in a page of ours parses and has a plan."""
    parsed = parser.parse(Source(f"{page.name}-{number}", text))
    request = Request(build_args=(("INDEX", "https://index.example.com/simple"),), read=lambda _: "")
    assert planner.plan(parsed, request).base.reference


def test_there_are_examples() -> None:
    """README and guide both show Cirfiles."""
    assert {page.name for page, _, _ in EXAMPLES} >= {"README.md", "guide.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """Links to files of ours exist."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_readme_begins_with_two_commands() -> None:
    """The first code of the README is what a newcomer types: two commands of the door."""
    first = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert first is not None
    assert [line.split("#")[0].strip() for line in first[1].splitlines()] == ["$ ./dev demo", "$ ./dev test"]


@pytest.mark.parametrize("command", ["demo", "test", "lint", "bench", "images", "engines", "exec"])
def test_the_door_knows(command: str) -> None:
    """Every command that the pages name answers to `--help`."""
    done = subprocess.run(
        [sys.executable, "dev", command, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "usage: dev" in done.stdout
