"""A registry's front that counts: forwards every request of the distribution API and notes what was fetched."""

from __future__ import annotations

import base64
import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

#: Headers that belong to one connection, not to the message (RFC 9110 §7.6.1).
HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


@dataclass(frozen=True)
class Seen:
    """One request: method, path, status and the bytes of the answer's body."""

    method: str
    path: str
    status: int
    size: int


class RegistryProxy:
    """A context manager; ``address`` is the ``host:port`` to use instead of the registry's.

    With ``login``, ``user:password``, everything else is refused.
    """

    def __init__(self, upstream: str, address: str, login: str = "") -> None:
        self.upstream = upstream
        self.login = base64.b64encode(login.encode()).decode() if login else ""
        self.seen: list[Seen] = []
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer((address.split(":")[0], int(address.split(":")[1])), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def address(self) -> str:
        """Where the proxy listens."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def fetched(self) -> list[Seen]:
        """Blobs whose content was read through the proxy."""
        return [seen for seen in self.seen if seen.method == "GET" and "/blobs/sha256" in seen.path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: RegistryProxy
    raw_requestline: bytes

    def parse_request(self) -> bool:
        """Answer a TLS handshake as web servers do, so that clients which try TLS first fall back to HTTP."""
        if self.raw_requestline[:1] == b"\x16":
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            self.close_connection = True
            return False
        return super().parse_request()

    def _forward(self) -> None:
        if self.owner.login and self.headers.get("Authorization") != f"Basic {self.owner.login}":
            self._body()
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        # Skopeo sends one Accept header a media type: all of them count.
        names = dict.fromkeys(name for name in self.headers if name.lower() not in HOP)
        headers = {name: ", ".join(self.headers.get_all(name, [])) for name in names}
        connection = http.client.HTTPConnection(self.owner.upstream, timeout=60)
        connection.request(self.command, self.path, body=self._body(), headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        self.owner.seen.append(Seen(self.command, self.path, answer.status, len(content)))
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP | {"content-length"} or (
                self.command == "HEAD" and name.lower() == "content-length"
            ):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    def _body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        length = self.headers.get("Content-Length")
        return self.rfile.read(int(length)) if length else None

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 (the names the base class asks for)

    def log_message(self, *arguments: object) -> None:
        """Requests are noted, not printed."""
