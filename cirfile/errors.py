"""What can be wrong with a Cirfile, as a value with a place and a way out, and its one renderer.

Every complaint of this package is a `CirfileError`. Its text for people is made by `render` only:
place, cause, the guilty lines, hint. Control characters of the file never reach a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cirfile.source import Source, Span

#: How many lines before and after the guilty ones are shown.
_CONTEXT = 2
#: A guilty range of more lines than this is cut in the middle.
_LONGEST = 8
#: How many mistakes of one file are shown: what is no Cirfile at all has one in every line.
_MOST = 20
_CREDENTIALS = re.compile(r"(https?://|(?:git|ssh)://[^/\s@:]*:)([^/\s@]+)@", re.IGNORECASE)


class CirfileError(Exception):
    """A mistake in a Cirfile, or in a file it names.

    ``span`` is the guilty range, ``code`` a stable name of the kind of mistake, ``message`` the cause
    and ``hint`` the way out (may be empty). ``source`` is the text ``span`` points into; the parser and
    the planner fill it in. ``more`` holds further mistakes found in the same file.
    """

    def __init__(
        self, span: Span, code: str, message: str, hint: str = "", source: Source | None = None
    ) -> None:
        super().__init__(message)
        self.span = span
        self.code = code
        self.message = message
        self.hint = hint
        self.source = source
        self.more: tuple[CirfileError, ...] = ()

    def __str__(self) -> str:
        """Return the complete rendering where the source is known, else message and hint."""
        if self.source is not None:
            return render(self)
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def in_source(self, source: Source) -> CirfileError:
        """Return this error with ``source`` filled in where it is still missing."""
        if self.source is None:
            self.source = source
        return self

    def all(self) -> tuple[CirfileError, ...]:
        """Return the error and those found with it, in the order of the file."""
        return (self, *self.more)


def raise_all(errors: Iterable[CirfileError], source: Source) -> None:
    """Raise the first of ``errors`` with the others attached; do nothing where there are none."""
    found = [error.in_source(source) for error in errors]
    if len(found) > _MOST:
        rest = CirfileError(
            found[_MOST].span, "more", f"{len(found) - _MOST} more mistakes follow", "", source
        )
        found = [*found[:_MOST], rest]
    if found:
        found[0].more = tuple(found[1:])
        raise found[0]


def render(error: CirfileError, source: Source | None = None) -> str:
    """Draw ``error`` and those attached to it: ``file:line:column``, cause, excerpt and hint."""
    return "\n\n".join(_render_one(one, one.source or source) for one in error.all())


def _render_one(error: CirfileError, source: Source | None) -> str:
    name = source.name if source else "Cirfile"
    lines = [
        f"{name}:{error.span.line}:{error.span.column}: error: {_single_line(error.message)} [{error.code}]"
    ]
    if source:
        lines += excerpt(source, error.span)
    if error.hint:
        lines.append(f"hint: {printable(error.hint)}")
    return "\n".join(lines)


def excerpt(source: Source, span: Span) -> list[str]:
    """Return the lines around ``span`` with numbers: guilty ones marked, carets below a single one."""
    text = source.lines()
    if len(text) > span.last_line and not text[-1]:
        text.pop()  # what follows the last line end is no line
    first = max(1, span.line - _CONTEXT)
    last = min(len(text), span.last_line + _CONTEXT)
    width = len(str(last))
    drawn: list[str] = []
    for number in range(first, last + 1):
        if span.line + _LONGEST <= number < span.last_line:
            if number == span.line + _LONGEST:
                drawn.append(f"    {'.' * width} |")
            continue
        guilty = span.line <= number <= span.last_line
        body = printable(text[number - 1].rstrip("\r"))
        drawn.append(f"{'>>>' if guilty else '   '} {number:>{width}} | {body}".rstrip())
        if number == span.line == span.last_line:
            drawn.append(f"    {' ' * width} | {_carets(text[number - 1], span)}")
    return drawn


def _single_line(text: str) -> str:
    return printable(text).replace("\n", "\\n")


def _carets(line: str, span: Span) -> str:
    """Return carets below the guilty columns, aligned with the line as it is printed."""
    start = max(0, span.column - 1)
    end = max(start + 1, min(span.end_column or len(line.rstrip()), len(line)))
    before = "".join("\t" if letter == "\t" else " " * len(printable(letter)) for letter in line[:start])
    return before + "^" * max(1, len(printable(line[start:end])))


def printable(text: str) -> str:
    """Return ``text`` fit for a terminal and a log.

    Control characters are written as escapes, and credentials in addresses are starred out.
    """
    text = _CREDENTIALS.sub(lambda match: match[1] + "*" * len(match[2]) + "@", text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\t\n" else c.encode("unicode_escape").decode() for c in text)
