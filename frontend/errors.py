"""Everything that can go wrong in a build, turned into the one status that is handed back.

A message names the place, the cause and the way out; the lines of the Cirfile travel beside it, and the
client draws them. Nothing a user does ends in a traceback: a fault of ours is reported as one.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from cirfile.errors import CirfileError
from cirfile.source import Span
from frontend.gateway import errors as gateway
from frontend.gateway.caps import Capabilities
from frontend.gateway.errors import Excerpt, GatewayError
from frontend.llb.ops import SourceFile
from frontend.lower import LowerError
from frontend.proto import status_pb2

#: More excerpts than this push the message off the screen.
MOST_EXCERPTS = 4


class BuildError(Exception):
    """A build that cannot go on; ``span`` is the guilty place where there is one."""

    def __init__(self, message: str, source: SourceFile | None = None, span: Span | None = None) -> None:
        super().__init__(message)
        self.source = source
        self.span = span


def placed(error: GatewayError, subject: str, source: SourceFile, span: Span) -> GatewayError:
    """Return the server's error with its subject in front and the lines that caused it."""
    status = gateway.with_excerpt(error.status, excerpt(source, span))
    return GatewayError(gateway.with_message(status, f"{subject}: {status.message}"))


def excerpt(source: SourceFile, span: Span) -> Excerpt:
    """Return the lines of ``span`` as they are sent."""
    return Excerpt(source.filename, source.data, source.language, span.line, span.last_line)


def status(error: BaseException, definition: SourceFile | None, caps: Capabilities) -> status_pb2.Status:
    """Return the status that tells the user of ``error``."""
    if isinstance(error, GatewayError):
        return error.status
    message, excerpts = _describe(error, definition)
    if not message:
        return _fault(error)
    if excerpts and "gateway.warnings" not in caps.frontend:
        # Servers before BuildKit 0.10 lose the lines on the way: name them in the text.
        message = f"{excerpts[0].filename}:{excerpts[0].first_line}: {message}"
    return gateway.failure(message, excerpts)


def describe(error: CirfileError, definition: SourceFile) -> str:
    """Return every mistake in words, each with its way out."""
    return "\n".join(_lines(error.all(), definition))


def _describe(error: BaseException, definition: SourceFile | None) -> tuple[str, list[Excerpt]]:
    if isinstance(error, CirfileError):
        found = error.all()
        excerpts = [each for one in found for each in _excerpts(one, definition)]
        return "\n".join(_lines(found, definition)), excerpts[:MOST_EXCERPTS]
    if isinstance(error, LowerError):
        return str(error), [excerpt(definition, error.span)] if definition else []
    if isinstance(error, BuildError):
        place = [excerpt(error.source, error.span)] if error.source and error.span else []
        return str(error), place
    if isinstance(error, FileNotFoundError):
        return f"{error}: no such file where the client looked for it; `-f` names the Cirfile", []
    if isinstance(error, ValueError) and type(error).__module__.startswith(("frontend.", "cirfile.")):
        return str(error), []
    return "", []


def _lines(found: tuple[CirfileError, ...], definition: SourceFile | None) -> Iterator[str]:
    for number, error in enumerate(found):
        name = error.source.name if error.source else definition.filename if definition else "Cirfile"
        place = f"{name}:{error.span.line}: " if number else ""
        yield f"{place}{error.message} [{error.code}]"
        if error.hint:
            yield f"hint: {error.hint}"


def _excerpts(error: CirfileError, definition: SourceFile | None) -> list[Excerpt]:
    span = error.span
    if error.source is not None and (definition is None or error.source.name != definition.filename):
        data = error.source.text.encode()
        return [Excerpt(error.source.name, data, "", span.line, span.last_line)]
    return [excerpt(definition, span)] if definition else []


def _fault(error: BaseException) -> status_pb2.Status:
    frames = [
        (f.name, f.filename, f.lineno or 0) for f in reversed(traceback.extract_tb(error.__traceback__))
    ]
    place = f" ({frames[0][1].rpartition('/')[2]}:{frames[0][2]})" if frames else ""
    message = f"internal error of the Cirfile frontend{place}: {type(error).__name__}: {error}"
    return gateway.internal(message + "\nhint: this is a fault of ours, please report it", frames)
