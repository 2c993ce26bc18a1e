"""CIR009: Variables that are used are declared."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject
from cirfile.suggest import did_you_mean


def _check(subject: Subject) -> Iterator[Found]:
    if subject.plan is None:
        return
    known = {argument.name for argument in subject.plan.trace.arguments} | {
        name for name, _ in subject.plan.config.env
    }
    for name, span in subject.plan.trace.undefined:
        hint = (
            did_you_mean(name, known)
            or f"declare it with `ARG {name}` above, or give it a default: `${{{name}:-...}}`"
        )
        yield span, f"`${name}` is used but not set, and is empty here; {hint}"


RULE = Rule("CIR009", "undefined-variable", "Variables that are used are declared.", _check)
