"""A plan as JSON, for ``cir plan --json`` and for goldens."""

from __future__ import annotations

import json
from typing import Any

from cirfile.codec import encode_manifest
from cirfile.imageconfig import to_oci
from cirfile.plan import ContextPath, Copy, CopySource, GitTree, InlineFile, MakeFolder, Plan, RemoteFile

_STEP_FIELDS = (
    "origin",
    "chown",
    "chmod",
    "link",
    "parents",
    "unpack",
    "unpack_remote",
    "keep_git_dir",
    "checksum",
)


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return ``plan`` as JSON values; fields that hold their default are left out."""
    fields: dict[str, Any] = {
        "base": plan.base.reference or "scratch",
        "base-platform": str(plan.base.platform) if plan.base.platform else None,
        "platform": str(plan.platform),
        "config": to_oci(plan.config),
        "steps": [_copy(step) if isinstance(step, Copy) else _folder(step) for step in plan.steps],
        "reads-base": list(plan.reads_base),
        "history": list(plan.history),
        "author": plan.author,
        "manifest": json.loads(encode_manifest(plan.manifest)),
    }
    return {key: value for key, value in fields.items() if value not in (None, "", [])}


def _folder(step: MakeFolder) -> dict[str, Any]:
    return {"folder": step.path, "line": step.span.line} | ({"user": step.user} if step.user else {})


def _copy(step: Copy) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "copy": [_source(source) for source in step.sources],
        "to": step.destination,
        "line": step.span.line,
        "exclude": list(step.exclude),
    }
    fields |= {name.replace("_", "-"): getattr(step, name) for name in _STEP_FIELDS}
    return {key: value for key, value in fields.items() if value not in (None, "", [], False)}


def _source(source: CopySource) -> dict[str, str]:
    if isinstance(source, ContextPath):
        return {"path": source.pattern}
    if isinstance(source, InlineFile):
        return {"document": source.name, "text": source.data.decode("utf-8", "replace")}
    if isinstance(source, RemoteFile):
        return {"web": source.url, "name": source.name}
    assert isinstance(source, GitTree)  # noqa: S101 - the last of the kinds; the type checker proves it
    return {"git": source.url}
