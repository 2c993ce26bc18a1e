"""Syntax and a request to a plan: `base` tells what the image stands on, `plan` everything.

`base` needs no knowledge of the base image, so that a builder can ask for its configuration first and
then call `plan` with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cirfile.conditions import DEFAULTS
from cirfile.errors import CirfileError
from cirfile.imageconfig import DEFAULT_PATH
from cirfile.layout import LABEL_VERSION
from cirfile.lines import Reader
from cirfile.manifest import Conditions, Manifest, Pin, Setup
from cirfile.parser import parse_instruction
from cirfile.plan import Base, Plan, Platform, Trace
from cirfile.planning import files, settings
from cirfile.planning.requirements import all_indexes, apply_require, files_named
from cirfile.planning.state import State
from cirfile.planning.variables import Globals
from cirfile.platforms import parse_platform
from cirfile.references import is_reference
from cirfile.request import Request
from cirfile.source import Source
from cirfile.suggest import did_you_mean
from cirfile.syntax import Cirfile, Command, Instruction, PinAt, Platforms

__all__ = ["base", "files_named", "plan"]


def base(cirfile: Cirfile, request: Request) -> Base:
    """Return the image of ``FROM``, expanded. Raise `CirfileError` where it is none."""
    try:
        return _base(cirfile, Globals(cirfile, request))
    except CirfileError as error:
        raise error.in_source(cirfile.source) from None


def plan(cirfile: Cirfile, request: Request) -> Plan:
    """Decide everything for one platform. Raise `CirfileError` at the first mistake."""
    try:
        return _plan(cirfile, request)
    except CirfileError as error:
        raise error.in_source(cirfile.source) from None


def _base(cirfile: Cirfile, scope: Globals) -> Base:
    word = cirfile.base.image
    reference = scope.expand(word.text, word.span)
    if not reference:
        raise CirfileError(
            word.span, "empty-base", f"the image `{word.text}` is empty after expansion",
            f"give the variable a default: `ARG {word.text.strip('${}')}=debian:12-slim` above FROM",
        )  # fmt: skip
    platform = None
    if cirfile.base.platform:
        text = scope.expand(cirfile.base.platform.text, cirfile.base.platform.span)
        try:
            platform = parse_platform(text)
        except ValueError as error:
            raise CirfileError(
                cirfile.base.platform.span,
                "platform",
                str(error),
                "write for example `--platform=linux/amd64`",
            ) from None
    if reference != "scratch" and not is_reference(reference):
        hint = f"write `{reference.lower()}`" if is_reference(reference.lower()) else "write `name:tag`"
        raise CirfileError(word.span, "reference", f"`{reference}` is not the name of an image", hint)
    return Base(None if reference == "scratch" else reference, cirfile.base.span, platform)


def _plan(cirfile: Cirfile, request: Request) -> Plan:
    _check_target(cirfile, request)
    scope = Globals(cirfile, request)
    ground = _base(cirfile, scope)
    _check_base(cirfile, request, ground)
    state = State(cirfile, request, scope, scratch=ground.reference is None)
    for instruction in (*_triggers(cirfile, request), *cirfile.instructions):
        _APPLY[instruction.keyword](state, instruction)
    labels = dict(state.config.labels) | dict(request.labels)
    # What runs in the image is what the base has: shim and configuration must be for its platform.
    platform = request.platform if state.scratch else ground.platform or request.platform
    return Plan(
        base=ground,
        steps=tuple(state.steps),
        config=replace(state.config, labels=tuple(sorted(labels.items()))),
        manifest=_manifest(state, platform),
        platform=platform,
        reads_base=tuple(state.reads_base),
        history=tuple(state.history),
        author=state.author,
        trace=Trace(
            requirements=tuple(state.needs.spans),
            reads_base=tuple(state.reads_base.values()),
            undefined=tuple(state.undefined),
            arguments=tuple(state.arguments.values()),
        ),
    )


def _check_base(cirfile: Cirfile, request: Request, ground: Base) -> None:
    """Refuse a base that is made from a Cirfile: one image has one manifest, so the base's would be lost."""
    if request.base_config and LABEL_VERSION in dict(request.base_config.labels):
        raise CirfileError(
            cirfile.base.image.span, "cir-base",
            f"`{ground.reference}` is made from a Cirfile itself, and its requirements would be lost",
            "start from the base of that image, repeat its REQUIRE lines here, and take its files with "
            f"`COPY --from={ground.reference} /app /app`",
        )  # fmt: skip


def _check_target(cirfile: Cirfile, request: Request) -> None:
    name = cirfile.base.name
    if request.target and request.target.lower() != name:
        known = f"the only stage is `{name}`" if name else "the only stage has no name"
        raise CirfileError(
            cirfile.base.span, "target", f"there is no stage `{request.target}`: {known}",
            did_you_mean(request.target, [name] if name else []) or "leave `--target` away",
        )  # fmt: skip


def _triggers(cirfile: Cirfile, request: Request) -> list[Instruction]:
    """Parse the ``ONBUILD`` triggers of the base: they come right after ``FROM``, as in a Dockerfile.

    Those a Cirfile has no instruction for are an error: the base does not work without them.
    """
    found: list[Instruction] = []
    for trigger in request.base_config.on_build if request.base_config else ():
        try:
            lines, errors = Reader(Source("ONBUILD", trigger)).read()
            if errors or len(lines) != 1:
                raise CirfileError(cirfile.base.span, "onbuild-trigger", "it is not one instruction")
            place = (0, cirfile.base.span.line, cirfile.base.span.column)
            instruction = parse_instruction(replace(lines[0], span=cirfile.base.span, places=(place,)))
            if instruction.keyword not in _APPLY:
                raise CirfileError(cirfile.base.span, "onbuild-trigger", "it cannot be a trigger")
            found.append(instruction)
        except CirfileError as error:
            raise CirfileError(
                cirfile.base.span, "onbuild-trigger",
                f"the base demands `ONBUILD {trigger}`, which cannot be done: {error.message}",
                "choose a base without ONBUILD triggers",
            ) from None  # fmt: skip
    return found


def _manifest(state: State, platform: Platform) -> Manifest:
    return Manifest(
        requirements=tuple(state.needs.requirements),
        constraints=tuple(state.needs.constraints),
        indexes=all_indexes(state),
        platforms=_promised(state, platform),
        pin=state.pin,
        setup=tuple(state.setup),
        workdir=state.config.working_dir if state.config.working_dir != "/" else "",
        require_hashes=state.needs.require_hashes,
    )


def _promised(state: State, platform: Platform) -> Conditions:
    """Return all facts promised: by ``PLATFORMS``, by default, and the Python the base says it has."""
    promised = dict(DEFAULTS) | {fact: values for fact, (values, _) in state.platforms.items()}
    python = _python_of_base(state)
    if "python" in state.platforms:
        _check_python(state, python)
    elif python:
        promised["python"] = (python,)
    if "arch" in state.platforms and platform.architecture not in promised["arch"]:
        values, span = state.platforms["arch"]
        wanted = platform.architecture
        own = platform == state.request.platform
        how = (
            f"build with `--platform linux/{values[0]}`"
            if own
            else f"write `FROM --platform=linux/{values[0]}`"
        )
        raise CirfileError(
            span, "platform-not-promised", f"the image is built for `{wanted}`, which it does not promise",
            f"write `arch={','.join((*values, wanted))}`, or {how}",
        )  # fmt: skip
    return tuple(sorted(promised.items()))


def _python_of_base(state: State) -> str:
    """Return the minor version the base says it has, whatever ``ENV`` says; empty where it does not tell."""
    config = state.request.base_config
    version = re.match(r"3\.[0-9]+", dict(config.env).get("PYTHON_VERSION", "")) if config else None
    return version[0] if version else ""


def _check_python(state: State, python: str) -> None:
    """Refuse a promise that leaves out the Python of the base: such an image would start nowhere.

    Where the Cirfile sets another ``PATH``, that may lead to a Python it brings along.
    """
    values, span = state.platforms["python"]
    if not python or python in values or f"{python}t" in values or _other_path(state):
        return
    raise CirfileError(
        span, "platform-not-promised", f"the base has Python {python}, which the image does not promise",
        f"write `python={','.join((*values, python))}`, or start from a base with Python {values[0]}",
    )  # fmt: skip


def _other_path(state: State) -> bool:
    config = state.request.base_config
    return config is not None and dict(state.config.env).get("PATH") != dict(config.env).get(
        "PATH", DEFAULT_PATH
    )


def _apply_platforms(state: State, instruction: Platforms) -> None:
    for (fact, values), span in zip(instruction.conditions, instruction.spans, strict=True):
        if fact in state.platforms:
            first = state.platforms[fact][1].line
            raise CirfileError(
                span, "repeated-fact", f"the fact `{fact}` is already promised on line {first}",
                "list its values in one place",
            )  # fmt: skip
        state.platforms[fact] = (values, span)
    state.history.append(" ".join(instruction.line.text.split()))


def _apply_pin(state: State, instruction: PinAt) -> None:
    state.pin = Pin(instruction.mode, instruction.date)
    state.history.append(" ".join(instruction.line.text.split()))


def _apply_setup(state: State, command: Command) -> None:
    state.setup.append(Setup(settings.setup_argv(state, command), state.config.working_dir or "/"))
    state.history.append(" ".join(command.line.text.split()))


_APPLY: dict[str, Callable[[State, Any], None]] = {
    "ADD": files.apply_copy,
    "ARG": settings.apply_arg,
    "CMD": settings.apply_cmd,
    "COPY": files.apply_copy,
    "ENTRYPOINT": settings.apply_entrypoint,
    "ENV": settings.apply_env,
    "EXPOSE": settings.apply_expose,
    "HEALTHCHECK": settings.apply_healthcheck,
    "LABEL": settings.apply_label,
    "MAINTAINER": settings.apply_maintainer,
    "PIN": _apply_pin,
    "PLATFORMS": _apply_platforms,
    "REQUIRE": apply_require,
    "SETUP": _apply_setup,
    "SHELL": settings.apply_shell,
    "STOPSIGNAL": settings.apply_stopsignal,
    "USER": settings.apply_user,
    "VOLUME": settings.apply_volume,
    "WORKDIR": files.apply_workdir,
}
