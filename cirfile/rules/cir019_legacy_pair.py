"""CIR019: Names and values are joined by an equals sign."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject
from cirfile.syntax import Pairs


def _check(subject: Subject) -> Iterator[Found]:
    for line in subject.instructions("ENV", "LABEL"):
        for pair in line.pairs if isinstance(line, Pairs) else ():
            if pair.legacy:
                yield pair.span, f'this form is deprecated; write `{line.keyword} {pair.name}="{pair.value}"`'


RULE = Rule("CIR019", "legacy-pair", "Names and values are joined by an equals sign.", _check)
