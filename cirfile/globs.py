"""Patterns of paths: their pieces, and matchers whose time is bounded whatever the pattern.

Two languages share them: moby's ``patternmatcher`` (ignore files), in which ``**`` spans folders, and Go's
``path/filepath.Match`` (copies), in which it is two stars. Both are linear in Go. A regular expression of Python is
as long as it has two loops at most; others are matched by a set of positions, kept as the bits of a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

#: Pieces: one character (a regular expression of one), any number of them but slashes, any number of folders, and
#: whatever follows.
_ONE, _STAR, _FOLDERS, _REST = "one", "star", "folders", "rest"
_FORMS = {_STAR: "[^/]*", _FOLDERS: "(?:[^\n]*/)?", _REST: "[^\n]*"}
_Token = tuple[str, str]
#: With more, backtracking takes too long.
_MOST_LOOPS = 2


def tokens(body: str, *, folders: bool) -> list[_Token]:
    """Return the pieces of a pattern that `is_pattern` accepts; with ``folders``, ``**`` spans them."""
    found: list[_Token] = []
    position = 0
    while position < len(body):
        letter = body[position]
        if folders and body.startswith("**", position):
            position += 2
            position += body.startswith("/", position)
            found.append((_REST if position == len(body) else _FOLDERS, ""))
        elif letter == "[":
            piece, position = _bracket(body, position)
            found.append((_ONE, piece))
        elif letter == "\\" and position + 1 < len(body):
            found.append((_ONE, re.escape(body[position + 1])))
            position += 2
        else:
            found.append({"*": (_STAR, ""), "?": (_ONE, "[^/]")}.get(letter) or (_ONE, re.escape(letter)))
            position += 1
    return found


def matcher(pieces: list[_Token]) -> Callable[[str], bool]:
    """Return what tells whether a whole text matches. Raise `re.error` for a class that is none."""
    if sum(kind != _ONE for kind, _ in pieces) > _MOST_LOOPS:
        return _Positions(pieces).match
    form = re.compile("".join(_FORMS.get(kind, piece) for kind, piece in pieces), re.DOTALL)
    return lambda text: form.fullmatch(text) is not None


class _Positions:
    """All places in a pattern that a text so far may have led to, at once."""

    def __init__(self, pieces: Iterable[_Token]) -> None:
        self._ones: list[tuple[int, re.Pattern[str]]] = []
        self._loops: list[tuple[int, re.Pattern[str]]] = []
        self._skips = self._far_skips = 0
        self._known: dict[str, tuple[int, int]] = {}
        place = 0
        for kind, piece in pieces:
            here = 1 << place
            if kind == _ONE:
                self._ones.append((here, re.compile(piece, re.DOTALL)))
            elif kind == _FOLDERS:  # before them, where they may be left out, and within them, until a slash
                self._skips |= here
                self._far_skips |= here
                place += 1
                self._loops.append((1 << place, re.compile(r"[^\n]")))
                self._ones.append((1 << place, re.compile("/")))
            else:
                self._skips |= here
                self._loops.append((here, re.compile(r"[^/]" if kind == _STAR else r"[^\n]", re.DOTALL)))
            place += 1
        self._end = 1 << place

    def match(self, text: str) -> bool:
        places = self._closed(1)
        for letter in text:
            ones, loops = self._known.get(letter) or self._steps(letter)
            places = self._closed((places & ones) << 1 | (places & loops))
            if not places:
                return False
        return bool(places & self._end)

    def _closed(self, places: int) -> int:
        """With the places that are reached without a character."""
        while True:
            more = places | (places & self._skips) << 1 | (places & self._far_skips) << 2
            if more == places:
                return places
            places = more

    def _steps(self, letter: str) -> tuple[int, int]:
        """Where a character leads on, and where it may be one of many."""
        ones, loops = (
            sum(here for here, form in known if form.fullmatch(letter)) for known in (self._ones, self._loops)
        )
        self._known[letter] = ones, loops
        return ones, loops


def _bracket(body: str, position: int) -> tuple[str, int]:
    """Translate ``[a-z]`` or ``[^a-z]``; `is_pattern` has seen that it is closed."""
    end = position + 1 + body.startswith("^", position + 1)
    start = end
    while body[end] != "]" or end == start:
        end += 2 if body[end] == "\\" else 1
    inner = re.sub(
        r"\\.|[\[&~|]", lambda match: match[0] if match[0][0] == "\\" else "\\" + match[0], body[start:end]
    )
    return f"[{'^' if start > position + 1 else ''}{inner}]", end + 1


def is_pattern(body: str) -> bool:
    """Tell whether Go's ``path/filepath.Match`` would accept ``body`` as a pattern."""
    position = 0
    while position < len(body):
        if body[position] == "\\":
            if position + 1 == len(body):
                return False
            position += 2
        elif body[position] == "[":
            position = _bracket_end(body, position)
            if position < 0:
                return False
        else:
            position += 1
    return True


def _bracket_end(body: str, position: int) -> int:
    """Return the position after a bracket expression, -1 where it is malformed."""
    position += 1 + body.startswith("^", position + 1)
    ranges = 0
    while True:
        if body.startswith("]", position) and ranges:
            return position + 1
        position = _bracket_letter(body, position)
        if position > 0 and body.startswith("-", position):
            position = _bracket_letter(body, position + 1)
        if position < 0:
            return -1
        ranges += 1


def _bracket_letter(body: str, position: int) -> int:
    if position >= len(body) or body[position] in "-]":
        return -1
    position += body[position] == "\\"
    return position + 1 if position + 1 < len(body) else -1
