"""Generated pages are fresh, and say something of everything there is."""

from __future__ import annotations

from cirfile.conditions import VOCABULARY
from cirfile.keywords import ALL
from docs import generate


def test_pages_are_fresh() -> None:
    for path, text in generate.pages().items():
        assert path.read_text() == text, "run `python -m docs.generate`"


def test_check_names_stale_pages(capsys: object) -> None:
    assert generate.main(["--check"]) == 0


def test_every_instruction_and_fact_is_described() -> None:
    page = generate.language()
    for keyword in ALL:
        assert f"### {keyword}\n" in page or f"`{keyword}` is refused" in page
    for fact in VOCABULARY:
        assert f"| `{fact}` |" in page
