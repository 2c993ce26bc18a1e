"""CIR023: The environment leaves Python its own folders."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject
from cirfile.syntax import Pairs

#: Variables that keep Python from finding the platform layer, and why.
_HARMFUL = {
    "PYTHONHOME": "Python looks for its library there and not in the platform layer",
    "VIRTUAL_ENV": "tools take that folder for the environment instead of the platform layer",
}


def _check(subject: Subject) -> Iterator[Found]:
    for line in subject.instructions("ENV"):
        for pair in line.pairs if isinstance(line, Pairs) else ():
            if pair.name in _HARMFUL:
                yield pair.span, f"with `{pair.name}` {_HARMFUL[pair.name]}; remove it"


RULE = Rule("CIR023", "python-home", "The environment leaves Python its own folders.", _check)
