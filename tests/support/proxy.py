"""A forward proxy for tests: plain requests and ``CONNECT`` tunnels on loopback, every request recorded."""

from __future__ import annotations

import base64
import select
import socket
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """A running proxy; ``requests`` are ``METHOD target``; with ``user`` it wants credentials."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self.requests: list[str] = []
        credentials = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""
        proxy = self

        class Handler(_Handler):
            wanted = credentials

            def note(self) -> None:
                proxy.requests.append(f"{self.command} {self.path}")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.authority = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{f'{user}:{password}@' if user else ''}{self.authority}"

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
    disable_nagle_algorithm = True
    wanted = ""

    def note(self) -> None:
        """Record the request."""

    def _allowed(self) -> bool:
        self.note()
        if self.wanted and self.headers.get("Proxy-Authorization") != self.wanted:
            self.send_response(407)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        return True

    def do_GET(self) -> None:
        if not self._allowed():
            return
        parts = urlsplit(self.path)
        upstream = HTTPConnection(parts.netloc, timeout=10)
        headers = {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")}
        upstream.request("GET", parts.path, headers=headers)
        answer = upstream.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("server", "date"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        upstream.close()

    def do_CONNECT(self) -> None:
        if not self._allowed():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as upstream:
            self.send_response(200)
            self.end_headers()
            self._pump(self.connection, upstream)
        self.close_connection = True

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        while True:
            for source in select.select([one, other], [], [], 10)[0] or (one,):
                try:
                    data = source.recv(65536)
                    (other if source is one else one).sendall(data)
                except OSError:
                    return
                if not data:
                    return

    def log_message(self, *arguments: object) -> None:
        """Requests are recorded, not printed."""
