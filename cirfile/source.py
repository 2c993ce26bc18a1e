"""Where a thing was written: a text with its name, and a span of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A text to parse, with the name shown in messages."""

    name: str
    text: str

    def lines(self) -> list[str]:
        """Return the lines without their line ends; line 1 is element 0."""
        return self.text.split("\n")


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a source: lines and columns count from 1, the end is included."""

    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0

    @property
    def last_line(self) -> int:
        """The line the span ends on."""
        return self.end_line or self.line
