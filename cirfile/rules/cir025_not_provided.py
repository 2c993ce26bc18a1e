"""CIR025: What the image needs at its start can be provided."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject

#: What the shim of this version does not provide.
_MISSING = ("deb", "cran")
_ENDS = "this version of the shim cannot provide it, and the image will not start where it is needed"


def _check(subject: Subject) -> Iterator[Found]:
    for ecosystem in _MISSING:
        for requirement, span in subject.requirements(ecosystem):
            yield span, f"`{requirement.text}` is required from {ecosystem}: {_ENDS}"
    for command in subject.commands("SETUP"):
        yield command.span_of_words, f"the step is to run before the first start: {_ENDS}"


RULE = Rule("CIR025", "not-provided", "What the image needs at its start can be provided.", _check)
