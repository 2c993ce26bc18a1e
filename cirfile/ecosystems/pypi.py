"""Python requirements (PEP 508) on a ``REQUIRE pypi`` line: splitting and checking.

Plain requirements (a name, extras, version bounds) are recognised here; whatever else is handed to
``packaging``, whose import costs more than reading a whole ordinary Cirfile.
"""

from __future__ import annotations

import re

from cirfile.ecosystems.notation import Item, NotationError
from cirfile.words import outer_words

_VERSION = r"[0-9]{1,9}(?:\.[0-9]{1,9})*"
_BOUND = (
    rf"(?:(?:==|!=)[ ]?{_VERSION}(?:\.\*)?|(?:<=|>=|<|>)[ ]?{_VERSION}|~=[ ]?[0-9]{{1,9}}(?:\.[0-9]{{1,9}})+)"
)
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
#: The part of PEP 508 that needs no further look; a subset of it, which a test proves.
_PLAIN = re.compile(
    rf"({_NAME})(?:[ ]?\[{_NAME}(?:,[ ]?{_NAME})*\])?[ ]?(?:{_BOUND}(?:,[ ]?{_BOUND})*)?", re.ASCII
)

_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")
_WAY_OUT = (
    "only packages of an index can be chosen for every platform: publish it to an index (`--index-url`), "
    "or bring pure Python code with COPY and add its folder with `ENV PYTHONPATH=...`"
)
_OPENS = "<>=!~,([@"
_CONTINUES = "<>=!~,([;@)]"


def split(text: str) -> list[Item]:
    """Split requirements and options at blanks; those around operators do not separate.

    From a ``;`` outside of quotes on, all the rest of the text is the marker of that requirement.
    """
    ranges: list[tuple[int, int]] = []
    closed = True
    for word, start, quoted in outer_words(text):
        end = start + len(word)
        ahead = not closed and text[ranges[-1][1] - 1] in _OPENS
        if quoted and not ahead:
            ranges.append((start, end))
            closed = True
            continue
        if not closed and (ahead or word[0] in _CONTINUES):
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((start, end))
        if ";" in word:
            ranges[-1] = (ranges[-1][0], len(text.rstrip()))
            break
        closed = word.startswith("-")
    return [Item(" ".join(text[begin:end].split()), begin, end - begin) for begin, end in ranges]


def name(requirement: str) -> str:
    """Return the normalised name (PEP 503) of a valid requirement."""
    match = re.match(_NAME, requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def check(requirement: str) -> None:
    """Raise `NotationError` where ``requirement`` is not one package of an index (PEP 508)."""
    plain = _PLAIN.fullmatch(requirement)
    if plain and not plain[1].endswith(_ARCHIVES):
        return
    _check_address(requirement)
    from packaging.requirements import InvalidRequirement, Requirement  # late: its import is slow

    try:
        parsed = Requirement(requirement)
    except (InvalidRequirement, RecursionError) as error:
        reason = str(error).split("\n")[0].strip() or "it is too deeply nested"
        raise NotationError(f"`{requirement}` is no requirement: {reason}", _hint(requirement)) from None
    if parsed.url:
        raise NotationError(f"`{requirement}` names an address", _WAY_OUT)


def _check_address(requirement: str) -> None:
    """Refuse paths, archives and addresses, which every platform would get alike."""
    first = requirement.split(";")[0].strip()
    path = (
        first.startswith((".", "/", "~/")) or ("/" in first and "@" not in first) or first.endswith(_ARCHIVES)
    )
    if path or re.match(r"[a-z+]+://|(?:git|hg|svn|bzr)\+", first):
        raise NotationError(f"`{first}` is a path or an address, not the name of a package", _WAY_OUT)


def _hint(requirement: str) -> str:
    single = re.match(rf"({_NAME}(?:\[[^\]]*\])?)\s*=\s*([^=\s].*)", requirement)
    if single:
        return f"write `{single[1]}=={single[2]}`"
    if ";" in requirement:
        return "put quotes around a requirement with a marker: `\"numpy; python_version < '3.13'\"`"
    return "write a name and version bounds: `numpy>=2,<3`"
