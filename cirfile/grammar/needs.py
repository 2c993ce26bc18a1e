"""Instructions a Dockerfile does not have: what is needed, where it runs, when it is resolved."""

from __future__ import annotations

import re

from cirfile.conditions import parse_condition
from cirfile.errors import CirfileError
from cirfile.flags import LIST
from cirfile.grammar.common import missing, no_flags, with_flags
from cirfile.lines import Line
from cirfile.manifest import ECOSYSTEMS, Conditions
from cirfile.source import Span
from cirfile.suggest import did_you_mean, one_of
from cirfile.syntax import PinAt, Platforms, Require
from cirfile.words import Word, split_blank

_EXAMPLES = {"pypi": "numpy>=2", "deb": "libgomp1", "cran": "jsonlite (>= 1.8)"}
_MEANT = {
    "pip": "pypi",
    "uv": "pypi",
    "python": "pypi",
    "apt": "deb",
    "debian": "deb",
    "r": "cran",
    "bioc": "cran",
}


def parse_require(line: Line) -> Require:
    """Parse ``REQUIRE``: direct dependencies.

        REQUIRE [--when=FACT=VALUE[,VALUE...]] ECOSYSTEM REQUIREMENT ...

    Direct dependencies, in the notation of their ecosystem: ``pypi`` (PEP 508), ``deb`` (Debian policy
    7.1), ``cran`` (the DESCRIPTION file of R). ``pypi`` also takes ``-r FILE`` and ``-c FILE``
    (requirements files, ``pyproject.toml``, ``pyproject.toml[extra]``) and ``--index-url ADDRESS`` and
    ``--extra-index-url ADDRESS``. A requirement that holds blanks may be quoted. With ``--when`` it is
    needed only on platforms with these facts; the flag may be repeated. Values that include others are met
    by them: ``x86-64-v2`` by ``x86-64-v3``, ``cuda`` by ``cuda:13.0``. Builds of one Python (``3.13``,
    ``3.13t``) can't be told apart where both are promised. (The shim does not provide ``deb`` and ``cran``
    yet: an image that needs them ends with status 78. It looks for no accelerators yet either: every machine
    counts as ``accelerator=none``.)
    """
    flags, rest, offset = with_flags("REQUIRE", line, {"when": LIST})
    if not rest:
        raise missing("REQUIRE", line, "an ecosystem and a dependency", "REQUIRE pypi numpy>=2")
    ecosystem, begin = split_blank(rest)[0]
    word = line.word(ecosystem, offset + begin)
    if ecosystem not in ECOSYSTEMS:
        raise _unknown_ecosystem(word, rest)
    arguments = rest[len(ecosystem) :].lstrip()
    if not arguments:
        example = f"REQUIRE {ecosystem} {_EXAMPLES[ecosystem]}"
        raise missing("REQUIRE", line, f"something to require from `{ecosystem}`", example)
    when = conditions([(flag.text, flag.span) for flag in flags.list("when")])
    return Require("REQUIRE", line, ecosystem, arguments, offset + len(rest) - len(arguments), when)


def _unknown_ecosystem(word: Word, rest: str) -> CirfileError:
    meant = _MEANT.get(word.text.lower(), "")
    if meant:
        hint = f"write `REQUIRE {meant}{rest[len(word.text) :]}`"
    else:
        hint = did_you_mean(word.text, ECOSYSTEMS) or (
            f"name the ecosystem first, {one_of(ECOSYSTEMS)}: `REQUIRE pypi {rest.strip()}`"
        )
    return CirfileError(word.span, "unknown-ecosystem", f"`{word.text}` is no ecosystem", hint)


def conditions(written: list[tuple[str, Span]]) -> Conditions:
    """Read ``fact=value,value`` texts. Raise `CirfileError` where a fact comes twice."""
    found: dict[str, tuple[str, ...]] = {}
    for text, span in written:
        fact, values = parse_condition(text, span)
        if fact in found:
            raise CirfileError(
                span, "repeated-fact", f"the fact `{fact}` is given twice",
                f"list the values together: `{fact}={','.join((*found[fact], *values))}`",
            )  # fmt: skip
        found[fact] = values
    return tuple(sorted(found.items()))


def parse_platforms(line: Line) -> Platforms:
    """Parse ``PLATFORMS``: what the image promises to run on.

        PLATFORMS FACT=VALUE[,VALUE...] ...

    What the image promises to run on; the lock covers exactly this. Facts not named keep their default
    (``arch=amd64,arm64``, ``accelerator=none``; ``python`` is that of the base, where its ``PYTHON_VERSION``
    tells it; the others promise nothing).
    """
    rest, offset = no_flags("PLATFORMS", line)
    words = [line.word(text, offset + at) for text, at in split_blank(rest)]
    if not words:
        raise missing("PLATFORMS", line, "a fact", "PLATFORMS arch=amd64,arm64")
    found = conditions([(word.text, word.span) for word in words])
    spans = tuple(word.span for word in sorted(words, key=lambda word: word.text.partition("=")[0]))
    return Platforms("PLATFORMS", line, found, spans)


def parse_pin(line: Line) -> PinAt:
    """Parse ``PIN``: when dependencies are resolved.

        PIN lock
        PIN as-of=YYYY-MM-DD
        PIN latest

    When dependencies are resolved: at build, with every file hashed (default); at deployment as the
    indexes stood on that day; at deployment as they stand then.
    """
    rest, offset = no_flags("PIN", line)
    if not rest:
        raise missing("PIN", line, "`lock`, `as-of=DATE` or `latest`", "PIN lock")
    word = line.word(rest, offset)
    if rest in ("lock", "latest"):
        return PinAt("PIN", line, rest)
    mode, equals, day = rest.partition("=")
    if mode != "as-of" or not equals:
        hint = (
            did_you_mean(mode, ("lock", "latest", "as-of"))
            or "write `PIN lock`, `PIN as-of=DATE` or `PIN latest`"
        )
        raise CirfileError(word.span, "pin-form", f"PIN cannot do `{rest}`", hint)
    return PinAt("PIN", line, "as-of", _day(day, word))


def _day(text: str, word: Word) -> str:
    from datetime import date  # here, because hardly any file names a day

    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError("form")
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise CirfileError(
            word.span, "pin-date", f"`{text}` is no date", "write year, month and day: `PIN as-of=2026-11-20`"
        ) from None
