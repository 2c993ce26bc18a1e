"""Questions about a Cirfile that are no builds: ``--check``, ``--call=outline``, ``--call=targets``.

Answers are metadata of an empty result: JSON in the form clients know (BuildKit's
``frontend/subrequests``), and text for clients that do not know the version. Unknown questions are
refused in a way clients understand.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cirfile import outline
from cirfile.errors import CirfileError
from cirfile.source import Span
from frontend import errors
from frontend.build import Build
from frontend.gateway.client import Result
from frontend.gateway.errors import GatewayError, unsupported_request
from frontend.llb.ops import SourceFile

VERSION = "1.0.0"


def answer(build: Build, name: str) -> Result:
    """Return the answer to the question ``name``. Raise `GatewayError` for one we do not know."""
    known = next((function for each, _, function in QUESTIONS if each == name), None)
    if known is None:
        raise GatewayError(unsupported_request(name))
    return known(build)


def _describe(_: Build) -> Result:
    listed = [
        {
            "name": name,
            "version": VERSION,
            "type": "rpc",
            "description": description,
            "opts": [],
            "inputs": [],
            "metadata": [{"name": "result.json"}, {"name": "result.txt"}],
            "refs": [],
        }
        for name, description, _ in QUESTIONS
    ]
    rows = [(name.removeprefix("frontend."), VERSION, description) for name, description, _ in QUESTIONS]
    return _result(listed, table(("NAME", "VERSION", "DESCRIPTION"), rows))


def _outline(build: Build) -> Result:
    found = outline.outline(build.cirfile, build.request(build.platforms[0]))
    arguments = [
        _compact(
            name=each.name,
            description=each.description,
            value=each.value or "",
            location=_location(each.span),
        )
        for each in found.arguments
    ]
    secrets = [{"name": each.name, "required": each.required} for each in found.secrets]
    source = build.context.definition.source
    fields = _compact(
        name=found.name,
        description=found.description,
        args=arguments,
        secrets=secrets,
        sources=_sources(source),
    )
    rows = [(each.name, each.value or "", each.description) for each in found.arguments]
    text = table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows) if rows else ""
    if found.secrets:
        needed = [(each.name, "true" if each.required else "") for each in found.secrets]
        text += ("\n" if text else "") + table(("SECRET", "REQUIRED"), needed)
    return _result(fields, text)


def _targets(build: Build) -> Result:
    found = outline.targets(build.cirfile, build.request(build.platforms[0]))
    listed = [
        _compact(
            name=each.name,
            default=each.default,
            description=each.description,
            base=each.base,
            platform=each.platform,
            location=_location(each.span),
        )
        for each in found
    ]
    rows = [(_target_name(each.name, each.default), each.description) for each in found]
    sources = _sources(build.context.definition.source)
    return _result({"targets": listed, "sources": sources}, table(("TARGET", "DESCRIPTION"), rows))


def _target_name(name: str, default: bool) -> str:
    if not name:
        return "(default)"
    return f"{name} (default)" if default else name


def _lint(build: Build) -> Result:
    source = build.context.definition.source
    sources = [source]
    lines: list[str] = []
    fields: dict[str, Any] = {"warnings": [], "sources": []}
    try:
        found = build.findings()
    except CirfileError as error:
        found = ()
        message = errors.describe(error, source)
        if error.source is not None and error.source.name != source.filename:
            sources.append(SourceFile(error.source.name, error.source.text.encode(), ""))
            message = f"{error.source.name}:{error.span.line}: {message}"
        fields["buildError"] = {"message": message, "location": _location(error.span, len(sources) - 1)}
        lines.append(f"{sources[-1].filename}:{error.span.line}: {errors.describe(error, source)}")
    fields["warnings"] = [
        {
            "ruleName": each.code,
            "description": each.summary,
            "url": each.url,
            "detail": each.message,
            "location": _location(each.span),
        }
        for each in found
    ]
    fields["sources"] = [
        {"filename": each.filename, "language": each.language, "data": _base64(each.data)} for each in sources
    ]
    failed = bool(found) or "buildError" in fields
    lines += [f"{source.filename}:{each.span.line}: {each.code}: {each.message}" for each in found]
    result = _result(fields, "\n".join(lines))
    return Result(metadata={**result.metadata, "result.statuscode": b"1" if failed else b"0"})


QUESTIONS: Sequence[tuple[str, str, Callable[[Build], Result]]] = (
    ("frontend.outline", "List all parameters the Cirfile supports", _outline),
    ("frontend.targets", "List all targets the Cirfile supports", _targets),
    ("frontend.lint", "Check the Cirfile against the rules", _lint),
    ("frontend.subrequests.describe", "List available subrequest types", _describe),
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Draw columns as wide as their widest cell, three blanks apart."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    drawn = [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (head, *rows)
    ]
    return "\n".join(line.rstrip() for line in drawn) + "\n"


def _result(value: object, text: str) -> Result:
    data = json.dumps(value, indent=2, ensure_ascii=False).encode()
    return Result(metadata={"result.json": data, "result.txt": text.encode(), "version": VERSION.encode()})


def _location(span: Span, source: int = 0) -> Mapping[str, Any]:
    lines = {"start": {"line": span.line}, "end": {"line": span.last_line}}
    return {"sourceIndex": source, "ranges": [lines]}


def _sources(source: SourceFile) -> list[str]:
    return [_base64(source.data)]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _compact(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}
