"""CIR016: Conditions can be met by a platform the image promises."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.manifest import ECOSYSTEMS
from cirfile.rule import Found, Rule, Subject


def _check(subject: Subject) -> Iterator[Found]:
    if subject.plan is None:
        return
    promised = dict(subject.plan.manifest.platforms)
    for ecosystem in ECOSYSTEMS:
        for requirement, span in subject.requirements(ecosystem):
            for fact, values in requirement.when:
                offered = {value.partition(":")[0] for value in promised.get(fact, values)}
                if not offered & {value.partition(":")[0] for value in values}:
                    listed = ",".join((*promised[fact], *values))
                    yield (
                        span,
                        f"`{requirement.text}` is never installed: no promised platform has "
                        f"`{fact}={','.join(values)}`; write `PLATFORMS {fact}={listed}`",
                    )


RULE = Rule(
    "CIR016", "condition-not-promised", "Conditions can be met by a platform the image promises.", _check
)
