"""Shell patterns of ``${x#pattern}``, ``${x%pattern}`` and ``${x/pattern/replacement}``.

``*`` stands for any run of characters and ``?`` for one, neither for a line end; a backslash protects
``*``, ``?`` and itself. Which of several matches is taken is the same as in BuildKit, which turns the
pattern into a regular expression; here a table is filled instead, so that the time is bounded by the
product of the two lengths whatever the pattern.
"""

from __future__ import annotations

#: Largest product of pattern and value lengths worked on; more than any sensible Cirfile needs.
MOST_WORK = 2_000_000

_STAR, _ANY = "*", "?"
#: A token of a pattern: its kind (``*``, ``?`` or empty for a literal) and its letter.
_Token = tuple[str, str]


class PatternError(ValueError):
    """The pattern is not valid, or matching it would take too long."""


def _tokens(pattern: str) -> list[_Token]:
    tokens: list[_Token] = []
    letters = iter(enumerate(pattern))
    for position, letter in letters:
        if letter in (_STAR, _ANY):
            tokens.append((letter, ""))
        elif letter != "\\":
            tokens.append(("", letter))
        elif pattern[position + 1 : position + 2] in ("}", "/"):
            continue
        else:
            _, protected = next(letters, (0, ""))
            if protected not in ("*", "?", "\\"):
                raise PatternError(f"`\\{protected}` is no escape in a pattern")
            tokens.append(("", protected))
    return tokens


def _ends(tokens: list[_Token], value: str, greedy: bool) -> list[int]:
    """For every start in ``value`` return where the match that begins there ends, -1 for no match."""
    size = len(value)
    if size * len(tokens) > MOST_WORK:
        raise PatternError("pattern and value are too long to be matched")
    ends = list(range(size + 1))
    for kind, letter in reversed(tokens):
        ends = _column(kind, letter, value, ends, greedy)
    return ends


def _column(kind: str, letter: str, value: str, after: list[int], greedy: bool) -> list[int]:
    """One step of the table: ``after`` holds the ends for the rest of the pattern behind this token."""
    size = len(value)
    if kind == _STAR:
        ends = list(after)
        for start in range(size - 1, -1, -1):
            if value[start] != "\n" and ends[start + 1] >= 0 and (greedy or ends[start] < 0):
                ends[start] = ends[start + 1]
        return ends
    fits = [(c != "\n") if kind == _ANY else (c == letter) for c in value]
    return [after[i + 1] if fits[i] else -1 for i in range(size)] + [-1]


def trim_prefix(pattern: str, value: str, greedy: bool) -> str:
    """Cut the shortest (``greedy``: longest) match of ``pattern`` off the front of ``value``."""
    end = _ends(_tokens(pattern), value, greedy)[0]
    return value[end:] if end > 0 else value


def trim_suffix(pattern: str, value: str, greedy: bool) -> str:
    """Cut the shortest (``greedy``: longest) match of ``pattern`` off the end of ``value``."""
    tokens = _tokens(pattern)[::-1]
    end = _ends(tokens, value[::-1], greedy)[0]
    return value[: len(value) - end] if end > 0 else value


def replace(pattern: str, value: str, replacement: str, everywhere: bool, longest: int) -> str:
    """Replace the first (``everywhere``: every) longest match of ``pattern`` in ``value``.

    Raise `PatternError` where the result would have more than ``longest`` characters.
    """
    ends = _ends(_tokens(pattern), value, True)
    result: list[str] = []
    copied = start = size = 0
    while start <= len(value):
        end = ends[start]
        if end < 0:
            start += 1
            continue
        if end > copied or start == 0:
            result += [value[copied:start], replacement]
            size += start - copied + len(replacement)
            if size + len(value) - end > longest:
                raise PatternError(f"the value grows beyond {longest} characters")
            copied = end
            if not everywhere:
                break
        start = end if end > start else start + 1
    return "".join(result) + value[copied:]
