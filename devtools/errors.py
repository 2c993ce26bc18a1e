"""The one error that `./dev` shows to a person: what failed, why, and the way out."""

from __future__ import annotations

from pathlib import Path


class DevError(Exception):
    """A failure with its cause and remedy, rendered without a traceback.

    :param problem: what could not be done, without a trailing period
    :param cause: what is known about why; may span lines (the tail of a log)
    :param hint: what the reader can do about it
    """

    def __init__(self, problem: str, cause: str = "", hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.cause = cause
        self.hint = hint

    def __str__(self) -> str:
        text = f"error: {self.problem}"
        if self.cause:
            text += ": " + self.cause if "\n" not in self.cause else "\n" + indent(self.cause)
        if self.hint:
            text += f"\nhint: {self.hint}"
        return text


def indent(text: str) -> str:
    """Return the lines of `text`, each set in by four spaces."""
    return "\n".join("    " + line for line in text.rstrip().splitlines())


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, or a word on its absence."""
    if not log.is_file():
        return "(no log)"
    with log.open("rb") as source:
        source.seek(max(0, log.stat().st_size - 16384))
        return "\n".join(source.read().decode(errors="replace").splitlines()[-lines:])
