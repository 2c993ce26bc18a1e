"""What a Cirfile offers to the one who builds it: arguments, secrets and targets. Nothing is built for it."""

from __future__ import annotations

from dataclasses import dataclass

from cirfile.errors import CirfileError
from cirfile.plan import Argument
from cirfile.planning.settings import apply_arg, apply_env
from cirfile.planning.state import State
from cirfile.planning.variables import Globals, description
from cirfile.request import Request
from cirfile.source import Span
from cirfile.syntax import Cirfile, Pairs, PinAt, Require

#: Build secrets the lock step takes, and what they are for.
SECRETS = (
    ("cir_netrc", "credentials of package indexes, a netrc file"),
    ("cir_ca", "certificates of package indexes"),
)


@dataclass(frozen=True, slots=True)
class Secret:
    """A build secret; ``required`` where the build cannot do without it."""

    name: str
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """The stage's name, what its comment says, and what can be given to the build."""

    name: str
    description: str
    arguments: tuple[Argument, ...] = ()
    secrets: tuple[Secret, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetStage:
    """What ``--target`` may name; ``base`` and ``platform`` as written."""

    name: str
    default: bool
    description: str
    base: str
    platform: str
    span: Span


def outline(cirfile: Cirfile, request: Request) -> Outline:
    """Return the arguments with the values this request gives them, and the secrets.

    Raise `CirfileError` where a value cannot be expanded.
    """
    try:
        arguments = _arguments(cirfile, request)
    except CirfileError as error:
        raise error.in_source(cirfile.source) from None
    found = [one for one in cirfile.instructions if isinstance(one, Require) and one.ecosystem == "pypi"]
    locks = not any(isinstance(one, PinAt) and one.mode != "lock" for one in cirfile.instructions)
    secrets = tuple(Secret(*secret) for secret in SECRETS) if found and locks else ()
    return Outline(cirfile.base.name, _stage_description(cirfile), arguments, secrets)


def targets(cirfile: Cirfile, request: Request) -> tuple[TargetStage, ...]:
    """Return the one stage of the file. ``request`` is taken so that all questions are asked alike."""
    del request
    base = cirfile.base
    platform = base.platform.text if base.platform else ""
    return (TargetStage(base.name, True, _stage_description(cirfile), base.image.text, platform, base.span),)


def _stage_description(cirfile: Cirfile) -> str:
    line = cirfile.base.line
    return description(line, cirfile.base.name) if cirfile.base.name else ""


def _arguments(cirfile: Cirfile, request: Request) -> tuple[Argument, ...]:
    """Go through the lines that set variables, and no others."""
    state = State(cirfile, request, Globals(cirfile, request), scratch=cirfile.base.image.text == "scratch")
    for instruction in cirfile.instructions:
        if isinstance(instruction, Pairs) and instruction.keyword != "LABEL":
            (apply_arg if instruction.keyword == "ARG" else apply_env)(state, instruction)
    return tuple(
        sorted(state.arguments.values(), key=lambda argument: (argument.span.line, argument.span.column))
    )
