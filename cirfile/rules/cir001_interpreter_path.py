"""CIR001: Commands name programs, not the path of the base's interpreter."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from cirfile.rule import Found, Rule, Subject
from cirfile.syntax import HealthCheck

_INTERPRETER = re.compile(r"/(?:[^/ ]+/)*(python[0-9.]*|Rscript|R|pip[0-9.]*)")


def _check(subject: Subject) -> Iterator[Found]:
    for command in subject.commands("CMD", "ENTRYPOINT", "SETUP"):
        words = _words(command.words[0]) if command.shell and command.words else command.words
        yield from ((command.span_of_words, message) for message in _say(words))
    for health in subject.instructions("HEALTHCHECK"):
        if isinstance(health, HealthCheck) and len(health.test) > 1:
            words = _words(health.test[1]) if health.test[0] == "CMD-SHELL" else health.test[1:]
            yield from ((health.span, message) for message in _say(words))


def _words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError:
        return ()


def _say(words: tuple[str, ...]) -> Iterator[str]:
    match = _INTERPRETER.fullmatch(words[0]) if words else None
    if match:
        yield f"`{words[0]}` bypasses the platform layer, where the requirements are; write `{match[1]}`"


RULE = Rule(
    "CIR001", "interpreter-path", "Commands name programs, not the path of the base's interpreter.", _check
)
