"""Ignore files: which paths of a build context are left out.

Reading is that of moby's ``ignorefile.ReadAll``, matching that of moby's ``patternmatcher``: patterns are
matched against the whole path and its parents, ``**`` spans folders, ``!`` takes paths back in, and the
last pattern that matches decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cirfile import globs
from cirfile.globs import is_pattern
from cirfile.gotext import SPACE, clean

_SPECIAL = re.compile(r"[*?\[\]\\]")


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
    matches: Callable[[str], bool]


class Matcher:
    """Tells which paths a list of patterns leaves out."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile ``patterns``. Raise `ValueError` where one is malformed."""
        self._patterns = [_compile(stripped) for pattern in patterns if (stripped := pattern.strip(SPACE))]
        self._nothing = (False,) * len(self._patterns)
        self._folders: dict[str, tuple[bool, ...]] = {"": self._nothing}

    @property
    def takes_back(self) -> bool:
        """Whether a pattern takes paths back in, so that folders left out must be looked into."""
        return not all(pattern.excludes for pattern in self._patterns)

    def matches(self, path: str) -> bool:
        """Tell whether ``path`` (slashes, relative) is left out.

        A pattern that a parent has matched holds for all below it, unless a later one decides otherwise; but of a
        parent only those count that were asked for there: one that takes back is not asked where nothing is left out.
        """
        return self._asked(path)[0]

    def _asked(self, path: str) -> tuple[bool, tuple[bool, ...]]:
        """Whether a path is left out, and which patterns have matched it or a parent, as moby's walk keeps it."""
        known = self._of_folder(path.rpartition("/")[0])
        left_out, found = False, list(known)
        for number, pattern in enumerate(self._patterns):
            if not found[number] and pattern.excludes != left_out:
                found[number] = pattern.matches(path)
            if found[number]:
                left_out = pattern.excludes
        return left_out, tuple(found)

    def _of_folder(self, folder: str) -> tuple[bool, ...]:
        missing: list[str] = []
        while folder not in self._folders:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        for one in reversed(missing):
            self._folders[one] = self._asked(one)[1]
        return self._folders[missing[0] if missing else folder]


def _compile(pattern: str) -> _Pattern:
    cleaned = clean(pattern)
    excludes = not cleaned.startswith("!")
    body = cleaned if excludes else cleaned[1:]
    if not body:
        raise ValueError("`!` takes nothing back: there is no pattern after it")
    if not is_pattern(body):
        raise ValueError(f"`{pattern}` is no pattern: a bracket is not closed, or an escape protects nothing")
    try:
        return _Pattern(excludes, _matcher(body))
    except re.error as error:
        raise ValueError(f"`{pattern}` is no pattern: {error}") from None


def _matcher(body: str) -> Callable[[str], bool]:
    """Return what tells whether a path matches a pattern.

    ``**`` at the beginning also stands for nothing, at the end for everything below, and between slashes
    for any number of folders. ``*`` and ``?`` never match a slash.
    """
    if body.endswith("**") and not _SPECIAL.search(body[:-2]):
        return lambda path: path.startswith(body[:-2])
    if body.startswith("**") and not _SPECIAL.search(body[2:]):
        suffix = body[2:]
        alone = suffix[1:] if suffix.startswith("/") else None
        return lambda path: path.endswith(suffix) or path == alone
    return globs.matcher(globs.tokens(body, folders=True))
