"""CIR014: Requirements are the same for all platforms."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject
from cirfile.syntax import Require

_VARIABLE = re.compile(r"\$\{?((?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT))\b")


def _check(subject: Subject) -> Iterator[Found]:
    for require in subject.instructions("REQUIRE"):
        match = _VARIABLE.search(require.arguments) if isinstance(require, Require) else None
        if match:
            yield (
                require.span,
                f"`${match[1]}` makes a lock of its own for every platform; write `--when=arch=...` instead",
            )


RULE = Rule("CIR014", "platform-in-requirement", "Requirements are the same for all platforms.", _check)
