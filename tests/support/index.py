"""A package index for tests: serves a folder of wheels over HTTP or HTTPS and misbehaves on demand.

Serves what real indexes serve: PEP 503 pages (HTML), PEP 691 pages (JSON, by ``Accept``), PEP 658
metadata files, ``Range`` requests, keep-alive, basic authentication. A file counts as uploaded when it
was last modified. Every request is recorded and any path can be given faults. Usable in a test
(``with Index(folder) as index``) and as a command for containers::

    python -m tests.support.index FOLDER --address 10.0.0.1 --port 8000 --user me --password secret
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import html
import json
import re
import ssl
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from tests.support.certificate import make_certificate as make_certificate

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave, for the next ``times`` requests of a path (-1: for ever).

    ``kind`` is ``status`` (answer ``status``, with ``retry_after`` and ``location`` where given),
    ``truncate`` (close after half of the body), ``corrupt`` (flip the first byte), ``slow`` (``seconds``
    between pieces), ``hang`` (say nothing for ``seconds``), ``close`` (close without an answer) or
    ``norange`` (ignore ``Range``).
    """

    kind: str
    times: int = -1
    status: int = 404
    retry_after: str = ""
    location: str = ""
    seconds: float = 0.2


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; ``headers`` have lower-case names."""

    method: str
    path: str
    headers: dict[str, str] = field(hash=False)


class Index:
    """A running index; a context manager that stops what it started.

    ``folder`` holds wheels and sdists, looked at anew on every request. ``tls`` is a certificate file and
    its key. ``user`` and ``password`` switch basic authentication on for everything. ``headers`` go with every
    answer. ``yanked`` has the reasons for which files were withdrawn (PEP 592), by name.
    """

    def __init__(
        self,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        user: str = "",
        password: str = "",
        tls: tuple[Path, Path] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.headers = dict(headers or {})
        self.yanked: dict[str, str] = {}
        self.address = address
        self.password = password
        self.requests: list[Request] = []
        self._faults: list[list[object]] = []
        self._digests: dict[tuple[str, int, int], str] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._credentials = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        index = self

        class Handler(_Handler):
            def __init__(self, *arguments: object) -> None:
                self.index = index
                super().__init__(*arguments)  # type: ignore[arg-type]

        self._server = _Server((address, port), Handler)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._scheme = "https" if tls else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self._server.server_address[1])

    @property
    def root(self) -> str:
        """``scheme://address:port`` without a slash at the end."""
        return f"{self._scheme}://{self.address}:{self.port}"

    @property
    def url(self) -> str:
        """The address to give to a package client as its index."""
        return f"{self.root}/simple/"

    def file_url(self, name: str) -> str:
        """The address of one file of the folder."""
        return f"{self.root}/files/{name}"

    def fail(self, pattern: str, fault: Fault) -> None:
        """Misbehave for paths that contain the regular expression ``pattern``; earlier faults come first."""
        with self._lock:
            self._faults.append([re.compile(pattern), fault, fault.times])

    def forgive(self) -> None:
        """Take back every fault."""
        with self._lock:
            self._faults.clear()

    def counts(self) -> Counter[str]:
        """How many requests each path got."""
        with self._lock:
            return Counter(request.path for request in self.requests)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the port; requests that hang are let go."""
        self._stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def record(self, request: Request) -> Fault | None:
        """Note a request and return the fault it shall meet."""
        with self._lock:
            self.requests.append(request)
            for entry in self._faults:
                pattern, fault, left = entry
                assert isinstance(pattern, re.Pattern)
                assert isinstance(fault, Fault)
                assert isinstance(left, int)
                if left != 0 and pattern.search(request.path):
                    entry[2] = left - 1 if left > 0 else left
                    return fault
        return None

    def allowed(self, request: Request) -> bool:
        """Whether the request carries the credentials, if any are asked for."""
        return not self._credentials or request.headers.get("authorization") == f"Basic {self._credentials}"

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the index lives."""
        self._stopping.wait(seconds)

    def projects(self) -> dict[str, list[Path]]:
        """Files of the folder by normalised project name."""
        found: dict[str, list[Path]] = {}
        for path in sorted(self.folder.iterdir()):
            if path.name.endswith((".whl", ".tar.gz")):
                stem = path.name.split("-")[0] if path.suffix == ".whl" else path.name.rsplit("-", 1)[0]
                found.setdefault(re.sub(r"[-_.]+", "-", stem).lower(), []).append(path)
        return found

    def digest(self, path: Path) -> str:
        """SHA-256 of a file, remembered while the file stays the same."""
        status = path.stat()
        key = (path.name, status.st_size, status.st_mtime_ns)
        with self._lock:
            known = self._digests.get(key)
        if known is None:
            with path.open("rb") as stream:
                known = hashlib.file_digest(stream, "sha256").hexdigest()
            with self._lock:
                self._digests[key] = known
        return known


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this headers and body, two small packets, wait for each other: 40 ms a request.
    disable_nagle_algorithm = True
    index: Index

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, unquote(urlsplit(self.path).path), headers)
        fault = self.index.record(request)
        if fault is not None and fault.kind in ("hang", "close"):
            self.index.pause(fault.seconds if fault.kind == "hang" else 0)
            self.close_connection = True
        elif not self.index.allowed(request):
            self._send(401, b"credentials, please", extra={"WWW-Authenticate": 'Basic realm="test"'})
        elif fault is not None and fault.kind == "status":
            extra = {"Retry-After": fault.retry_after, "Location": fault.location}
            self._send(fault.status, b"injected", extra={k: v for k, v in extra.items() if v})
        else:
            self._route(request, fault)

    do_HEAD = do_GET  # noqa: N815 (the name the base class asks for)

    def _route(self, request: Request, fault: Fault | None) -> None:
        parts = [part for part in request.path.split("/") if part]
        projects = self.index.projects()
        if parts == ["simple"]:
            links = "".join(f'<a href="{name}/">{name}</a>\n' for name in projects)
            self._send(200, links.encode(), "text/html", fault=fault)
        elif len(parts) == 2 and parts[0] == "simple" and parts[1] in projects:
            self._page(parts[1], projects[parts[1]], request, fault)
        elif len(parts) == 2 and parts[0] == "files":
            self._file(parts[1], request, fault)
        else:
            self._send(404, b"not here")

    def _page(self, project: str, files: list[Path], request: Request, fault: Fault | None) -> None:
        if JSON_TYPE in request.headers.get("accept", ""):
            entries = [
                {
                    "filename": path.name,
                    "url": f"../../files/{path.name}",
                    "hashes": {"sha256": self.index.digest(path)},
                    "size": path.stat().st_size,
                    "upload-time": datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(),
                    "core-metadata": path.suffix == ".whl",
                    "yanked": self.index.yanked.get(path.name, False),
                }
                for path in files
            ]
            page = {"meta": {"api-version": "1.1"}, "name": project, "files": entries}
            self._send(200, json.dumps(page).encode(), JSON_TYPE, fault=fault)
            return
        lines = []
        for path in files:
            name, metadata = (
                html.escape(path.name),
                ' data-core-metadata="true"' if path.suffix == ".whl" else "",
            )
            href = f"../../files/{name}#sha256={self.index.digest(path)}"
            lines.append(f'<a href="{href}"{metadata}>{name}</a><br>')
        body = "<!DOCTYPE html><html><body>\n" + "\n".join(lines) + "\n</body></html>"
        self._send(200, body.encode(), "text/html", fault=fault)

    def _file(self, name: str, request: Request, fault: Fault | None) -> None:
        path = self.index.folder / name
        wheel = path.with_name(name.removesuffix(".metadata"))
        if name.endswith(".metadata") and wheel.is_file():
            self._send(200, _metadata(wheel), "text/plain", fault=fault)
            return
        if not path.is_file():
            self._send(404, b"no such file")
            return
        body = path.read_bytes()
        begin = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        ranged = begin if fault is None or fault.kind != "norange" else None
        if ranged and int(ranged[1]) >= len(body):
            self._send(416, b"", extra={"Content-Range": f"bytes */{len(body)}"}, fault=fault)
        elif ranged:
            start = int(ranged[1])
            extra = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            self._send(206, body[start:], "application/octet-stream", extra, fault)
        else:
            self._send(200, body, "application/octet-stream", fault=fault)

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str = "text/plain",
        extra: dict[str, str] | None = None,
        fault: Fault | None = None,
    ) -> None:
        if fault is not None and fault.kind == "corrupt" and body:
            body = bytes([body[0] ^ 0xFF]) + body[1:]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        for name, value in (self.index.headers | (extra or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is not None and fault.kind == "truncate":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif fault is not None and fault.kind == "slow":
            for start in range(0, len(body), _PIECE):
                self.wfile.write(body[start : start + _PIECE])
                self.index.pause(fault.seconds)
        else:
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Requests are recorded, not printed."""


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name)


def main() -> None:
    """Serve until interrupted; the first line of output is the address of the index."""
    parser = argparse.ArgumentParser(description="Serve a folder of wheels as a package index.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    options = parser.parse_args()
    tls = (options.certificate, options.key) if options.certificate else None
    with Index(
        options.folder,
        address=options.address,
        port=options.port,
        user=options.user,
        password=options.password,
        tls=tls,
    ) as index:
        print(index.url, flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
