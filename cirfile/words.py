"""Words of one instruction: where each begins and ends, with quotes left as written.

Three ways to split exist in the Dockerfile language and all are kept: at white space only, at white
space outside of quotes, and flags at the beginning of an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cirfile.gotext import SPACE
from cirfile.source import Span

#: What separates the keyword and the words of instructions without quotes. A line feed is not in it.
BLANK = re.compile(r"[\t\v\f\r ]+")


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of an instruction as written, and where it stands."""

    text: str
    span: Span


#: A piece of a text and its offset in it.
Piece = tuple[str, int]


def split_blank(text: str) -> list[Piece]:
    """Split at blanks as ``EXPOSE`` and ``COPY`` do; quotes mean nothing."""
    pieces: list[Piece] = []
    start = 0
    if not text:
        return pieces
    for blank in BLANK.finditer(text):
        pieces.append((text[start : blank.start()], start))
        start = blank.end()
    pieces.append((text[start:], start))
    return pieces


def split_quoted(text: str, escape: str) -> list[Piece]:
    """Split at white space outside of quotes as ``ENV``, ``LABEL`` and ``ARG`` do; quotes stay in the words.

    The escape character protects the next one, except inside single quotes, and stays in the word; at
    the end of the text it is dropped.
    """
    pieces: list[Piece] = []
    position = 0
    while position < len(text):
        if text[position] in SPACE:
            position += 1
            continue
        start = position
        word, position = _quoted_word(text, position, escape)
        if word:
            pieces.append((word, start))
    return pieces


def _quoted_word(text: str, position: int, escape: str) -> tuple[str, int]:
    """Read one word from ``position``; return it and the position after it."""
    word: list[str] = []
    quote = ""
    while position < len(text):
        letter = text[position]
        if not quote and letter in SPACE:
            break
        if letter == escape and quote != "'":
            word.append(text[position : position + 2] if position + 1 < len(text) else "")
            position += 2
            continue
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        word.append(letter)
        position += 1
    return "".join(word), min(position, len(text))


def split_flags(text: str, escape: str) -> tuple[list[Piece], int]:
    """Read the ``--flags`` at the beginning of ``text``; return them and the offset of what follows.

    Quotes and escapes are removed from flags. A lone ``--`` ends them and is dropped.
    """
    flags: list[Piece] = []
    position = 0
    while True:
        while position < len(text) and text[position] in SPACE:
            position += 1
        if not text.startswith("--", position):
            return flags, position
        start = position
        word, position = _flag(text, position, escape)
        if word == "--":
            return flags, position
        flags.append((word, start))


def _flag(text: str, position: int, escape: str) -> tuple[str, int]:
    """Read one flag from ``position`` without its quotes; return it and the position after it."""
    word: list[str] = []
    quote = ""
    while position < len(text):
        letter = text[position]
        if not quote and letter in SPACE:
            break
        if letter == quote or (not quote and letter in "'\""):
            quote = "" if quote else letter
        elif letter == escape:
            position += 1
            word.append(text[position : position + 1])
        else:
            word.append(letter)
        position += 1
    return "".join(word), min(position, len(text))


def outer_words(text: str) -> Iterator[tuple[str, int, bool]]:
    """Split the arguments of ``REQUIRE`` at white space; yield word, offset and whether it was quoted.

    A word that *begins* with a quote ends with it. Quotes inside a word stay, because markers such as
    ``sys_platform=='linux'`` need them. A quote that is never closed runs to the end of the text.
    """
    position = 0
    while position < len(text):
        letter = text[position]
        if letter in SPACE:
            position += 1
        elif letter in "'\"":
            end = text.find(letter, position + 1)
            end = len(text) if end < 0 else end
            yield text[position + 1 : end], position + 1, True
            position = end + 1
        else:
            end = position
            while end < len(text) and text[end] not in SPACE:
                end += 1
            yield text[position:end], position, False
            position = end
