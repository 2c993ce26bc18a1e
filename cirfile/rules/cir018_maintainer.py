"""CIR018: Authors are named with a label."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject


def _check(subject: Subject) -> Iterator[Found]:
    for line in subject.instructions("MAINTAINER"):
        yield line.span, "MAINTAINER is deprecated; write `LABEL org.opencontainers.image.authors=...`"


RULE = Rule("CIR018", "maintainer", "Authors are named with a label.", _check)
