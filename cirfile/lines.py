"""Text to logical lines: comments, continuations, parser directives and here-documents.

The rules are those of BuildKit's Dockerfile parser. Every logical line remembers where each of its
characters stands in the file, so that later stages can point at a single word.

The package ``dockerfile-parse`` splits instructions too, but gives lines without columns, and takes the lines of a
here-document for instructions.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field

from cirfile.directives import Directives
from cirfile.errors import CirfileError
from cirfile.expand import Expander, ExpandError
from cirfile.gotext import SPACE
from cirfile.keywords import WITH_HEREDOCS
from cirfile.source import Source, Span
from cirfile.words import BLANK, Word, split_flags

_HEREDOC = re.compile(r"[0-9]*<<(-?)[\t\n\f\r ]*([^<]*)\Z")
_HEREDOC_WORDS = Expander(raw_quotes=True, raw_escapes=True, keep_unset=True)


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document: its name, its lines, and whether variables in it are expanded (name not quoted)."""

    name: str
    expand: bool
    chomp: bool = False
    content: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction with continuations joined.

    ``places`` lists ``(offset in text, line, column)`` for every physical line that is part of it.
    ``comments`` are the comment lines right above it, without their ``#``.
    """

    text: str
    span: Span
    places: tuple[tuple[int, int, int], ...]
    comments: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    empty_continuation: int = 0
    escape: str = "\\"

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of the character at ``offset``."""
        start, line, column = self.places[max(0, bisect_right(self.places, (offset, 1 << 60, 0)) - 1)]
        return line, column + offset - start

    def word(self, text: str, start: int, length: int | None = None) -> Word:
        """Return ``text`` with the span of the ``length`` characters it was written with at ``start``."""
        line, column = self.position(start)
        size = len(text) if length is None else length
        end_line, end_column = self.position(start + max(size - 1, 0))
        return Word(text, Span(line, column, end_line, end_column))

    def keyword(self) -> Word:
        """Return the instruction word as written."""
        start = len(self.text) - len(self.text.lstrip(SPACE))
        return self.word(BLANK.split(self.text.strip(SPACE), maxsplit=1)[0], start)

    def arguments(self) -> tuple[tuple[Word, ...], str, int]:
        """Return the flags, then the rest without outer white space and the offset where it begins."""
        start = len(self.text) - len(self.text.lstrip(SPACE))
        blank = BLANK.search(self.text.strip(SPACE))
        if not blank:
            return (), "", len(self.text)
        begin = start + blank.end()
        flags, rest = split_flags(self.text[begin:], self.escape)
        text = self.text[begin + rest :]
        offset = begin + rest + len(text) - len(text.lstrip(SPACE))
        return tuple(self.word(flag, begin + at) for flag, at in flags), text.strip(SPACE), offset


def parse_heredoc(word: str) -> Heredoc | None:
    """Return what ``<<NAME`` announces, ``None`` where ``word`` announces no here-document."""
    match = _HEREDOC.match(word)
    if not match or not match[2]:
        return None
    try:
        bare = Expander(keep_unset=True).expand(match[2], {}).words
        raw = Expander(keep_unset=True, raw_quotes=True).expand(match[2], {}).words
    except ExpandError:
        return None
    if len(bare) != 1 or len(raw) != 1:
        return None
    quoted = [word.count("'") + word.count('"') for word in (bare[0], raw[0])]
    return Heredoc(bare[0], expand=quoted[0] == quoted[1], chomp=match[1] == "-")


@dataclass(slots=True)
class _Joined:
    """A logical line while its continuations are being read."""

    parts: list[str] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)
    size: int = 0
    empty_continuation: int = 0

    def add(self, text: str, line: int, column: int) -> None:
        if text:
            self.places.append((self.size, line, column))
            self.parts.append(text)
            self.size += len(text)


class Reader:
    """Reads the logical lines of one source, in order."""

    def __init__(self, source: Source) -> None:
        self._lines = source.lines()
        if self._lines and not self._lines[-1]:
            self._lines.pop()  # the text ends with a line end, no line follows it
        self._next = 0
        self.directives = Directives()
        self._continued = re.compile("")
        self._set_escape()

    def read(self) -> tuple[list[Line], list[CirfileError]]:
        """Return all logical lines and every mistake found on the way."""
        found: list[Line] = []
        errors: list[CirfileError] = []
        comments: list[str] = []
        while self._next < len(self._lines):
            try:
                line = self._logical(comments)
            except CirfileError as error:
                errors.append(error)
                continue
            if line is not None:
                found.append(line)
                comments = []
        return found, errors

    def _set_escape(self) -> None:
        mark = re.escape(self.directives.escape)
        self._continued = re.compile(rf"(?:^|(?<=[^{mark}])){mark}[ \t]*\Z")

    def _physical(self) -> str:
        """Take the next physical line without its line end (and without a byte order mark)."""
        line = self._lines[self._next]
        self._next += 1
        return (line.removeprefix("\ufeff") if self._next == 1 else line).rstrip("\r")

    def _logical(self, comments: list[str]) -> Line | None:
        """Take one physical line and what continues it; ``None`` for comments and empty lines."""
        raw = self._physical()
        number = self._next
        text = raw.lstrip(SPACE)
        if self.directives.read(text, number):
            self._set_escape()
            return None
        if text.startswith("#"):
            comment = text[1:].strip(SPACE)
            if comment:
                comments.append(comment)
            else:
                comments.clear()
            return None
        joined = _Joined()
        body, more = self._cut(text)
        joined.add(
            body, number, 1 + len(raw) - len(text) + (number == 1 and self._lines[0].startswith("\ufeff"))
        )
        if not more and not body.strip(SPACE):
            return None
        self._continue(joined, more)
        return self._line(joined, number, tuple(comments))

    def _cut(self, text: str) -> tuple[str, bool]:
        """Cut a continuation mark off; tell whether there was one."""
        mark = self._continued.search(text)
        return (text[: mark.start()], True) if mark else (text, False)

    def _continue(self, joined: _Joined, more: bool) -> None:
        """Append the lines that continue; comment lines and empty ones among them are skipped."""
        while more and self._next < len(self._lines):
            text = self._physical()
            stripped = text.lstrip(SPACE)
            if stripped.startswith("#"):
                continue
            if not stripped:
                joined.empty_continuation = joined.empty_continuation or self._next
                continue
            body, more = self._cut(text)
            joined.add(body, self._next, 1)

    def _line(self, joined: _Joined, first: int, comments: tuple[str, ...]) -> Line:
        text = "".join(joined.parts)
        places = tuple(joined.places) or ((0, first, 1),)
        escape = self.directives.escape
        line = Line(text, self._span(first, places), places, comments, (), joined.empty_continuation, escape)
        keyword = line.keyword().text.upper()
        if not keyword:
            raise CirfileError(
                line.span, "empty-instruction", "a continuation mark is followed by nothing",
                "remove the mark at the end of the line",
            )  # fmt: skip
        if keyword not in WITH_HEREDOCS or "<<" not in text or _is_array(line.arguments()[1]):
            return line
        docs = tuple(self._contents(doc, line.span) for doc in _announced(text))
        span = self._span(first, places)
        return Line(text, span, places, comments, docs, joined.empty_continuation, escape)

    def _span(self, first: int, places: tuple[tuple[int, int, int], ...]) -> Span:
        last = max(self._next, first)
        return Span(first, places[0][2], last, max(1, len(self._lines[last - 1].rstrip())))

    def _contents(self, doc: Heredoc, span: Span) -> Heredoc:
        """Read the lines of ``doc`` up to the one that holds its name alone."""
        content: list[str] = []
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            bare = line.rstrip("\r")
            if (bare.lstrip("\t") if doc.chomp else bare) == doc.name:
                return Heredoc(doc.name, doc.expand, doc.chomp, "".join(content))
            content.append((line.lstrip("\t") if doc.chomp else line) + "\n")
        raise CirfileError(
            span, "unterminated-heredoc", f"the here-document `{doc.name}` is never closed",
            f"add a line that holds nothing but `{doc.name}`",
        )  # fmt: skip


def _is_array(rest: str) -> bool:
    """Whether arguments are a JSON array, as in the exec form, which has no here-documents."""
    if not rest.startswith("["):
        return False
    try:
        found = json.loads(rest)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) and all(isinstance(word, str) for word in found)


def _announced(text: str) -> list[Heredoc]:
    """Return the here-documents announced on a line, in order."""
    try:
        words = _HEREDOC_WORDS.expand(text, {}).words
    except ExpandError:
        return []
    return [doc for doc in map(parse_heredoc, words) if doc]
