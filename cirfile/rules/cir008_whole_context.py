"""CIR008: The whole context is copied only with an ignore file."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.gotext import clean
from cirfile.rule import Found, Rule, Subject
from cirfile.syntax import CopyFiles


def _check(subject: Subject) -> Iterator[Found]:
    if subject.request is None or subject.request.ignore is not None:
        return
    for copy in subject.instructions("COPY", "ADD"):
        if not isinstance(copy, CopyFiles) or copy.origin:
            continue
        for source in copy.sources:
            if clean("/" + source.text) == "/":
                yield (
                    source.span,
                    "the whole context is copied, `.git` and the Cirfile included; add a `.dockerignore`, "
                    "or name what is needed",
                )


RULE = Rule("CIR008", "whole-context", "The whole context is copied only with an ignore file.", _check)
