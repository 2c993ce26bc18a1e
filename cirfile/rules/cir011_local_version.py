"""CIR011: Requirements leave the build of a version open."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject

_LOCAL = re.compile(r"={2,3}\s*([0-9][^,;+\s]*)\+([A-Za-z0-9.]+)")


def _check(subject: Subject) -> Iterator[Found]:
    for requirement, span in subject.requirements("pypi"):
        match = _LOCAL.search(requirement.text.partition(";")[0])
        if match:
            yield (
                span,
                f"`+{match[2]}` names a build for one kind of machine; write `=={match[1]}`, "
                "and the build that fits is chosen",
            )


RULE = Rule("CIR011", "local-version", "Requirements leave the build of a version open.", _check)
