"""CIR017: The first working folder is an absolute path."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject
from cirfile.syntax import Words


def _check(subject: Subject) -> Iterator[Found]:
    first = next(subject.instructions("WORKDIR"), None)
    if not isinstance(first, Words):
        return
    path = first.words[0]
    if not path.text.startswith(("/", "$", '"', "'")):
        yield (
            path.span,
            f"`{path.text}` depends on the working folder of the base; write `WORKDIR /{path.text}`",
        )


RULE = Rule("CIR017", "relative-workdir", "The first working folder is an absolute path.", _check)
