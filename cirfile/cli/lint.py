"""``cir lint``: check Cirfiles as the build does, without building."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from cirfile import rules
from cirfile.cli import show
from cirfile.cli.errors import FINDINGS, INVALID, CliError
from cirfile.cli.host import NOBODY
from cirfile.cli.project import add_source_options, args_of, open_project, request_of
from cirfile.errors import CirfileError, excerpt, printable, render
from cirfile.planner import plan
from cirfile.rules import Finding
from cirfile.source import Source, Span

_EPILOG = """examples:
  cir lint
  cir lint --json services/*/Cirfile | jq .
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "paths", nargs="*", default=["."], metavar="PATH", help="folders or Cirfiles (default: .)"
    )
    add_source_options(parser)
    parser.add_argument(
        "--platform", default="", metavar="PLATFORM",
        help="what the image would be for (default: this machine's, or the first that the Cirfile promises)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print findings as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; 0 where there are none, 1 where there are, 65 where a file is not valid."""
    args = args_of(arguments, NOBODY)
    reports: list[Mapping[str, Any]] = []
    status = 0
    for where in arguments.paths:
        try:
            project = open_project(where, arguments.file)
            request = request_of(project, args, arguments.platform)
            found = rules.check(project.syntax, plan(project.syntax, request), request)
        except CliError:
            if arguments.json:  # of those before, as people have read them by now
                show(json.dumps(reports, indent=2, ensure_ascii=False))
            raise
        except CirfileError as error:
            status = INVALID
            reports += [_error(one) for one in error.all()]
            if not arguments.json:
                show(render(error))
            continue
        status = status or (FINDINGS if found else 0)
        reports += [_warning(project.syntax.source, one) for one in found]
        if not arguments.json:
            for one in found:
                show(_as_text(project.syntax.source, one))
    if arguments.json:
        show(json.dumps(reports, indent=2, ensure_ascii=False))
    return status


def _as_text(source: Source, finding: Finding) -> str:
    place = f"{source.name}:{finding.span.line}:{finding.span.column}"
    head = f"{place}: warning: {printable(finding.message)} [{finding.code}]"
    return "\n".join([head, *excerpt(source, finding.span)])


def _warning(source: Source, finding: Finding) -> Mapping[str, Any]:
    about = {"code": finding.code, "severity": "warning", "message": finding.message, "page": finding.url}
    return {"file": source.name, **_place(finding.span), **about}


def _error(error: CirfileError) -> Mapping[str, Any]:
    about = {"code": error.code, "severity": "error", "message": error.message, "hint": error.hint}
    return {"file": error.source.name if error.source else "", **_place(error.span), **about}


def _place(span: Span) -> Mapping[str, int]:
    return {"line": span.line, "column": span.column, "end-line": span.last_line}
