"""The mirror of the package index: it records from an index, serves from disk, and gives away nothing else."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

from bench.compare.mirror import pages, upstream
from bench.compare.mirror.process import mirror
from bench.compare.mirror.record import Record
from bench.compare.mirror.server import Server
from bench.compare.mirror.upstream import Upstream

JSON = "application/vnd.pypi.simple.v1+json"
WHEEL = "some_thing-1.0-py3-none-any.whl"


class Index(ThreadingHTTPServer):
    """A package index on loopback: answers by path, and the paths it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, tuple[bytes, str]] = {}
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, project: str, *wheels: Path, kind: str = JSON) -> None:
        """Add a project with wheels, their metadata beside them, addresses relative."""
        files = []
        for wheel in wheels:
            content, metadata = wheel.read_bytes(), metadata_of(wheel)
            known = {"sha256": hashlib.sha256(metadata).hexdigest()}
            files.append(
                {
                    "filename": wheel.name,
                    "url": f"../../packages/{wheel.name}",
                    "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
                    "requires-python": ">=3.8",
                    "core-metadata": known,
                }
            )
            self.files[f"/packages/{wheel.name}"] = content, "application/octet-stream"
            self.files[f"/packages/{wheel.name}.metadata"] = metadata, "application/octet-stream"
        page = {"meta": {"api-version": "1.1"}, "name": project, "files": files}
        body = pages.as_json(page) if kind == JSON else pages.as_html(page)
        self.files[f"/simple/{project}/"] = body, kind


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        index = cast("Index", self.server)
        index.asked.append(self.path)
        content, kind = index.files.get(self.path, (b"", ""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "max-age=77")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def make_wheel(folder: Path, name: str = WHEEL, requires: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    project, version = name.split("-")[:2]
    info = f"{project}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    members = {
        f"{project}.py": f"value = {version}\n",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path, text in members.items():
            archive.writestr(path, text)
    return folder / name


def metadata_of(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("METADATA")))


@dataclass
class Client:
    """A mirror and a client of it that sends paths as they are."""

    server: Server
    index: Index
    folder: Path
    headers: dict[str, str] = field(default_factory=dict)

    def record(self, on: bool = True) -> None:
        self.server.upstream = Upstream(f"{self.index.address}/simple") if on else None

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        with closing(connection), connection.getresponse() as answer:
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def client(index: Index, tmp_path: Path) -> Iterator[Client]:
    yield from serving(index, tmp_path / "record")


def serving(index: Index, folder: Path) -> Iterator[Client]:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = Server(listener, address, Record(folder))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield Client(server, index, folder)
    server.shutdown()
    server.server_close()


@pytest.fixture
def wheel(index: Index, tmp_path: Path) -> Path:
    made = make_wheel(tmp_path / "wheels")
    index.add("some-thing", made)
    return made


def test_what_was_recorded_is_served_without_the_index(client: Client, wheel: Path) -> None:
    client.record()
    status, headers, body = client.get("/simple/some-thing/", Accept=JSON)
    assert (status, headers["content-type"], headers["cache-control"]) == (200, JSON, "max-age=77")
    (file,) = json.loads(body)["files"]
    assert file["url"] == f"{client.server.address}/files/some-thing/{WHEEL}"
    assert file["requires-python"] == ">=3.8"
    assert client.get(f"/files/some-thing/{WHEEL}")[2] == wheel.read_bytes()
    metadata = client.get(f"/files/some-thing/{WHEEL}.metadata")[2]
    assert hashlib.sha256(metadata).hexdigest() == file["core-metadata"]["sha256"]
    asked = list(client.index.asked)
    client.record(False)
    for again in serving(client.index, client.folder):  # another process, later
        status, headers, served = again.get(f"/files/some-thing/{WHEEL}")
        assert served == wheel.read_bytes()
        assert headers["cache-control"] == "max-age=77"
        assert again.get(f"/files/some-thing/{WHEEL}.metadata")[2] == metadata
        assert again.get("/simple/some-thing/", Accept=JSON)[0] == 200
        assert again.server.missed() == []
    assert client.index.asked == asked


def test_what_is_missed_is_said(client: Client, wheel: Path) -> None:
    assert client.get("/simple/some-thing/")[0] == 404
    assert client.server.missed() == ["/simple/some-thing/"]
    client.record()
    assert client.get("/simple/some-thing/")[0] == 200
    assert client.get("/simple/no-such/")[0] == 404
    client.record(False)
    assert client.get(f"/files/some-thing/{WHEEL}")[0] == 404
    assert client.server.missed() == [f"/files/some-thing/{WHEEL}"]
    assert client.get("/simple/no-such/")[0] == 404
    assert client.get("/files/some-thing/some_thing-2.0-py3-none-any.whl")[0] == 404
    assert client.server.missed() == [], "the index does not have these either"


@pytest.mark.parametrize("kind", [JSON, "text/html"])
def test_both_formats_say_the_same(client: Client, tmp_path: Path, kind: str) -> None:
    client.index.add("some-thing", make_wheel(tmp_path / "wheels"), kind=kind)
    client.record()
    file = json.loads(client.get("/simple/some-thing/", Accept=JSON)[2])["files"][0]
    _, headers, body = client.get("/simple/some-thing/", Accept="text/html")
    assert headers["content-type"].startswith("text/html")
    page = pages.parse(body, headers["content-type"], client.server.address)
    assert page["files"] == [file]


def test_pages_are_packed_and_known_again(client: Client, wheel: Path) -> None:
    client.record()
    _, plain, body = client.get("/simple/some-thing/", Accept=JSON)
    _, packed, content = client.get("/simple/some-thing/", Accept=JSON, Accept_Encoding="gzip, br")
    assert packed["content-encoding"] == "gzip"
    assert gzip.decompress(content) == body
    status, _, nothing = client.get("/simple/some-thing/", Accept=JSON, If_None_Match=plain["etag"])
    assert (status, nothing) == (304, b"")
    status, headers, nothing = client.get("/simple/some-thing/", "HEAD", Accept=JSON)
    assert (status, headers["content-length"], nothing) == (200, str(len(body)), b"")


def test_names_lead_to_the_normalized_one(client: Client, wheel: Path) -> None:
    for name in ("Some_Thing/", "some.thing", "some-thing"):
        status, headers, _ = client.get(f"/simple/{name}")
        assert (status, headers["location"]) == (301, "/simple/some-thing/")


@pytest.mark.parametrize(
    ("given", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=5-99999999", 206, slice(5, None)),
        ("bytes=-99999999", 206, slice(None)),
        ("bytes=1-2,4-5", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_ranges(client: Client, wheel: Path, given: str, status: int, part: slice) -> None:
    client.record()
    content = wheel.read_bytes()
    found, headers, body = client.get(f"/files/some-thing/{WHEEL}", Range=given)
    assert (found, body) == (status, content[part])
    if status == 206:
        first, last, _ = part.indices(len(content))
        assert headers["content-range"] == f"bytes {first}-{last - 1}/{len(content)}"
    assert headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("given", ["bytes=99999999-", "bytes=-", "bytes=9-3", "bytes=-0"])
def test_ranges_that_are_not_there(client: Client, wheel: Path, given: str) -> None:
    client.record()
    status, headers, _ = client.get(f"/files/some-thing/{WHEEL}", Range=given)
    assert (status, headers["content-range"]) == (416, f"bytes */{wheel.stat().st_size}")


def test_a_file_with_another_hash_is_not_kept(client: Client, wheel: Path) -> None:
    client.index.files[f"/packages/{WHEEL}"] = b"something else", "application/octet-stream"
    client.index.files[f"/packages/{WHEEL}.metadata"] = b"Name: other", "application/octet-stream"
    client.record()
    for name in (WHEEL, f"{WHEEL}.metadata"):
        status, _, said = client.get(f"/files/some-thing/{name}")
        assert status == 502
        assert b"has not the hash" in said
    assert sorted(path.name for path in client.folder.rglob("*")) == ["page.json", "some-thing"]


@pytest.mark.parametrize(
    "path",
    [
        "/files/some-thing/../../secret.whl",
        "/files/some-thing/..%2F..%2Fsecret.whl",
        "/files/../secret.whl",
        "/files/%2e%2e/secret.whl",
        "/files/some-thing/%2Fetc%2Fpasswd",
        "/files//etc/passwd",
        "/simple/../../secret.whl",
        "/simple/%2e%2e/",
        "/simple/..%2fx/",
        "/files/some-thing/page.json",
        f"/files/some-thing/{WHEEL}.headers",
        "/files/some-thing/.hidden",
        "/files/some-thing/a%00b.whl",
        "/",
        "//",
        "/simple/",
    ],
)
@pytest.mark.parametrize("on", [True, False])
def test_nothing_else_is_given_away(client: Client, wheel: Path, path: str, on: bool) -> None:
    client.record()
    client.get(f"/files/some-thing/{WHEEL}")
    client.record(on)
    (client.folder.parent / "secret.whl").write_text("secret")
    before = sorted(client.folder.parent.rglob("*"))
    asked = len(client.index.asked)
    status, _, body = client.get(path)
    assert status == 404
    assert b"secret" not in body.replace(b"secret.whl", b"")
    assert sorted(client.folder.parent.rglob("*")) == before
    assert len(client.index.asked) == asked


def test_a_page_with_a_hostile_file_name(client: Client, wheel: Path) -> None:
    page = {"files": [{"filename": "../../evil.whl", "url": "x", "hashes": {}}]}
    client.index.files["/simple/evil/"] = json.dumps(page).encode(), JSON
    client.record()
    assert json.loads(client.get("/simple/evil/", Accept=JSON)[2])["files"] == []


def test_an_index_that_answers_nonsense(client: Client) -> None:
    client.index.files["/simple/odd/"] = b"{", JSON
    client.record()
    assert client.get("/simple/odd/")[0] == 502
    client.index.files["/simple/odd/"] = b'{"files": []}', JSON
    assert client.get("/simple/odd/")[0] == 200, "what failed was not kept"


def install(client: str, address: str, target: Path, *wanted: str) -> subprocess.CompletedProcess[str]:
    """Install with uv or pip from an index alone, with nothing cached and no settings of this machine."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    program = {
        "uv": [str(Path(sys.executable).parent / "uv"), "pip", "install", "--no-cache", "--default-index"],
        "pip": [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--index-url"],
    }[client]
    argv = [*program, address, "--target", str(target), *wanted]
    return subprocess.run(argv, capture_output=True, text=True, env=environ)


@pytest.mark.parametrize("program", ["uv", "pip"])
def test_clients_install(client: Client, wheel: Path, tmp_path: Path, program: str) -> None:
    client.index.add("other", make_wheel(tmp_path / "wheels", "other-2.0-py3-none-any.whl", "Some.Thing>=1"))
    address = f"{client.server.address}/simple/"
    client.record()
    first = install(program, address, tmp_path / "first", "other")
    assert first.returncode == 0, first.stderr
    client.record(False)
    asked = len(client.index.asked)
    done = install(program, address, tmp_path / "second", "other")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "second/some_thing.py").read_text() == "value = 1.0\n"
    assert client.server.missed() == []
    assert len(client.index.asked) == asked
    failed = install(program, address, tmp_path / "third", "unknown-thing")
    assert failed.returncode != 0
    assert "/simple/unknown-thing/" in client.server.missed()


def test_a_wheel_of_this_machine(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheel: Path
) -> None:
    """The page holds just the wheel that pip finds by its own settings, here a folder; the index has another."""
    local = make_wheel(tmp_path / "here", "some_thing-1.0+cpu-py3-none-any.whl")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(local.parent))
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.address}/simple/")
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.address}/simple/")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with mirror(tmp_path / "record", address) as made:
        made.record()
        made.local("some-thing==1.0")
        local.unlink()
        made.local("some-thing==1.0")  # it is there already
        with pytest.raises(RuntimeError, match="no-such-thing"):
            made.local("no-such-thing==1")
        made.serve()
        done = install("uv", made.index, tmp_path / "target", "some-thing")
        assert done.returncode == 0, done.stderr
        assert "some-thing==1.0+cpu" in done.stderr
        assert made.missed() == []
    page = json.loads((tmp_path / "record/some-thing/page.json").read_text())["page"]
    kept = tmp_path / "record/some-thing" / local.name
    (file,) = page["files"]
    assert file["hashes"]["sha256"] == hashlib.sha256(kept.read_bytes()).hexdigest()
    assert file["core-metadata"]["sha256"] == hashlib.sha256(metadata_of(kept)).hexdigest()


def test_the_index_is_the_users(tmp_path: Path) -> None:
    one, other = "http://one.invalid/simple", "http://other.invalid/simple"
    assert upstream.find({"PIP_INDEX_URL": other, "UV_DEFAULT_INDEX": one}) == one
    assert upstream.find({"PIP_INDEX_URL": other}) == other
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nindex-url = {other}\n")
    assert upstream.find({"PIP_CONFIG_FILE": str(settings)}) == other
    assert upstream.find({"PIP_CONFIG_FILE": os.devnull}).startswith("https://")


def test_user_and_password_go_to_the_index_alone() -> None:
    index = Upstream("https://me:pass%40word@index.invalid/simple/")
    assert index._login("https://index.invalid/simple/a/") == {"Authorization": "Basic bWU6cGFzc0B3b3Jk"}
    assert index._login("https://files.invalid/a.whl") == {}
    assert index.project("a") == "https://me:pass%40word@index.invalid/simple/a/"


def test_a_mirror_that_ended_is_said(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(RuntimeError, match="mirror"),
        mirror(tmp_path, f"127.0.0.1:{taken.getsockname()[1]}"),
    ):
        pass
