"""CIR020: No empty line stands inside an instruction."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject
from cirfile.source import Span


def _check(subject: Subject) -> Iterator[Found]:
    for instruction in subject.cirfile.all():
        if instruction.line.empty_continuation:
            yield (
                Span(instruction.line.empty_continuation),
                f"the empty line stands inside of {instruction.keyword}, which continues below it; remove it",
            )


RULE = Rule("CIR020", "empty-continuation", "No empty line stands inside an instruction.", _check)
