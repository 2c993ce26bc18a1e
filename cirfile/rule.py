"""Lint rules: what one is, what it looks at, what it finds, and how a file or a build turns rules off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from cirfile.errors import CirfileError
from cirfile.gotext import parse_bool
from cirfile.manifest import Requirement
from cirfile.plan import Plan
from cirfile.request import Request
from cirfile.source import Span
from cirfile.syntax import Cirfile, Command, Instruction

#: What a check yields: where, and a sentence that says what is wrong and what to write.
Found = tuple[Span, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of a place. ``summary`` is the rule in one line, ``url`` its page in the project."""

    code: str
    span: Span
    message: str
    summary: str
    url: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What rules look at. ``plan`` and ``request`` are ``None`` where only the text is known."""

    cirfile: Cirfile
    plan: Plan | None = None
    request: Request | None = None

    def instructions(self, *keywords: str) -> Iterator[Instruction]:
        """Yield the instructions after ``FROM`` with one of these keywords, in order."""
        return (one for one in self.cirfile.instructions if one.keyword in keywords)

    def commands(self, *keywords: str) -> Iterator[Command]:
        """Yield those that hold a command line."""
        return (one for one in self.instructions(*keywords) if isinstance(one, Command))

    def requirements(self, ecosystem: str) -> Iterator[tuple[Requirement, Span]]:
        """Yield the requirements of one ecosystem and where they are written; none without a plan."""
        if self.plan is None:
            return iter(())
        pairs = zip(self.plan.manifest.requirements, self.plan.trace.requirements, strict=True)
        return (pair for pair in pairs if pair[0].ecosystem == ecosystem)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a stable code, what it demands in one line, and the function that checks it."""

    code: str
    name: str
    summary: str
    check: Callable[[Subject], Iterable[Found]]

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """Yield what the rule finds."""
        for span, message in self.check(subject):
            yield Finding(self.code, span, message, self.summary, f"docs/rules/{self.code}.md")


@dataclass(frozen=True, slots=True)
class Settings:
    """Which rules are off, and whether a finding fails the build (``# check=skip=CIR001;error=true``)."""

    skip: frozenset[str] = frozenset()
    skip_all: bool = False
    error: bool = False

    def allows(self, code: str) -> bool:
        """Tell whether a rule is on."""
        return not self.skip_all and code not in self.skip


def parse_settings(text: str) -> Settings:
    """Read ``skip=CODE,CODE|all;error=BOOL``. Raise `ValueError` saying what is wrong.

    ``experimental`` is understood and has no effect: there are no experimental rules.
    """
    skip: frozenset[str] = frozenset()
    error = False
    for part in text.strip().split(";", 2) if text.strip() else ():
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in ("skip", "experimental", "error"):
            raise ValueError(f"`{part.strip()}` is no check option")
        if name == "skip":
            skip = frozenset(code.strip() for code in value.split(","))
        elif name == "error":
            error = parse_bool(value)
    return Settings(skip - {"all"}, "all" in skip, error)


def settings(cirfile: Cirfile, request: Request | None = None) -> Settings:
    """Return what the build argument ``BUILDKIT_DOCKERFILE_CHECK`` says, else the ``# check=`` directive.

    Raise `CirfileError` where it is malformed.
    """
    given = dict(request.build_args).get("BUILDKIT_DOCKERFILE_CHECK") if request else None
    line = next((line for name, _, line in cirfile.directives if name == "check"), cirfile.base.span.line)
    try:
        return parse_settings(cirfile.directive("check") if given is None else given)
    except ValueError as error:
        raise CirfileError(
            Span(line), "check", str(error), "write `# check=skip=CIR001,CIR002;error=true`", cirfile.source
        ) from None
