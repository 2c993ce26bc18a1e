"""Go's notions of text, where BuildKit's behaviour or output depends on them.

White space (``unicode.IsSpace``), quoting (``strconv.Quote``), booleans, durations and slash paths. Go's
own documentation of ``unicode``, ``strconv``, ``time`` and ``path`` is the specification.
"""

from __future__ import annotations

import re

#: Code points with the property White_Space; Python's ``isspace`` has four more.
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_BOOLEANS = {"1": True, "t": True, "T": True, "TRUE": True, "true": True, "True": True}
_BOOLEANS |= {"0": False, "f": False, "F": False, "FALSE": False, "false": False, "False": False}
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
_UNITS["h"] = 3600 * 10**9
_DURATION_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_LARGEST = 2**63 - 1


def quote(text: str) -> str:
    """Return ``text`` as ``%q`` prints a string."""
    return '"' + "".join(_escape(letter, '"') for letter in text) + '"'


def quote_list(words: tuple[str, ...]) -> str:
    """Return ``words`` as ``%q`` prints a slice of strings: ``["a" "b"]``."""
    return "[" + " ".join(quote(word) for word in words) + "]"


def quote_number(number: int) -> str:
    """Return ``number`` as ``%q`` prints an integer: the quoted character with that code point."""
    valid = 0 <= number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
    return "'" + _escape(chr(number) if valid else "\ufffd", "'") + "'"


def _escape(letter: str, delimiter: str) -> str:
    if letter in (delimiter, "\\"):
        return "\\" + letter
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter.isprintable():
        return letter
    code = ord(letter)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def parse_bool(text: str) -> bool:
    """Read a boolean as ``strconv.ParseBool`` does. Raise `ValueError` for anything else."""
    if text not in _BOOLEANS:
        raise ValueError(f"`{text}` is not a boolean")
    return _BOOLEANS[text]


def parse_duration(text: str) -> int:
    """Read a duration such as ``1m30s`` and return nanoseconds. Raise `ValueError` where it is not one."""
    problem = ValueError(f"`{text}` is not a duration")
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0
    total, position = 0, 0
    while position < len(body):
        part = _DURATION_PART.match(body, position)
        if not part or not (part[1] or part[2]) or len(part[1]) > 19:
            raise problem
        total += int(part[1] or "0") * _UNITS[part[3]]
        if part[2]:
            total += int(int(part[2][:18]) * (_UNITS[part[3]] / 10 ** len(part[2][:18])))
        position = part.end()
    if not body or total > _LARGEST:
        raise problem
    return -total if text[0] == "-" else total


def duration(nanoseconds: int) -> str:
    """Return a duration of at least zero as ``time.Duration`` prints it: ``1m30s``, ``1.5s``, ``20ms``."""
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if nanoseconds < size * 1000:
            return _decimal(nanoseconds, size) + unit
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = _decimal(rest, 10**9) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(value: int, size: int) -> str:
    whole, part = divmod(value, size)
    digits = str(part).zfill(len(str(size)) - 1).rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)


def clean(path: str) -> str:
    """Return the shortest equal path, as ``path.Clean`` does (``..`` at the root is dropped)."""
    rooted = path.startswith("/")
    kept: list[str] = []
    for name in path.split("/"):
        if name in ("", "."):
            continue
        if name != "..":
            kept.append(name)
        elif kept and kept[-1] != "..":
            kept.pop()
        elif not rooted:
            kept.append(name)
    return "/" + "/".join(kept) if rooted else "/".join(kept) or "."


def join(*parts: str) -> str:
    """Join paths and clean the result, as ``path.Join`` does; empty parts are left out."""
    given = [part for part in parts if part]
    return clean("/".join(given)) if given else ""


def resolve(parent: str, path: str, keep_slash: bool = False) -> str:
    """Return ``path`` made absolute below ``parent`` exactly as BuildKit normalises Linux paths.

    An absolute path stays as written, a relative one is joined and cleaned. ``keep_slash`` keeps a
    trailing ``/`` or ``/.``, which ``COPY`` gives a meaning.
    """
    folder = parent or "/"
    folder = folder if folder.startswith("/") else join("/", folder)
    result = path or folder
    if not result.startswith("/"):
        result = join(folder, result)
    if keep_slash and path.endswith("/") and not result.endswith("/"):
        return result + "/"
    if keep_slash and path.endswith("/."):
        return (result if result == "/" else result + "/") + "."
    return result
