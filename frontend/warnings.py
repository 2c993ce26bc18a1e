"""Findings of the language's rules, shown beside the build: once, however many platforms there are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from cirfile.rules import Finding
from frontend.context import Definition
from frontend.gateway.client import Gateway, Notice
from frontend.gateway.errors import GatewayError


def report(gateway: Gateway, definition: Definition, findings: Iterable[Finding]) -> None:
    """Have the client print ``findings`` below the line that loaded the Cirfile, if they reach it."""
    for finding in findings:
        with contextlib.suppress(GatewayError):
            gateway.warn(notice(definition, finding))


def notice(definition: Definition, finding: Finding) -> Notice:
    """Return one finding as the server takes it; the form of the text is that of the stock frontend."""
    source = definition.source
    return Notice(
        digest=definition.vertex,
        short=f"{finding.code}: {finding.message} (line {finding.span.line})",
        detail=(finding.summary,),
        url=finding.url,
        filename=source.filename,
        data=source.data,
        language=source.language,
        first_line=finding.span.line,
        last_line=finding.span.last_line,
    )


def of_bill(gateway: Gateway, definition: Definition) -> None:
    """Have the client say what a bill of materials holds, which stands in for that of a scanner."""
    words = "the SBOM lists the packages of the lock, not those of the base, nor files that are copied"
    detail = ("A generator is not run: ask for one on the image that was built.",)
    with contextlib.suppress(GatewayError):
        gateway.warn(Notice(definition.vertex, words, detail))
