"""What was written: one frozen value for each instruction, before any variable is expanded.

Instructions of one shape share a class; ``keyword`` (upper case) tells them apart. ``line`` is the
logical line, for its span, its comments and its text. Nodes are compared by identity: what two of them
mean is compared in plans, and methods that nobody calls would cost every build their making.
"""

from __future__ import annotations

from dataclasses import dataclass

from cirfile.lines import Heredoc, Line
from cirfile.manifest import Conditions
from cirfile.source import Source, Span
from cirfile.words import Word


@dataclass(frozen=True, slots=True, eq=False)
class Instruction:
    """Common to all: the instruction word in capitals, and the logical line it stands on."""

    keyword: str
    line: Line

    @property
    def span(self) -> Span:
        """The lines of the instruction, here-documents included."""
        return self.line.span


@dataclass(frozen=True, slots=True, eq=False)
class From(Instruction):
    """``FROM [--platform=P] image [AS name]``."""

    image: Word
    platform: Word | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """``name=value`` with quotes and variables as written; ``value`` is ``None`` in a bare ``ARG name``.

    ``legacy`` marks ``ENV name value``, which has no equals sign.
    """

    name: str
    value: str | None
    span: Span
    legacy: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pairs(Instruction):
    """``ARG``, ``ENV`` and ``LABEL``."""

    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Words(Instruction):
    """``EXPOSE``, ``VOLUME``, and those with one argument: ``MAINTAINER STOPSIGNAL USER WORKDIR``."""

    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Command(Instruction):
    """``CMD``, ``ENTRYPOINT``, ``SETUP`` and ``SHELL``: an argv (exec form) or one shell line."""

    words: tuple[str, ...]
    shell: bool
    span_of_words: Span


@dataclass(frozen=True, slots=True, eq=False)
class HealthCheck(Instruction):
    """``HEALTHCHECK``; durations in nanoseconds."""

    test: tuple[str, ...]
    durations: tuple[int, int, int, int]
    retries: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class CopyFiles(Instruction):
    """``COPY`` and ``ADD``. Flags that were not given are ``None`` or empty."""

    sources: tuple[Word, ...]
    documents: tuple[Heredoc, ...]
    destination: Word
    origin: Word | None = None
    chown: Word | None = None
    chmod: Word | None = None
    checksum: Word | None = None
    exclude: tuple[Word, ...] = ()
    link: bool = False
    parents: bool = False
    unpack: bool | None = None
    keep_git_dir: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Require(Instruction):
    """``REQUIRE [--when=...] ecosystem arguments``; ``offset`` is where the arguments begin in the line."""

    ecosystem: str
    arguments: str
    offset: int
    when: Conditions = ()


@dataclass(frozen=True, slots=True, eq=False)
class Platforms(Instruction):
    """``PLATFORMS fact=value,value ...``; ``spans`` are those of the facts, in the same order."""

    conditions: Conditions
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PinAt(Instruction):
    """``PIN lock``, ``PIN latest`` or ``PIN as-of=date``."""

    mode: str
    date: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Cirfile:
    """A parsed file: global ``ARG`` lines, the one ``FROM``, and everything after it."""

    source: Source
    arguments: tuple[Pairs, ...]
    base: From
    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    directives: tuple[tuple[str, str, int], ...] = ()

    def directive(self, name: str) -> str:
        """Return the value of a parser directive, empty where it is not given."""
        return next((value for key, value, _ in self.directives if key == name), "")

    def all(self) -> tuple[Instruction, ...]:
        """Return every instruction in the order of the file."""
        return (*self.arguments, self.base, *self.instructions)
