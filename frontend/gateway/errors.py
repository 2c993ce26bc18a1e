"""Errors on the wire: a status with typed details, which the client turns into a picture of the line.

The details are JSON, named by the Go type they stand for (``util/grpcerrors`` and ``containerd/typeurl``);
lines count from 1, columns from 0.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

from frontend.proto import status_pb2

#: The code for the user's own mistakes: any other is shown as a prefix, once for every hop.
UNKNOWN = 2
UNIMPLEMENTED = 12
_TYPES = "github.com/moby/buildkit/"


class GatewayError(Exception):
    """A call that the server refused, with its whole status, so that it can be passed on unchanged."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status

    @property
    def not_found(self) -> bool:
        """Whether a file that was asked for is not there (servers differ in the rest of the text).

        Where a vertex is named, it is that which failed, for want of some other file.
        """
        if any(detail.type_url.endswith("errdefs.Vertex+json") for detail in self.status.details):
            return False
        return self.status.message.endswith(("no such file or directory", "not a directory"))

    @property
    def is_folder(self) -> bool:
        """Whether a folder is where a file was asked for."""
        return self.status.message.endswith("is a directory")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of a text to show beside a message: the first and the last, counted from 1."""

    filename: str
    data: bytes
    language: str
    first_line: int
    last_line: int


def failure(message: str, excerpts: Sequence[Excerpt] = (), code: int = UNKNOWN) -> status_pb2.Status:
    """Return the status for ``message``, with the lines it is about; a file is sent once."""
    files: dict[tuple[str, bytes, str], list[Excerpt]] = {}
    for excerpt in excerpts:
        files.setdefault((excerpt.filename, excerpt.data, excerpt.language), []).append(excerpt)
    readable = message.encode("utf-8", "replace").decode()  # what came as JSON may hold half a character
    return status_pb2.Status(code=code, message=readable, details=[_source(same) for same in files.values()])


def unsupported_request(name: str) -> status_pb2.Status:
    """Return the status by which a client learns that a subrequest is unknown."""
    detail = _detail("errdefs.Subrequest", {"name": name})
    return status_pb2.Status(code=UNIMPLEMENTED, message=f"unsupported request {name}", details=[detail])


def unsupported_capability(name: str) -> status_pb2.Status:
    """Return the status by which a client learns that it asked for more than this frontend can."""
    detail = _detail("errdefs.FrontendCap", {"name": name})
    message = f"unsupported frontend capability {name}"
    return status_pb2.Status(code=UNIMPLEMENTED, message=message, details=[detail])


def internal(message: str, frames: Sequence[tuple[str, str, int]]) -> status_pb2.Status:
    """Return the status for a fault of ours; clients show the frames only when debugging is on."""
    stack = {
        "frames": [{"Name": name, "File": file, "Line": line} for name, file, line in frames],
        "cmdline": ["frontend"],
        "pid": 1,
    }
    return status_pb2.Status(code=UNKNOWN, message=message, details=[_detail("stack.Stack", stack)])


def with_excerpt(status: status_pb2.Status, excerpt: Excerpt) -> status_pb2.Status:
    """Return ``status`` with the lines added, unless it names lines already."""
    if any(detail.type_url.endswith("errdefs.Source+json") for detail in status.details):
        return status
    copy = status_pb2.Status()
    copy.CopyFrom(status)
    copy.details.append(_source([excerpt]))
    return copy


def with_message(status: status_pb2.Status, message: str) -> status_pb2.Status:
    """Return ``status`` with another text; what it carries beside the text stays."""
    return status_pb2.Status(code=UNKNOWN, message=message, details=status.details)


def _source(excerpts: Sequence[Excerpt]) -> status_pb2.Any:
    """Lines of one file."""
    file = excerpts[0]
    info = {
        "filename": file.filename,
        "data": base64.b64encode(file.data).decode(),
        "language": file.language,
    }
    lines = [{"start": {"line": each.first_line}, "end": {"line": each.last_line}} for each in excerpts]
    return _detail("errdefs.Source", {"info": info, "ranges": lines})


def _detail(name: str, value: object) -> status_pb2.Any:
    return status_pb2.Any(type_url=f"{_TYPES}{name}+json", value=json.dumps(value).encode())
