"""CIR024: Nothing is installed when the application starts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject

_INSTALL = re.compile(
    r"\b(?:(?:pip[0-9.]*|uv pip|conda|mamba)\s+install|uv\s+(?:sync|run)|apt(?:-get)?\s+(?:-\S+\s+)*install"
    r"|install\.packages)\b"
)


def _check(subject: Subject) -> Iterator[Found]:
    for command in subject.commands("CMD", "ENTRYPOINT", "SETUP"):
        match = _INSTALL.search(" ".join(command.words))
        if match:
            yield (
                command.span_of_words,
                f"`{match[0]}` installs what no lock covers; name the packages with REQUIRE",
            )


RULE = Rule("CIR024", "install-at-start", "Nothing is installed when the application starts.", _check)
