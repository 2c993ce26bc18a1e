"""CIR005: The base is named with a version."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject


def _check(subject: Subject) -> Iterator[Found]:
    word = subject.cirfile.base.image
    reference = subject.plan.base.reference if subject.plan else word.text
    if reference is None or reference == "scratch" or "$" in reference or "@" in reference:
        return
    if subject.request and reference in subject.request.named_contexts:
        return
    name, colon, tag = reference.rpartition("/")[2].partition(":")
    if not colon or tag == "latest":
        yield word.span, f"`{reference}` is another image every few weeks; name a version: `{name}:VERSION`"


RULE = Rule("CIR005", "unpinned-base", "The base is named with a version.", _check)
