"""CIR021: Instructions of which only the last counts are given once."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject


def _check(subject: Subject) -> Iterator[Found]:
    for keyword in ("CMD", "ENTRYPOINT", "HEALTHCHECK"):
        lines = [*subject.instructions(keyword)]
        for line in lines[:-1]:
            yield (
                line.span,
                f"this {keyword} has no effect: line {lines[-1].span.line} gives another; remove one",
            )


RULE = Rule("CIR021", "overridden", "Instructions of which only the last counts are given once.", _check)
