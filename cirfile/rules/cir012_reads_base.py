"""CIR012: The image can be built without unpacking its base."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject


def _check(subject: Subject) -> Iterator[Found]:
    if subject.plan is None:
        return
    for reason, span in zip(subject.plan.reads_base, subject.plan.trace.reads_base, strict=True):
        yield (
            span,
            f"the base has to be unpacked: {reason}; write to a folder of your own, as a numbered user",
        )


RULE = Rule("CIR012", "reads-base", "The image can be built without unpacking its base.", _check)
