"""Every broken Cirfile of ``testdata/errors`` has one message, kept letter for letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirfile.errors import CirfileError, render
from cirfile.parser import parse
from cirfile.rules import check
from cirfile.source import Source, Span
from tests.cirfile.cases import cirfile_of, folders, golden, plan_of

CASES = folders("errors")


def mistake(folder: Path) -> CirfileError:
    """Return what parsing, planning or checking the case complains of."""
    try:
        plan_of(folder)
        check(cirfile_of(folder))
    except CirfileError as error:
        return error
    pytest.fail("nothing was wrong with it")


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_message(folder: Path, update: bool) -> None:
    error = mistake(folder)
    golden(folder / "error.txt", str(error) + "\n", update)


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_message_has_a_place_and_a_way_out(folder: Path) -> None:
    """Each mistake names a line that exists and says what to write."""
    error = mistake(folder)
    for one in error.all():
        assert one.source is not None
        assert 1 <= one.span.line <= one.span.last_line <= len(one.source.lines())
        assert one.hint
        assert one.code == one.code.lower()
        assert not one.message.endswith(".")


def test_enough_cases() -> None:
    assert len(CASES) >= 60


def test_long_range_is_cut() -> None:
    source = Source("Cirfile", "\n".join(f"line {n}" for n in range(1, 41)))
    drawn = render(CirfileError(Span(3, 1, 30, 7), "code", "cause", "way out"), source)
    assert ">>>  3 | line 3" in drawn
    assert ">>> 30 | line 30" in drawn
    assert "line 20" not in drawn
    assert drawn.endswith("hint: way out")


def test_carets_stand_below_the_word() -> None:
    source = Source("Cirfile", "COPY\ta bcd e")
    drawn = render(CirfileError(Span(1, 8, 1, 10), "code", "cause"), source).split("\n")
    assert drawn[1].index("bcd") == drawn[2].index("^^^")


def test_terminals_get_no_control_characters() -> None:
    source = Source("Cirfile", "FROM x\x1b]0;title\x07")
    drawn = render(CirfileError(Span(1), "code", "cause \x1b[31m"), source)
    assert "\x1b" not in drawn
    assert "\x07" not in drawn


def test_without_a_source_only_the_words() -> None:
    assert str(CirfileError(Span(1), "code", "cause", "way out")) == "cause\nhint: way out"


def test_what_is_no_cirfile_has_no_flood_of_errors() -> None:
    source = Source("data.csv", "FROM scratch\n" + "a,b,c\n" * 5000)
    with pytest.raises(CirfileError) as caught:
        parse(source)
    assert len(caught.value.all()) == 21
    assert "4980 more mistakes follow" in str(caught.value)
