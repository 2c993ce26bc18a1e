"""A plan in words, for ``cir plan``."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.manifest import Conditions, Requirement
from cirfile.plan import ContextPath, Copy, CopySource, GitTree, InlineFile, Plan, RemoteFile


def describe(plan: Plan) -> str:
    """Say what will be built for one platform, what is copied, what is required, and what is started."""
    return "\n".join(_sections(plan))


def _sections(plan: Plan) -> Iterator[str]:
    yield f"base       {plan.base.reference or 'scratch'} for {plan.platform}"
    for reason in plan.reads_base:
        yield f"           will be pulled to build: {reason}"
    yield from _column("files", [_step(step) for step in plan.steps])
    manifest = plan.manifest
    yield from _column("requires", [_requirement(r) for r in manifest.requirements] or ["nothing"])
    yield from _column("narrowed", [_requirement(r) for r in manifest.constraints])
    yield from _column(
        "indexes", [f"{index.role} {index.url} ({index.ecosystem})" for index in manifest.indexes]
    )
    if manifest.requirements:
        yield f"platforms  {_conditions(manifest.platforms)}"
        yield f"pin        {manifest.pin.mode}" + (f" {manifest.pin.date}" if manifest.pin.date else "")
    yield from _column("set-up", [" ".join(step.argv) for step in manifest.setup])
    config = plan.config
    started = [*(config.entrypoint or ()), *(config.cmd or ())]
    yield f"starts     {' '.join(started) or 'nothing'}"
    yield from _column("as", [config.user] if config.user else [])
    yield from _column("in", [config.working_dir] if config.working_dir else [])


def _column(title: str, lines: list[str]) -> Iterator[str]:
    for position, line in enumerate(lines):
        yield f"{'' if position else title:10} {line}"


def _step(step: object) -> str:
    if isinstance(step, Copy):
        origin = f" from {step.origin}" if step.origin else ""
        return f"{', '.join(_source(source) for source in step.sources)}{origin} -> {step.destination}"
    return f"folder {getattr(step, 'path', '')}"


def _source(source: CopySource) -> str:
    match source:
        case ContextPath(pattern):
            return pattern
        case InlineFile(name):
            return f"<<{name}"
        case RemoteFile(url):
            return url
        case GitTree(url):
            return url


def _requirement(requirement: Requirement) -> str:
    when = f" when {_conditions(requirement.when)}" if requirement.when else ""
    return f"{requirement.ecosystem} {requirement.text}{when}"


def _conditions(conditions: Conditions) -> str:
    return " ".join(f"{fact}={','.join(values)}" for fact, values in conditions) or "any"
