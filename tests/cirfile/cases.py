"""Case folders: a Cirfile, the context beside it, an optional ``request.json``, and goldens."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from cirfile.imageconfig import from_oci
from cirfile.parser import parse
from cirfile.plan import Plan
from cirfile.planner import plan
from cirfile.platforms import parse_platform
from cirfile.request import Request
from cirfile.source import Source
from cirfile.syntax import Cirfile

TESTDATA = Path(__file__).resolve().parents[2] / "testdata"


def folders(name: str) -> list[Path]:
    """Return the case folders below ``testdata/<name>``, sorted."""
    return sorted(path for path in (TESTDATA / name).iterdir() if path.is_dir())


def reader(folder: Path) -> Request:
    """Return a request whose build context is ``folder/context``."""

    def read(path: str) -> str:
        return (folder / "context" / path).read_text()

    return Request(read=read)


def request_of(folder: Path) -> Request:
    """Return the request of a case: its context, and the fields of ``request.json``."""
    request = reader(folder)
    file = folder / "request.json"
    fields = json.loads(file.read_text()) if file.exists() else {}
    request = replace(
        request,
        build_args=tuple(fields.get("build_args", {}).items()),
        labels=tuple(fields.get("labels", {}).items()),
    )
    if "base_config" in fields:
        request = replace(request, base_config=from_oci(fields["base_config"]))
    if "platform" in fields:
        request = replace(request, platform=parse_platform(fields["platform"]))
    return replace(request, target=fields.get("target", ""))


def source_of(folder: Path) -> Source:
    return Source("Cirfile", (folder / "Cirfile").read_bytes().decode())


def cirfile_of(folder: Path) -> Cirfile:
    return parse(source_of(folder))


def plan_of(folder: Path) -> Plan:
    return plan(cirfile_of(folder), request_of(folder))


def plan_text(text: str, **fields: object) -> Plan:
    """Plan ``text`` with the given fields of the request."""
    return plan(parse(Source("Cirfile", text)), replace(Request(), **fields))  # type: ignore[arg-type]


def golden(path: Path, actual: str, update: bool) -> None:
    """Compare ``actual`` with the golden file, or write it."""
    if update:
        path.write_text(actual)
    assert path.exists(), f"{path} is missing: write it with `pytest --update`"
    assert actual == path.read_text()
