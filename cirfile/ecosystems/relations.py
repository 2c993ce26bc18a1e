"""Dependencies written as ``name (operator version)``: Debian's and R's notations have the same frame."""

from __future__ import annotations

import re

from cirfile.ecosystems.notation import Item, NotationError

_TOKEN = re.compile(r"\s+|,|\||\([^()]*\)?|\[[^\[\]]*\]?|[^\s,|()\[\]]+|[)\]]")
_DEB_NAME = r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?"
_DEB_VERSION = r"(?:[0-9]+:)?[0-9][A-Za-z0-9.+~:-]*"
_DEB_ARCHES = r"\[\s*!?[a-z0-9-]+(?:\s+!?[a-z0-9-]+)*\s*\]"
_DEB_ONE = re.compile(rf"{_DEB_NAME}(?: \(\s*(?:<<|<=|=|>=|>>)\s*{_DEB_VERSION}\s*\))?(?: {_DEB_ARCHES})?")
_CRAN_ONE = re.compile(
    r"[A-Za-z][A-Za-z0-9.]*[A-Za-z0-9](?: \(\s*(?:<=|>=|==|!=|<|>)\s*[0-9]+(?:[.-][0-9]+)*\s*\))?"
)


def split(text: str) -> list[Item]:
    """Split at commas and blanks; brackets belong to the name before them, ``|`` joins alternatives."""
    items: list[Item] = []
    joins = False
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if piece.isspace():
            continue
        if piece == ",":
            joins = False
            items.append(Item("", match.start(), 0))
            continue
        if items and items[-1].text and (joins or piece[0] in "([|)]"):
            last = items.pop()
            text_, end = f"{last.text} {' '.join(piece.split())}", match.end()
            items.append(Item(text_, last.offset, end - last.offset))
        else:
            items.append(Item(" ".join(piece.split()), match.start(), len(piece)))
        joins = piece == "|"
    return [item for item in items if item.text]


def check_deb(text: str) -> None:
    """Raise `NotationError` where ``text`` is no dependency as of Debian policy 7.1."""
    for alternative in text.split(" | "):
        if not _DEB_ONE.fullmatch(alternative):
            raise NotationError(f"`{alternative}` is no Debian dependency", _deb_hint(alternative))


def _deb_hint(text: str) -> str:
    apt = re.fullmatch(rf"({_DEB_NAME})(>=|<=|<<|>>|==?|<|>)(.*)", text)
    if apt:
        operator = {"==": "=", "<": "<<", ">": ">>"}.get(apt[2], apt[2])
        return f"write `{apt[1]} ({operator} {apt[3]})`"
    if text.startswith("-"):
        return "options of apt mean nothing here; name the packages only"
    if text != text.lower():
        return f"write package names in lower case: `{text.lower()}`"
    return "write a package name, with a version as in `libc6 (>= 2.36)`"


def check_cran(text: str) -> None:
    """Raise `NotationError` where ``text`` is no dependency as in the DESCRIPTION file of an R package."""
    if _CRAN_ONE.fullmatch(text):
        return
    bare = re.fullmatch(r"([A-Za-z][A-Za-z0-9.]*)(>=|<=|==|!=|<|>|=|@)(.*)", text)
    if bare:
        operator = "==" if bare[2] in ("=", "@") else bare[2]
        hint = f"write `{bare[1]} ({operator} {bare[3]})`"
    elif "/" in text:
        hint = "only packages of CRAN can be named, not repositories"
    else:
        hint = "write a package name, with a version as in `jsonlite (>= 1.8)`"
    raise NotationError(f"`{text}` is no R package", hint)
