"""Flags of an instruction, ``--name=value``, checked against the ones it knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cirfile.errors import CirfileError
from cirfile.suggest import did_you_mean, one_of
from cirfile.words import Word

#: Kinds of flags: one value, one value that may be given several times, a switch.
TEXT, LIST, SWITCH = "text", "list", "switch"


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that were given; each value keeps the span of its flag."""

    given: Mapping[str, tuple[Word, ...]]

    def text(self, name: str) -> Word | None:
        """Return the value of a flag, ``None`` where it is absent."""
        values = self.given.get(name)
        return values[-1] if values else None

    def list(self, name: str) -> tuple[Word, ...]:
        """Return all values of a flag that may be repeated."""
        return self.given.get(name, ())

    def switch(self, name: str) -> bool | None:
        """Return whether a switch is on, ``None`` where it is absent."""
        value = self.text(name)
        return None if value is None else value.text == "true"


def read_flags(keyword: str, words: tuple[Word, ...], kinds: Mapping[str, str]) -> Flags:
    """Check ``words`` against ``kinds``. Raise `CirfileError` for an unknown, repeated or valueless flag."""
    given: dict[str, tuple[Word, ...]] = {}
    for word in words:
        name, equals, value = word.text[2:].partition("=")
        if name not in kinds:
            raise _unknown(keyword, word, name, kinds)
        if name in given and kinds[name] != LIST:
            raise CirfileError(
                word.span, "repeated-flag", f"the flag `--{name}` is given twice", "keep one of them"
            )
        text = _switch(word, name, value, equals) if kinds[name] == SWITCH else value
        if not equals and kinds[name] != SWITCH:
            raise CirfileError(
                word.span, "flag-value", f"the flag `--{name}` needs a value", f"write `--{name}=value`"
            )
        given[name] = (*given.get(name, ()), Word(text, word.span))
    return Flags(given)


def _unknown(keyword: str, word: Word, name: str, kinds: Mapping[str, str]) -> CirfileError:
    known = [f"--{kind}" for kind in sorted(kinds)]
    hint = did_you_mean(f"--{name}", known)
    if not hint:
        hint = f"{keyword} knows {one_of(known)}" if known else f"{keyword} takes no flags"
    return CirfileError(word.span, "unknown-flag", f"`{word.text}` is no flag of {keyword}", hint)


def _switch(word: Word, name: str, value: str, equals: str) -> str:
    if (equals and not value) or value.lower() not in ("", "true", "false"):
        raise CirfileError(
            word.span, "flag-value", f"the flag `--{name}` is a switch: `{value}` is neither true nor false",
            f"write `--{name}` or `--{name}=false`",
        )  # fmt: skip
    return value.lower() or "true"
