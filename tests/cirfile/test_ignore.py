"""Ignore files: reading and matching as moby does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirfile.ignore import Matcher, parse_ignore


def test_reading() -> None:
    text = "\ufeff# note\n\n  *.pyc  \n/abs/path/\n./a/../b\n!keep\n! /spaced \n#no\n  # pattern\n.\n/\n!\r\n"
    assert parse_ignore(text) == (
        "*.pyc", "abs/path", "b", "!keep", "!spaced", "# pattern", ".", "/", "!",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        ("a", "a", True), ("a", "a/b", True), ("a", "b/a", False), ("a/b", "a/b/c", True),
        ("a/b", "a", False), ("*", "a/b", True), ("*.py", "x.py", True), ("*.py", "d/x.py", False),
        ("*/x.py", "d/x.py", True), ("**", "a/b/c", True), ("**/x.py", "x.py", True),
        ("**/x.py", "a/b/x.py", True), ("**/x.py", "ax.py", False), ("**x.py", "ax.py", True),
        ("a/**", "a/b/c", True), ("a/**", "a", False), ("a/**/b", "a/b", True), ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/xb", False), ("**/.git", "x/.git/config", True), ("**/*.py", "a/b.py", True),
        ("a**", "ab/c", True), ("?", "a", True), ("?", "ab", False), ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False), ("[^a-c]x", "zx", True), ("a\\*", "a*", True), ("a\\*", "ab", False),
        ("a.b", "axb", False), ("a+(b)", "a+(b)", True), ("[\\]]", "]", True), ("* !a", "a", False),
        ("* !a", "b", True), ("* !a/b", "a/b", False), ("* !a/b", "a/c", True),
        ("a !a/b a/b/c", "a/b/c", True), ("a !a/b a/b/c", "a/b/d", False), ("!a", "a", False),
        ("*.md !README*.md", "README-x.md", False),
        ("*.md !README*.md README-secret.md", "README-secret.md", True),
        ("**/.env !config", "config/.env", True), ("**/.env !config", "config/x", False),
        ("**/.env !config/**", "config/.env", False), ("**/*.md !docs", "docs/a/x.md", True),
        ("* !a", "a/b/c", False), ("a !a/b", "a/b/c/d", False), ("**/c a !a", "a/b/c", False),
        ("node_modules", "node_modules/a/b/c.js", True), ("**/temp*", "a/temporary/x", True),
        ("a/ ", "a/b", True), ("[a|b]", "|", True), ("[&&x]", "&", True),
    ],
)  # fmt: skip
def test_matching(patterns: str, path: str, expected: bool) -> None:
    assert Matcher(patterns.split(" ")).matches(path) == expected


@pytest.mark.parametrize("pattern", ["[", "[]a]", "[a", "a\\", "!", "[a-]", "[-a]", "[b-a]", "[^]"])
def test_malformed_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Matcher([pattern])


def test_taking_back_is_known() -> None:
    assert Matcher(["*", "!a"]).takes_back
    assert not Matcher(["*"]).takes_back


NAME = st.text(alphabet="ab.", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
PATH = st.lists(NAME, min_size=1, max_size=4).map("/".join)
PATTERN = st.lists(
    st.one_of(NAME, st.sampled_from(["*", "**", "a*", "?", "[ab]"])), min_size=1, max_size=4
).map("/".join)
PATTERNS = st.lists(st.tuples(st.booleans(), PATTERN).map(lambda pair: "!" * pair[0] + pair[1]), max_size=5)


@given(PATTERNS, PATH, NAME)
@settings(deadline=None)
def test_without_taking_back_all_below_is_left_out(patterns: list[str], path: str, name: str) -> None:
    matcher = Matcher([pattern.removeprefix("!") for pattern in patterns])
    if matcher.matches(path):
        assert matcher.matches(f"{path}/{name}")


@given(PATTERNS, PATH)
@settings(deadline=None)
def test_the_last_match_decides(patterns: list[str], path: str) -> None:
    assert Matcher([*patterns, path]).matches(path)
    assert not Matcher([*patterns, "!" + path]).matches(path)


@given(PATTERN, PATH)
@settings(deadline=None)
def test_matching_is_that_of_a_naive_matcher(pattern: str, path: str) -> None:
    parts = path.split("/")
    expected = any(_naive(pattern.split("/"), parts[:size]) for size in range(1, len(parts) + 1))
    assert Matcher([pattern]).matches(path) == expected


def _naive(pattern: list[str], parts: list[str]) -> bool:
    """Match part by part: ``**`` takes any number of parts, at the end at least one."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        if len(pattern) == 1:
            return bool(parts)
        return any(_naive(pattern[1:], parts[size:]) for size in range(len(parts) + 1))
    return bool(parts) and _part(pattern[0], parts[0]) and _naive(pattern[1:], parts[1:])


def _part(pattern: str, name: str) -> bool:
    if pattern == "?":
        return len(name) == 1
    if pattern == "[ab]":
        return name in ("a", "b")
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return name == pattern


@given(st.text(alphabet="a*?[]!^-\\/. \n#", max_size=20))
@settings(deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    patterns = parse_ignore(text)
    try:
        matcher = Matcher(patterns)
    except ValueError:
        return
    matcher.matches("a/b")
