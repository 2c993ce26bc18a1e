"""CIR016: Conditions can be met by a platform the image promises."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.hierarchy import includes
from cirfile.manifest import ECOSYSTEMS
from cirfile.rule import Found, Rule, Subject


def _check(subject: Subject) -> Iterator[Found]:
    if subject.plan is None:
        return
    promised = dict(subject.plan.manifest.platforms)
    for ecosystem in ECOSYSTEMS:
        for requirement, span in subject.requirements(ecosystem):
            for fact, values in requirement.when:
                if not any(_met(fact, own, value) for own in promised.get(fact, values) for value in values):
                    listed = ",".join((*promised[fact], *values))
                    yield (
                        span,
                        f"`{requirement.text}` is never installed: no promised platform has "
                        f"`{fact}={','.join(values)}`; write `PLATFORMS {fact}={listed}`",
                    )


def _met(fact: str, promised: str, wanted: str) -> bool:
    """Tell whether a platform promised by one value may have another: it has what that includes, and may have more."""
    return includes(fact, promised, wanted) or includes(fact, wanted, promised)


RULE = Rule(
    "CIR016", "condition-not-promised", "Conditions can be met by a platform the image promises.", _check
)
