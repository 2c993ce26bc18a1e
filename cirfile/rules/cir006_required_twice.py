"""CIR006: Every package is required once."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.ecosystems.pypi import name
from cirfile.manifest import ECOSYSTEMS, Conditions
from cirfile.rule import Found, Rule, Subject


def _check(subject: Subject) -> Iterator[Found]:
    for ecosystem in ECOSYSTEMS:
        seen: dict[tuple[str, Conditions, str], int] = {}
        for requirement, span in subject.requirements(ecosystem):
            text, _, marker = requirement.text.partition(";")
            package = name(text) if ecosystem == "pypi" else text.split()[0]
            key = (package, requirement.when, marker.strip())
            if key in seen and "|" not in text:
                yield span, f"`{package}` is already required on line {seen[key]}; put the bounds together"
            seen.setdefault(key, span.line)


RULE = Rule("CIR006", "required-twice", "Every package is required once.", _check)
