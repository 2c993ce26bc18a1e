"""Matchers of patterns: both ways of matching agree, and none takes long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirfile import globs
from cirfile.ignore import Matcher


@settings(max_examples=400)
@given(
    st.text(alphabet="ab*?/", max_size=8),
    st.lists(st.text(alphabet="ab/\n", max_size=7), min_size=1, max_size=6),
    st.booleans(),
)
def test_both_ways_agree(pattern: str, texts: list[str], folders: bool) -> None:
    """Whether a pattern has few loops, and is a regular expression, or many."""
    pieces = globs.tokens(pattern, folders=folders)
    form = re.compile("".join(globs._FORMS.get(kind, piece) for kind, piece in pieces), re.DOTALL)
    positions = globs._Positions(pieces)
    for text in texts:
        assert positions.match(text) == (form.fullmatch(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "folders", "expected"),
    [
        ("a*b*c*d", "axbxcxd", True, True),
        ("a*b*c*d", "axb/cxd", True, False),
        ("**/a/**/b/**/c", "x/a/b/y/z/c", True, True),
        ("**/a/**/b/**/c", "x/a/b/y/zc", True, False),
        ("**/*/**", "a/b", True, True),
        ("[a-c]*[^x]*?*", "byz1", True, True),
        ("**a**", "xay", False, True),
        ("**a**", "x/ay", False, False),
    ],
)
def test_patterns_with_many_loops(pattern: str, text: str, folders: bool, expected: bool) -> None:
    assert globs.matcher(globs.tokens(pattern, folders=folders))(text) == expected


@pytest.mark.parametrize("pattern", ["*a" * 10 + "b", "**/" * 12 + "b", "*a" * 3 + "/**/" + "*a" * 8 + "b"])
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    """Tried one way after another, the first would take longer than anybody waits."""
    assert not Matcher([pattern]).matches("a" * 250)
    assert not globs.matcher(globs.tokens(pattern, folders=False))("a/" * 1000)
