"""CIR010: Build arguments that are given are used."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.ecosystems.indexes import DEFAULT_VARIABLES, EXTRA_VARIABLES
from cirfile.planning.variables import PREDEFINED
from cirfile.rule import Found, Rule, Subject
from cirfile.suggest import did_you_mean

_KNOWN = frozenset((*PREDEFINED, *DEFAULT_VARIABLES, *EXTRA_VARIABLES, "SOURCE_DATE_EPOCH", "SSL_CERT_FILE"))
_PREFIXES = ("BUILDKIT_", "CIR_", "BUILD", "TARGET")


def _check(subject: Subject) -> Iterator[Found]:
    if subject.plan is None or subject.request is None:
        return
    declared = {argument.name for argument in subject.plan.trace.arguments}
    for name, _ in subject.request.build_args:
        if name not in declared and name not in _KNOWN and not name.startswith(_PREFIXES):
            hint = did_you_mean(name, declared) or f"add `ARG {name}`"
            yield (
                subject.cirfile.base.span,
                f"the build argument `{name}` is given, but no ARG takes it; {hint}",
            )


RULE = Rule("CIR010", "unused-build-argument", "Build arguments that are given are used.", _check)
