"""What several instructions share: exec forms, single arguments, ``name=value`` pairs, complaints."""

from __future__ import annotations

import json
import re

from cirfile.errors import CirfileError
from cirfile.flags import Flags, read_flags
from cirfile.gotext import SPACE
from cirfile.lines import Line
from cirfile.source import Span
from cirfile.syntax import Pair
from cirfile.words import BLANK, Word, split_quoted

#: What JSON can write and text cannot hold.
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def no_flags(keyword: str, line: Line) -> tuple[str, int]:
    """Return the arguments of an instruction that takes no flags, and where they begin in the line."""
    flags, rest, offset = line.arguments()
    read_flags(keyword, flags, {})
    return rest, offset


def with_flags(keyword: str, line: Line, kinds: dict[str, str]) -> tuple[Flags, str, int]:
    """Return flags, arguments and where these begin in the line."""
    flags, rest, offset = line.arguments()
    return read_flags(keyword, flags, kinds), rest, offset


def rest_span(line: Line, rest: str, offset: int) -> Span:
    """Return the span of the arguments, or that of the keyword where there are none."""
    return line.word(rest, offset).span if rest else line.keyword().span


def missing(keyword: str, line: Line, what: str, example: str) -> CirfileError:
    """Return the complaint that an argument is missing."""
    return CirfileError(
        line.keyword().span, "missing-argument", f"{keyword} needs {what}", f"write for example `{example}`"
    )


def exec_form(rest: str, line: Line, offset: int) -> tuple[str, ...] | None:
    """Read ``["a", "b"]``; return ``None`` where ``rest`` is not a JSON array, which makes it shell form.

    Raise `CirfileError` where it is an array of something other than strings.
    """
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(word, str) for word in words):
        raise CirfileError(
            rest_span(line, rest, offset), "exec-form", "the array holds something other than strings",
            'put every word in double quotes: `["program", "argument"]`',
        )  # fmt: skip
    return tuple(_HALF_PAIR.sub("\ufffd", word) for word in words)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def one_argument(keyword: str, line: Line, what: str, example: str) -> Word:
    """Return the whole rest of the line as one argument. Raise `CirfileError` where there is none."""
    rest, offset = no_flags(keyword, line)
    if not rest:
        raise missing(keyword, line, what, example)
    return line.word(rest, offset)


def pairs(keyword: str, line: Line) -> tuple[Pair, ...]:
    """Read ``name=value ...`` or, where the first word has no equals sign, ``name value``."""
    rest, offset = no_flags(keyword, line)
    words = split_quoted(rest, line.escape)
    if not words:
        raise missing(keyword, line, "a name and a value", f"{keyword} NAME=value")
    if "=" not in words[0][0]:
        return (_legacy_pair(keyword, line, rest, offset),)
    return tuple(_pair(keyword, line, text, offset + at) for text, at in words)


def _legacy_pair(keyword: str, line: Line, rest: str, offset: int) -> Pair:
    parts = BLANK.split(rest, maxsplit=1)
    span = rest_span(line, rest, offset)
    if len(parts) < 2:
        raise CirfileError(
            span,
            "missing-value",
            f"{keyword} gives `{parts[0]}` no value",
            f"write `{keyword} {parts[0]}=value`",
        )
    return Pair(parts[0], parts[1], span, legacy=True)


def _pair(keyword: str, line: Line, text: str, offset: int) -> Pair:
    name, equals, value = text.partition("=")
    span = line.word(text, offset).span
    if not equals:
        raise CirfileError(
            span, "missing-value", f"`{text}` has no `=`",
            f'put quotes around values that hold blanks: `{keyword} NAME="two words"`',
        )  # fmt: skip
    if not name.strip(SPACE):
        raise CirfileError(
            span, "missing-name", "there is no name before `=`", f"write `{keyword} NAME=value`"
        )
    return Pair(name, value, span)
