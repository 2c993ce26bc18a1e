"""What the notations share: an item with its place, and the complaint that it is not valid."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One dependency as written, and the offset of its first character in the text it was read from."""

    text: str
    offset: int
    length: int


class NotationError(ValueError):
    """A text is no dependency of its ecosystem: what is wrong, and what to write."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
