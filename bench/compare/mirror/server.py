"""Answers clients over HTTP/1.1, from the record: pages in both formats, files with ranges, sent by the kernel."""

from __future__ import annotations

import gzip
import hashlib
import re
import socket
import sys
import threading
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from bench.compare.mirror import pages
from bench.compare.mirror.record import METADATA, PAGE, Kept, Record
from bench.compare.mirror.upstream import Upstream

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
#: An answer made of bytes: content, content type, entity tag.
Body = tuple[bytes, str, str]


class Server(ThreadingHTTPServer):
    """The mirror.

    :param listener: a socket that listens
    :param address: `http://host:port` as clients reach it
    """

    daemon_threads = True

    def __init__(self, listener: socket.socket, address: str, record: Record) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.server_port = listener, listener.getsockname()[1]
        self.address, self.record = address, record
        #: Asked for what is not there, while it is set.
        self.upstream: Upstream | None = None
        self._missed: list[str] = []
        self._lock = threading.Lock()

    def miss(self, what: str) -> None:
        """Note that something is not there that would be at the index."""
        with self._lock:
            self._missed.append(what)

    def missed(self) -> list[str]:
        """What was missed since this was asked last."""
        with self._lock:
            found, self._missed = self._missed, []
            return found

    @lru_cache(maxsize=64)  # noqa: B019 - one server a process
    def body(self, project: str, digest: int, html: bool, packed: bool) -> Body:  # noqa: ARG002
        """A page as it is sent; ``digest`` tells one version of it from another."""
        kept = self.record.page(project, None)
        assert kept is not None
        assert kept.page is not None
        page = pages.led_to(kept.page, f"{self.address}/files/{project}")
        content = pages.as_html(page) if html else pages.as_json(page)
        tag = hashlib.sha256(content).hexdigest()[:32]
        kind = pages.HTML if html else pages.JSON
        return (gzip.compress(content, 6, mtime=0) if packed else content), kind, f'"{tag}"'

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(cast("socket.socket", request), client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mirror", ""
    disable_nagle_algorithm = True
    wbufsize = -1

    @property
    def _mirror(self) -> Server:
        return cast("Server", self.server)

    def do_GET(self) -> None:
        """Answer with a page, a file, or why there is none."""
        try:
            self._answer()
        except ConnectionError:
            self.close_connection = True
        except (OSError, ValueError) as error:
            self._say(HTTPStatus.BAD_GATEWAY, f"{self.path}: {error}")

    do_HEAD = do_GET  # noqa: N815 - the name is the base class's

    def _answer(self) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/")]
        match parts:
            case ["", "simple", name, ""] if pages.is_project(name):
                self._page(name)
            case ["", "simple", name, *rest] if rest in ([], [""]) and pages.is_project(
                pages.normalized(name)
            ):
                self._say(
                    HTTPStatus.MOVED_PERMANENTLY, "", {"Location": f"/simple/{pages.normalized(name)}/"}
                )
            case ["", "files", project, name] if pages.is_project(project) and pages.is_file(name):
                self._file(project, name)
            case _:
                self._say(HTTPStatus.NOT_FOUND, "there are /simple/PROJECT/ and /files/PROJECT/FILE")

    def _page(self, project: str) -> None:
        kept = self._mirror.record.page(project, self._mirror.upstream)
        if kept is None:
            self._mirror.miss(f"/simple/{project}/")
        if kept is None or kept.page is None:
            self._say(HTTPStatus.NOT_FOUND, f"no page of {project}")
            return
        accepted = self.headers.get("Accept", "")
        html = not re.search(r"application/vnd\.pypi\.simple\.(v1|latest)\+json", accepted)
        packed = "gzip" in self.headers.get("Accept-Encoding", "")
        content, kind, tag = self._mirror.body(project, id(kept), html, packed)
        headers = {"Content-Type": kind, "ETag": tag, "Vary": "Accept, Accept-Encoding"}
        headers |= {"Cache-Control": kept.headers.get("cache-control", "max-age=600")}
        if packed:
            headers["Content-Encoding"] = "gzip"
        if self.headers.get("If-None-Match") == tag:
            self._begin(HTTPStatus.NOT_MODIFIED, headers)
            return
        self._begin(HTTPStatus.OK, headers | {"Content-Length": str(len(content))})
        if self.command == "GET":
            self.wfile.write(content)

    def _file(self, project: str, name: str) -> None:
        found = None
        if name != PAGE and not name.endswith((".headers", ".partial")):
            found = self._mirror.record.file(project, name, self._mirror.upstream)
        if found is None:
            if self._mirror.upstream is None and self._is_known(project, name):
                self._mirror.miss(f"/files/{project}/{name}")
            self._say(HTTPStatus.NOT_FOUND, f"no file {name} of {project}")
            return
        path, given = found
        headers = {key.title(): value for key, value in given.items()}
        headers.setdefault("Last-Modified", formatdate(path.stat().st_mtime, usegmt=True))
        self._send(path, headers | {"Accept-Ranges": "bytes"})

    def _is_known(self, project: str, name: str) -> bool:
        """Whether the index has the file; of metadata we cannot tell, and say yes."""
        kept: Kept | None = self._mirror.record.page(project, None)
        return kept is None or kept.file(name.removesuffix(METADATA)) is not None

    def _send(self, path: Path, headers: dict[str, str]) -> None:
        with path.open("rb") as file:
            size = path.stat().st_size
            start, end, status = 0, size, HTTPStatus.OK
            if wanted := _RANGE.fullmatch(self.headers.get("Range", "")):
                start, end = _bounds(wanted[1], wanted[2], size)
                if start >= end:
                    told = {"Content-Range": f"bytes */{size}"}
                    self._say(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "", told)
                    return
                status = HTTPStatus.PARTIAL_CONTENT
                headers |= {"Content-Range": f"bytes {start}-{end - 1}/{size}"}
            self._begin(status, headers | {"Content-Length": str(end - start)})
            if self.command == "GET":
                self.wfile.flush()
                self.connection.sendfile(file, start, end - start)

    def _say(self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
        content = f"{text}\n".encode() if text else b""
        told = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(content))}
        self._begin(status, told | (headers or {}))
        if self.command == "GET":
            self.wfile.write(content)

    def _begin(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Start and end of a range; the start is not before the end where nothing of it is there."""
    if not first:
        return (max(size - int(last), 0), size) if last else (size, size)
    return int(first), min(int(last) + 1, size) if last else size
