"""Expansion and shell patterns: tables of what a Dockerfile author expects, as BuildKit does it."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirfile.expand import LONGEST, Expander, ExpandError
from cirfile.patterns import PatternError, replace, trim_prefix, trim_suffix

VALUES = {
    "HOME": "/home",
    "F": "a.tar.gz",
    "EMPTY": "",
    "SPACED": " one  two ",
    "KOREAN": "한국어",
    "X_1": "x",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("$HOME", "/home"),
        ("a${HOME}b", "a/homeb"),
        ("$HOMEX", ""),
        ("$X_1.", "x."),
        ("$F/$F", "a.tar.gz/a.tar.gz"),
        ("$", "$"),
        ("$.", "$."),
        ("a$1b", "ab"),
        ("$12x", "x"),
        ("$$", ""),
        ("\\$HOME", "$HOME"),
        ("\\\\$HOME", "\\/home"),
        ("'$HOME'", "$HOME"),
        ('"$HOME"', "/home"),
        ('"\\$HOME"', "$HOME"),
        ('"\\a"', "\\a"),
        ("\\a", "a"),
        ("'it''s'", "its"),
        ("\"it's\"", "it's"),
        ("he'll'o", "hello"),
        ("end\\", "end"),
        ("$KOREAN", "한국어"),
        ("${NO:-d}", "d"),
        ("${NO-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NO:-${HOME}x}", "/homex"),
        ("${NO:-\"a}b\"}", "a}b"),
        ("${HOME:+y}", "y"),
        ("${EMPTY:+y}", ""),
        ("${EMPTY+y}", "y"),
        ("${NO+y}", ""),
        ("${HOME:?no}", "/home"),
        ("${EMPTY?no}", ""),
        ("${F%.gz}", "a.tar"),
        ("${F%%.*}", "a"),
        ("${F#*.}", "tar.gz"),
        ("${F##*.}", "gz"),
        ("${F#?}", ".tar.gz"),
        ("${F/a/A}", "A.tar.gz"),
        ("${F//a/A}", "A.tAr.gz"),
        ("${F/.*}", None),
        ("${F/./$HOME}", "a/hometar.gz"),
        ("${F//[/x}", "a.tar.gz"),
        ("${HOME//\\//-}", "-home"),
        ("<<EOF", "<<EOF"),
        ("a<b", "a<b"),
    ],
)  # fmt: skip
def test_words(text: str, expected: str | None) -> None:
    """One word in, one word out; ``None`` stands for an error."""
    if expected is None:
        with pytest.raises(ExpandError):
            Expander().expand(text, VALUES)
    else:
        assert Expander().expand(text, VALUES).text == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("'open", "single quote"),
        ('"open', "double quote"),
        ("${HOME", "missing"),
        ("${", "missing"),
        ("${}", "no name"),
        ("${{a}}", "no name"),
        ("${:-a}", "no name"),
        ("${HOME:-a", "missing"),
        ("${HOME!a}", "no modifier"),
        ("${HOME:#a}", "no modifier"),
        ("${HOME:", "no modifier"),
        ("${NO?}", "NO.*unset"),
        ("${NO:?say so}", "say so"),
        ("${EMPTY:?}", "EMPTY.*empty"),
        ("${F#\\x}", "escape"),
        ("${F/\\x/y}", "escape"),
        ("${F/a", "missing"),
        ("${F/a/b", "missing"),
        ("${A:-" * 60 + "}" * 60, "nested"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(ExpandError, match=message):
        Expander().expand(text, VALUES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        (" a\tb ", ["a", "b"]),
        ("$SPACED", ["one", "two"]),
        ('"$SPACED"', [" one  two "]),
        ("x$SPACED", ["x", "one", "two"]),
        ("a\\ b c", ["a b", "c"]),
        ("'a b'c d", ["a bc", "d"]),
        ("$EMPTY", []),
        ("''", []),
        ("a <<  EOF b", ["a", "<<  EOF", "b"]),
    ],
)
def test_splitting(text: str, expected: list[str]) -> None:
    assert Expander().expand(text, VALUES).words == expected


def test_other_escape_character() -> None:
    assert Expander("`").expand("`$HOME\\$HOME", VALUES).text == "$HOME\\/home"


def test_quotes_as_letters() -> None:
    """Here-documents: quotes stay, escapes and variables work."""
    assert Expander(quotes=False).expand("'$HOME' \\$HOME \"", VALUES).text == "'/home' $HOME \""


def test_unset_names_can_stay() -> None:
    kept = Expander(keep_unset=True, raw_quotes=True, raw_escapes=True)
    for text in ("$NO", "${NO}", "${NO:-d}", "${NO/a/b}", "'$HOME'", '"a"', "\\a"):
        assert kept.expand(text, VALUES).text == text


def test_names_that_were_looked_up() -> None:
    result = Expander().expand("$HOME ${NO} ${F%x} '$QUOTED'", VALUES)
    assert (result.matched, result.unmatched) == ({"HOME", "F"}, {"NO"})


PATTERN = st.text(alphabet="ab*?", max_size=6)
VALUE = st.text(alphabet="abc", max_size=10)


def _expression(pattern: str, greedy: bool) -> str:
    star = ".*" if greedy else ".*?"
    return "".join({"*": star, "?": "."}.get(letter, re.escape(letter)) for letter in pattern)


@settings(max_examples=500, deadline=None)
@given(PATTERN, VALUE, st.booleans())
def test_prefixes_are_those_of_regular_expressions(pattern: str, value: str, greedy: bool) -> None:
    match = re.match(_expression(pattern, greedy), value)
    expected = value[match.end() :] if match else value
    assert trim_prefix(pattern, value, greedy) == expected


@settings(max_examples=500, deadline=None)
@given(PATTERN, VALUE, st.booleans())
def test_suffixes_are_those_of_regular_expressions(pattern: str, value: str, greedy: bool) -> None:
    ends = [
        start for start in range(len(value) + 1) if re.fullmatch(_expression(pattern, True), value[start:])
    ]
    expected = value[: min(ends) if greedy else max(ends)] if ends else value
    assert trim_suffix(pattern, value, greedy) == expected


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="ab*?", min_size=1, max_size=5), VALUE)
def test_first_replacement_is_that_of_regular_expressions(pattern: str, value: str) -> None:
    assert replace(pattern, value, "<>", False, LONGEST) == re.sub(
        _expression(pattern, True), "<>", value, count=1
    )


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("*", "abc", "x"),
        ("a*", "aab", "x"),
        ("a", "aaa", "xxx"),
        ("b", "abab", "axax"),
        ("", "ab", "xaxbx"),
        ("\\*", "a*b", "axb"),
        ("z", "ab", "ab"),
        ("*", "a\nb", "x\nx"),
    ],
)
def test_all_replacements(pattern: str, value: str, expected: str) -> None:
    assert replace(pattern, value, "x", True, LONGEST) == expected


def test_work_is_bounded() -> None:
    with pytest.raises(PatternError, match="too long"):
        trim_prefix("*a" * 2000, "a" * 2000, True)


@pytest.mark.parametrize("text", ["${A//a/$A}", '"' + "$A" * 4000 + '"'])
def test_a_value_that_grows_without_end_takes_no_memory(text: str) -> None:
    """Its end is noticed on the way, not when it is there."""
    tracemalloc.start()
    try:
        with pytest.raises(ExpandError, match="grows beyond"):
            Expander().expand(text, {"A": "a" * (1 << 14)})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 * LONGEST
