"""Ignore files: which paths of a build context are left out.

Reading is that of moby's ``ignorefile.ReadAll``, matching that of moby's ``patternmatcher``: patterns are
matched against the whole path and its parents, ``**`` spans folders, ``!`` takes paths back in, and the
last pattern that matches decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cirfile.gotext import SPACE, clean


def parse_ignore(text: str) -> tuple[str, ...]:
    """Return the patterns of an ignore file, cleaned, those taking back with ``!`` before them."""
    found: list[str] = []
    for number, line in enumerate(text.split("\n")):
        raw = line.removeprefix("\ufeff") if number == 0 else line
        pattern = raw.strip(SPACE)
        if raw.startswith("#") or not pattern:
            continue
        inverted = pattern.startswith("!")
        if inverted:
            pattern = pattern[1:].strip(SPACE)
        if pattern:
            pattern = clean(pattern)
            pattern = pattern[1:] if len(pattern) > 1 and pattern[0] == "/" else pattern
        found.append("!" + pattern if inverted else pattern)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One compiled pattern; ``excludes`` is false for those that take paths back in."""

    excludes: bool
    form: re.Pattern[str]


class Matcher:
    """Tells which paths a list of patterns leaves out."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile ``patterns``. Raise `ValueError` where one is malformed."""
        self._patterns = [_compile(stripped) for pattern in patterns if (stripped := pattern.strip(SPACE))]

    @property
    def takes_back(self) -> bool:
        """Whether a pattern takes paths back in, so that folders left out must be looked into."""
        return not all(pattern.excludes for pattern in self._patterns)

    def matches(self, path: str) -> bool:
        """Tell whether ``path`` (slashes, relative) or one of its parents is left out."""
        paths = (path, *_parents(path))
        left_out = False
        for pattern in self._patterns:
            if pattern.excludes != left_out and any(pattern.form.fullmatch(one) for one in paths):
                left_out = pattern.excludes
        return left_out


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")[:-1]
    for size in range(1, len(parts) + 1):
        yield "/".join(parts[:size])


def _compile(pattern: str) -> _Pattern:
    cleaned = clean(pattern)
    excludes = not cleaned.startswith("!")
    body = cleaned if excludes else cleaned[1:]
    if not body:
        raise ValueError("`!` takes nothing back: there is no pattern after it")
    if not is_pattern(body):
        raise ValueError(f"`{pattern}` is no pattern: a bracket is not closed, or an escape protects nothing")
    try:
        return _Pattern(excludes, re.compile(_expression(body), re.DOTALL))
    except re.error as error:
        raise ValueError(f"`{pattern}` is no pattern: {error}") from None


def _expression(body: str) -> str:
    """Return the regular expression of one pattern.

    ``**`` at the beginning also stands for nothing, at the end for everything below, and between slashes
    for any number of folders. ``*`` and ``?`` never match a slash.
    """
    if body.endswith("**") and not re.search(r"[*?\[\]\\]", body[:-2]):
        return re.escape(body[:-2]) + ".*"
    if body.startswith("**") and not re.search(r"[*?\[\]\\]", body[2:]):
        suffix = body[2:]
        return f"(?:.*{re.escape(suffix)}" + (f"|{re.escape(suffix[1:])})" if suffix.startswith("/") else ")")
    out: list[str] = []
    position = 0
    while position < len(body):
        piece, position = _token(body, position)
        out.append(piece)
    return "".join(out)


def _token(body: str, position: int) -> tuple[str, int]:
    """Translate what begins at ``position``; return the expression and where the next piece begins."""
    letter = body[position]
    if body.startswith("**", position):
        after = position + 2
        after += body.startswith("/", after)
        return ("[^\\n]*", after) if after == len(body) else ("(?:[^\\n]*/)?", after)
    if letter == "*":
        return "[^/]*", position + 1
    if letter == "?":
        return "[^/]", position + 1
    if letter == "[":
        return _bracket(body, position)
    if letter == "\\" and position + 1 < len(body):
        return re.escape(body[position + 1]), position + 2
    return re.escape(letter), position + 1


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
