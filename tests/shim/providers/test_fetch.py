"""Fetching from an index that misbehaves: what heals by itself does, the rest ends with a clear message."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import subprocess
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cirfile import manifest as manifests
from cirfile.lock import Artifact, Lock
from cirfile.manifest import Manifest, Requirement
from shim.errors import ShimError
from shim.provider import Choice
from shim.providers.pypi import address, ahead, client, pages, sink
from shim.providers.pypi.access import Access
from shim.providers.pypi.address import parse
from shim.providers.pypi.ahead import Placed
from shim.providers.pypi.cache import Cache
from shim.providers.pypi.fetch import Fetcher
from shim.providers.pypi.selection import select
from shim.providers.pypi.unpack import Unpacker
from tests.shim.providers.support import Recorded, assemble, fill, lock_of, serve, workplace
from tests.support.index import Fault, Index, make_certificate
from tests.support.proxy import Proxy
from tests.support.wheels import Wheel, sha256

#: Does not compress, so that the archive has more than one piece.
NOISE = os.urandom(300_000)
DEMO = Wheel("demo", files={"demo/__init__.py": "", "demo/noise.bin": NOISE})
OTHER = Wheel("other", files={"other.py": ""})
FILE = f"/files/{DEMO.filename}"


@pytest.fixture(autouse=True)
def _all_are_unpacked_while_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "LARGE", 1)


def installed(folder: Path) -> bool:
    return next((folder / "layer").rglob("noise.bin")).read_bytes() == NOISE


def nothing_kept(folder: Path) -> bool:
    cache = folder / "cache"
    return not any(path for path in cache.rglob("*") if path.is_file() and path.stat().st_size)


def failure(index: Index, wheels: list[Path], folder: Path, **changes: object) -> ShimError:
    with pytest.raises(ShimError) as caught:
        assemble(index, wheels, workplace(folder, **changes))
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("in_memory", [0, sink.IN_MEMORY])
def test_a_wheel_is_unpacked_while_it_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    taken: list[str] = []

    def take_over(self: Unpacker, placed: Placed, *others: Any) -> bool:
        taken.append(placed.member.name)
        return genuine(self, placed, *others)

    genuine = Unpacker._take_over
    monkeypatch.setattr(Unpacker, "_take_over", take_over)
    monkeypatch.setattr(sink, "IN_MEMORY", in_memory)
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(tmp_path))
    assert installed(tmp_path)
    assert sorted(taken) == sorted(DEMO.files)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", 1, 503, retry_after="1"),
        Fault("status", 2, 502),
        Fault("status", 1, 429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
        Fault("truncate", 2),
        Fault("close", 2),
        Fault("slow", 1, seconds=0.05),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_passing_faults_heal(tmp_path: Path, fault: Fault) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        index.fail(FILE, fault)
        assemble(index, wheels, workplace(tmp_path))
        if fault.retry_after == "1":
            assert index.counts()[FILE] == 2
    assert installed(tmp_path)


def test_any_number_of_breaks_heals_while_something_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each break is followed by half of what is left; and in between nothing answers for a moment."""
    monkeypatch.setattr(Fetcher, "_pause", lambda _self, _seconds: None)
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        for _ in range(5):
            index.fail(FILE, Fault("truncate", 2))
            index.fail(FILE, Fault("status", 1, 503))
        assemble(index, wheels, workplace(tmp_path))
    assert installed(tmp_path)


def test_a_server_that_always_breaks_at_the_same_place_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ignores ranges, so that each attempt begins anew and comes no further than the one before."""
    monkeypatch.setattr(Fetcher, "_pause", lambda _self, _seconds: None)
    monkeypatch.setattr(sink, "IN_MEMORY", 0)
    asked: list[str] = []
    data = os.urandom(400_000)

    class Breaking(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: 100_000 + 100_000 * (len(asked) % 2)])

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        wheels = serve(tmp_path / "index", DEMO)
        (tmp_path / "index" / DEMO.filename).write_bytes(data)
        selection = select(
            lock_of(wheels, f"http://127.0.0.1:{server.server_port}"), workplace(tmp_path).facts
        )
        with pytest.raises(ShimError, match="broke off"):
            fill(selection, workplace(tmp_path))
        server.shutdown()
    assert len(asked) < 20


def test_an_index_of_the_deployment_does_not_stand_in_the_way_of_the_locks(tmp_path: Path) -> None:
    """It lists the file, and does not give it away."""
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as theirs, Index(tmp_path / "index") as ours:
        ours.fail(FILE, Fault("status", -1, 403))
        environment = {"UV_INDEX": ours.url, "HOME": str(tmp_path)}
        assemble(theirs, wheels, workplace(tmp_path, environment=environment), private=theirs.url)
        assert ours.counts()[FILE] == 1
    assert installed(tmp_path)


def test_a_connection_that_the_server_closes_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the patience for answers, not that for connections."""
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.3)
    asked: list[str] = []

    class Closing(BaseHTTPRequestHandler):
        """HTTP/1.0: a connection for each request; and each answer takes a while."""

        def do_GET(self) -> None:
            asked.append(self.path)
            time.sleep(0.6)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Closing) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        got = client.Client(Access({"HOME": str(tmp_path)}, ()))
        for name in ("1", "2"):
            answer = got.get(parse(f"http://127.0.0.1:{server.server_port}/{name}"))
            assert answer.whole(100) == b"ok"
        got.close()
        server.shutdown()
    assert asked == ["/1", "/2"]


def test_a_broken_download_goes_on_where_it_broke(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        index.fail(FILE, Fault("truncate", 1))
        assemble(index, wheels, workplace(tmp_path))
        ranges = [request.headers.get("range") for request in index.requests]
    assert ranges == [None, f"bytes={wheels[0].stat().st_size // 2}-"]
    assert installed(tmp_path)


def test_a_server_without_ranges_is_asked_for_the_whole_again(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        index.fail(FILE, Fault("truncate", 1))
        index.fail(FILE, Fault("norange"))
        assemble(index, wheels, workplace(tmp_path))
    assert installed(tmp_path)


def test_a_disk_that_fills_up_while_fetching(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was fetched is kept, and the next start with more room goes on from there."""
    monkeypatch.setattr(sink, "IN_MEMORY", 1 << 20)
    noise = random.Random(0)
    large = Wheel("demo", files={f"demo/large{number}.bin": noise.randbytes(1 << 20) for number in range(12)})
    wheels = serve(tmp_path / "index", large)
    with Index(tmp_path / "index") as index:
        with pytest.raises(OSError, match="No space left"):
            assemble(index, wheels, workplace(small_disk))
        subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
        assemble(index, wheels, workplace(small_disk))
        ranges = [request.headers.get("range", "") for request in index.requests]
    assert list(small_disk.glob("layer/lib/*/site-packages/demo/large11.bin"))
    assert ranges[0] == ""
    assert int(ranges[1].removeprefix("bytes=").rstrip("-")) > 2 << 20


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        index.fail(FILE, Fault("status", 1, 503, retry_after="2"))
        began = time.monotonic()
        assemble(index, wheels, workplace(tmp_path))
    assert time.monotonic() - began >= 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("status", status=404), ("cannot be found", "404")),
        (Fault("status", status=403), ("403",)),
        (Fault("status", status=401), ("401",)),
        (Fault("status", status=400), ("400",)),
        (Fault("status", status=503, retry_after="3600"), ("503",)),
        (Fault("corrupt"), ("does not have the SHA-256", "nothing of it was kept")),
        (Fault("status", status=302, location="http://127.0.0.1:1/x"), ("cannot be reached", "127.0.0.1:1")),
        (Fault("status", status=302, location=FILE), ("redirects",)),
        (Fault("status", status=302, location="file:///etc/passwd"), ("redirects", "cannot be used")),
    ],
    ids=lambda value: value.kind + str(value.status) if isinstance(value, Fault) else "",
)
def test_lasting_faults_end_with_a_message(tmp_path: Path, fault: Fault, words: tuple[str, ...]) -> None:
    wheels = serve(tmp_path / "index", DEMO, OTHER)
    with Index(tmp_path / "index") as index:
        index.fail(FILE, fault)
        error = failure(index, wheels[:1], tmp_path)
    assert error.code == 69
    assert all(word in error.message for word in words), error.message
    assert DEMO.filename in error.message or "redirects" in error.message
    assert nothing_kept(tmp_path)


def test_a_longer_file_is_refused(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        place = workplace(tmp_path)
        selection = select(lock_of(wheels, index.root), place.facts)
        with wheels[0].open("ab") as stream:
            stream.write(b"more")
        with pytest.raises(ShimError, match="longer than the lock says"):
            fill(selection, place)


def test_an_improper_wheel_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", Wheel("demo", files={"../evil": ""}))
    with Index(tmp_path / "index") as index:
        error = failure(index, wheels, tmp_path)
    assert error.code == 69
    assert "demo-1.0-py3-none-any.whl is not a proper wheel" in error.message
    assert nothing_kept(tmp_path)


def test_a_silent_server_is_named_within_seconds(tmp_path: Path) -> None:
    """Nothing listens: the message names host, way and what to do."""
    wheels = serve(tmp_path / "index", DEMO)
    index = Index(tmp_path / "index")
    index.stop()
    began = time.monotonic()
    error = failure(index, wheels, tmp_path)
    assert time.monotonic() - began < 10
    assert error.code == 69
    assert f"127.0.0.1:{index.port}" in error.message
    assert "no proxy" in error.message
    assert "UV_DEFAULT_INDEX" in error.hint


def test_an_unknown_host_is_named(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index", address="127.0.0.1") as index:
        index.address = "no-such-host.invalid"
        error = failure(index, wheels, tmp_path)
    assert "no-such-host.invalid" in error.message


def test_the_deadline_ends_a_hanging_download(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    end = time.monotonic() + 1

    def check() -> None:
        if time.monotonic() > end:
            raise ShimError(75, "the deadline has passed", "try again")

    with Index(tmp_path / "index") as index:
        index.fail(FILE, Fault("hang", seconds=30))
        error = failure(index, wheels, tmp_path, check=check)
    assert error.code == 75
    assert time.monotonic() < end + 4


def test_offline_says_what_is_missing(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO, OTHER)
    with Index(tmp_path / "index") as index:
        assemble(index, wheels[1:], workplace(tmp_path))
        before = len(index.requests)
        error = failure(index, wheels, tmp_path, offline=True)
        assert len(index.requests) == before
    assert error.code == 69
    assert "demo 1.0" in error.message
    assert "other" not in error.message


def test_offline_is_enough_with_a_filled_cache(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(tmp_path))
        assemble(index, wheels, workplace(tmp_path / "..", cache=tmp_path / "cache", offline=True))
        assert index.counts()[FILE] == 1


def test_connections_are_kept(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", *(Wheel(f"p{number}") for number in range(40)))
    with Index(tmp_path / "index") as index:
        ports = set()
        accept = index._server.get_request

        def counting() -> object:
            request = accept()
            ports.add(request[1])
            return request

        index._server.get_request = counting  # type: ignore[method-assign, assignment]
        assemble(index, wheels, workplace(tmp_path))
    assert len(ports) <= 6


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every download goes through a file, as large ones do."""
    monkeypatch.setattr(sink, "IN_MEMORY", 0)


@pytest.mark.parametrize(
    ("value", "seconds"), [("2", 2.0), (" 2 ", 2.0), ("\u00b2", 0.0), ("", 0.0), ("x", 0.0)]
)
def test_retry_after_is_read(value: str, seconds: float) -> None:
    assert client._wait(value) == seconds


@pytest.mark.parametrize(
    ("value", "first"), [("bytes 5-9/10", 5), ("bytes \u00b2-9/10", 0), ("bytes */10", 0), ("", 0)]
)
def test_content_range_is_read(value: str, first: int) -> None:
    assert client._range_start(value) == first


@pytest.mark.parametrize("host", ["pypi..example.com", ".example.com", "x" * 64 + ".example.com"])
def test_a_name_that_no_host_can_have_is_no_address(host: str) -> None:
    with pytest.raises(ValueError, match="is no name of a host"):
        address.parse(f"https://{host}/simple")
    assert address.parse("https://example.com./simple").host == "example.com."


def test_a_page_that_the_parser_of_html_gives_up_is_no_fault_of_the_shim() -> None:
    choice = Choice("demo", "1.0", Artifact("demo.whl", "http://index/demo.whl", "0" * 64, 10))
    with pytest.raises(ValueError, match="HTML cannot be read"):
        pages.find(b"<![foo[x]]>", "text/html", address.parse("http://index/simple/demo/"), choice)


@pytest.mark.usefixtures("small_memory")
class TestLargeFiles:
    def test_they_are_fetched_and_not_kept(self, tmp_path: Path) -> None:
        wheels = serve(tmp_path / "index", DEMO)
        with Index(tmp_path / "index") as index:
            index.fail(FILE, Fault("truncate", 1))
            assemble(index, wheels, workplace(tmp_path))
        assert installed(tmp_path)
        assert not list((tmp_path / "cache/partial").iterdir())

    def test_the_next_start_goes_on(self, tmp_path: Path) -> None:
        wheels = serve(tmp_path / "index", DEMO)
        with Index(tmp_path / "index") as index:
            index.fail(FILE, Fault("truncate", 1))
            index.fail(FILE, Fault("status", 1, 400))
            failure(index, wheels, tmp_path)
            assemble(index, wheels, workplace(tmp_path))
            ranges = [request.headers.get("range") for request in index.requests]
        half = f"bytes={wheels[0].stat().st_size // 2}-"
        assert ranges == [None, half, half]
        assert installed(tmp_path)

    @pytest.mark.parametrize("left", [b"wrong bytes", b"x" * 1_000_000])
    def test_a_wrong_beginning_is_thrown_away(self, tmp_path: Path, left: bytes) -> None:
        wheels = serve(tmp_path / "index", DEMO)
        Cache(tmp_path / "cache").partial(sha256(wheels[0])).write_bytes(left)
        with Index(tmp_path / "index") as index:
            assemble(index, wheels, workplace(tmp_path))
        assert installed(tmp_path)

    @pytest.mark.parametrize("known", [True, False])
    @pytest.mark.parametrize("more", [0, 10])
    def test_what_is_as_long_as_the_whole_and_wrong_is_thrown_away(
        self, tmp_path: Path, more: int, known: bool
    ) -> None:
        """As after a power cut: the size was kept, the content was not."""
        (wheel,) = serve(tmp_path / "index", DEMO)
        size = wheel.stat().st_size
        Cache(tmp_path / "cache").partial(sha256(wheel)).write_bytes(bytes(size + more))
        with Index(tmp_path / "index") as index:
            (component,) = lock_of([wheel], index.root).components
            artifacts = tuple(replace(each, size=size if known else 0) for each in component.artifacts)
            place = workplace(tmp_path)
            lock = Lock("pypi", (replace(component, artifacts=artifacts),))
            fill(select(lock, place.facts), place)
            ranges = [request.headers.get("range") for request in index.requests]
        assert ranges == ([None] if known else [f"bytes={size + more}-", None])
        assert installed(tmp_path)
        assert not list((tmp_path / "cache/partial").iterdir())

    def test_hosts_that_do_not_see_each_others_locks_use_files_of_their_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        choice = Choice("demo", "1.0", Artifact("demo.whl", "http://index/demo.whl", "0" * 64, 0))
        monkeypatch.setattr(fcntl, "flock", lambda _handle, _operation: None)
        one, two = Cache(tmp_path), Cache(tmp_path)
        two._boot = "another host"
        with sink.open_sink(choice, one) as first, sink.open_sink(choice, two) as second:
            first.room()[:4] = b"good"
            first.took(4)
            second.room()[:4] = b"evil"
            second.took(4)
            second.reset()
            assert bytes(first.data()) == b"good"

    def test_the_beginning_that_another_user_left_is_no_obstacle(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wheels = serve(tmp_path / "index", DEMO)
        left = Cache(tmp_path / "cache").partial(sha256(wheels[0]))
        left.write_bytes(b"of another user")
        really = os.open

        def denied(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
            if path == left and flags & os.O_RDWR:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return really(path, flags, mode, **more)

        monkeypatch.setattr(os, "open", denied)
        with Index(tmp_path / "index") as index:
            assemble(index, wheels, workplace(tmp_path))
        assert installed(tmp_path)
        assert left.read_bytes() == b"of another user"

    def test_beginnings_that_nobody_went_on_with_are_swept(self, tmp_path: Path) -> None:
        cache = Cache(tmp_path)
        old, new = cache.partial("0" * 64), cache.partial("1" * 64)
        for path in (old, new):
            path.touch()
        os.utime(old, (0, 0))
        cache.sweep()
        assert not old.exists()
        assert new.exists()

    def test_no_room_while_another_process_fetches_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second file cannot be made: that is said, and no handle is closed twice."""
        choice = Choice("demo", "1.0", Artifact("demo.whl", "http://index/demo.whl", "0" * 64, 10))
        really = os.open

        def full(path: Path, flags: int, mode: int = 0o777) -> int:
            if flags & os.O_EXCL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return really(path, flags, mode)

        with sink.open_sink(choice, Cache(tmp_path)), monkeypatch.context() as patched:
            patched.setattr(os, "open", full)
            with pytest.raises(OSError, match="No space") as caught, sink.open_sink(choice, Cache(tmp_path)):
                pass
        assert caught.value.errno == errno.ENOSPC


def test_basic_auth_from_netrc(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    secrets = tmp_path / "netrc"
    secrets.write_text("machine 127.0.0.1 login me password s3cret\n")
    with Index(tmp_path / "index", user="me", password="s3cret") as index:
        error = failure(index, wheels, tmp_path)
        assert "401" in error.message
        assert "netrc" in error.hint
        environment = {"NETRC": str(secrets)}
        assemble(index, wheels, workplace(tmp_path, environment=environment))
        secrets.write_text("machine 127.0.0.1 login me password wrong-s3cret\n")
        error = failure(index, wheels, tmp_path / "again", environment=environment)
        assert "s3cret" not in error.message + error.hint


def test_a_broken_netrc_is_said_without_its_contents(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    (tmp_path / "netrc").write_text("machine x login y pass s3cret word\n")
    environment = {"NETRC": str(tmp_path / "netrc")}
    with Index(tmp_path / "index", user="u", password="p") as index:
        error = failure(index, wheels, tmp_path, environment=environment)
    assert "netrc cannot be read: line 1" in error.hint
    assert "s3cret" not in error.message + error.hint
    with Index(tmp_path / "index") as index:  # which asks for no login
        assemble(index, wheels, workplace(tmp_path / "2", environment=environment))


def test_redirects_do_not_carry_credentials_to_another_server(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as store, Index(tmp_path / "index", user="u", password="p") as index:
        index.fail(FILE, Fault("status", status=302, location=store.file_url(DEMO.filename)))
        environment = {"UV_INDEX": index.url.replace("://", "://u:p@")}
        assemble(index, wheels, workplace(tmp_path, environment=environment), private=index.url)
        assert {request.headers.get("authorization") is None for request in index.requests} == {False}
        assert [request.headers.get("authorization") for request in store.requests] == [None]
    assert installed(tmp_path)


def test_two_indexes_of_one_server_have_their_own_logins(tmp_path: Path) -> None:
    """As the projects of a GitLab have; the files of each lie below it, or anywhere."""
    near = Access({}, tuple(parse(f"https://{u}:p@git.test/projects/{u}/simple") for u in ("a", "b")))
    assert near.credentials(parse("https://git.test/projects/a/files/x.whl")) == ("a", "p")
    assert near.credentials(parse("https://git.test/projects/b/files/x.whl?x=/projects/a")) == ("b", "p")
    assert near.credentials(parse("https://other.test/projects/a/simple")) is None
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index", user="u", password="p") as index:
        whole = index.url.replace("://", "://u:p@")
        other = index.url.replace("://", "://u:wrong@").replace("simple", "else/simple")
        environment = {"UV_DEFAULT_INDEX": whole, "UV_INDEX": other}
        assemble(index, wheels, workplace(tmp_path, environment=environment))


@pytest.mark.parametrize("fault", [Fault("status", status=403), Fault("status", status=503), Fault("close")])
def test_an_extra_index_that_fails_does_not_stop_what_the_lock_has_elsewhere(
    tmp_path: Path, fault: Fault
) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as origin, Index(tmp_path / "index") as extra:
        extra.fail("/simple/demo/", fault)
        environment = {"UV_INDEX": extra.url}
        assemble(origin, wheels, workplace(tmp_path, environment=environment), private=origin.url)
        assert len(origin.requests) == 1
        if fault.status == 403:  # at once; others are tried again for a while
            error = failure(origin, wheels, tmp_path / "2", environment={"UV_DEFAULT_INDEX": extra.url})
            assert error.code == 69, "one that takes the place of the lock's does"


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"])
@pytest.mark.parametrize("accept", ["json", "html"])
def test_a_mirror_replaces_the_default_index(
    tmp_path: Path, variable: str, accept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shim.providers.pypi import pages

    if accept == "html":
        monkeypatch.setattr(pages, "ACCEPT", "text/html")
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as origin, Index(tmp_path / "index") as mirror:
        assemble(origin, wheels, workplace(tmp_path, environment={variable: mirror.url}))
        assert not origin.requests
        assert mirror.counts() == {"/simple/demo/": 1, FILE: 1}


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_index_of_the_lock_is_not_asked_where_its_files_are(tmp_path: Path, slash: str) -> None:
    """Built and run with the same mirror: pages of projects may have megabytes, and the lock says all of it."""
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        url = index.url.rstrip("/")
        manifest = Manifest(
            requirements=(Requirement("pypi", "demo"),), indexes=(manifests.Index("pypi", url, "default"),)
        )
        place = workplace(tmp_path, manifest=manifest, environment={"UV_DEFAULT_INDEX": url + slash})
        assemble(index, wheels, place, private=url)
        assert index.counts() == {FILE: 1}


def test_a_mirror_with_another_file_of_that_name_is_not_used(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    serve(tmp_path / "mirror", Wheel("demo", files={"changed.py": ""}))
    with Index(tmp_path / "index") as origin, Index(tmp_path / "mirror") as mirror:
        error = failure(origin, wheels, tmp_path, environment={"UV_DEFAULT_INDEX": mirror.url})
        assert not origin.requests
    assert "does not list it with this SHA-256" in error.message


def test_an_extra_index_goes_before_a_private_one_and_after_the_default(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as origin, Index(tmp_path / "index") as extra:
        environment = {"UV_INDEX": f"corp={extra.url}"}
        assemble(origin, wheels, workplace(tmp_path / "1", environment=environment))
        assert (len(origin.requests), len(extra.requests)) == (1, 0)
        assemble(origin, wheels, workplace(tmp_path / "2", environment=environment), private=origin.url)
        assert (len(origin.requests), len(extra.requests)) == (1, 2)
        origin.fail(FILE, Fault("status", status=404))
        assemble(origin, wheels, workplace(tmp_path / "3", environment=environment))
        assert (len(origin.requests), len(extra.requests)) == (2, 4)


def test_named_indexes_take_credentials_from_the_environment(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index", user="u", password="p") as index:
        environment = {"UV_DEFAULT_INDEX": f"my-corp={index.url}"}
        environment |= {"UV_INDEX_MY_CORP_USERNAME": "u", "UV_INDEX_MY_CORP_PASSWORD": "p"}
        assemble(index, wheels, workplace(tmp_path, environment=environment))
    assert installed(tmp_path)


@pytest.mark.parametrize(
    "value", ["not an address", "ftp://user:s3cret@host/simple", "http://user:s3cret@[::1/x"]
)
def test_an_unusable_index_setting_is_a_usage_error_without_its_secrets(tmp_path: Path, value: str) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        error = failure(index, wheels, tmp_path, environment={"UV_DEFAULT_INDEX": value})
    assert error.code == 64
    assert "UV_DEFAULT_INDEX" in error.message
    assert "s3cret" not in error.message + error.hint


@pytest.mark.parametrize("user", ["", "me"])
def test_proxies_carry_plain_and_encrypted_requests(tmp_path: Path, user: str) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    certificate = make_certificate(tmp_path, "127.0.0.1")
    trust = {"SSL_CERT_FILE": str(certificate.ca)}
    with Proxy(user, "s3cret" if user else "") as proxy:
        environment = {"http_proxy": proxy.url, "HTTPS_PROXY": proxy.url, **trust}
        with Index(tmp_path / "index") as index:
            assemble(index, wheels, workplace(tmp_path / "1", environment=environment))
            assert proxy.requests == [f"GET {index.file_url(DEMO.filename)}"]
            around = {**environment, "no_proxy": "localhost, 127.0.0.0/8"}
            assemble(index, wheels, workplace(tmp_path / "2", environment=around))
            assert len(proxy.requests) == 1
        with Index(tmp_path / "index", tls=certificate.pair) as index:
            assemble(index, wheels, workplace(tmp_path / "3", environment=environment))
            assert proxy.requests[1:] == [f"CONNECT 127.0.0.1:{index.port}"]
            assert installed(tmp_path / "3")
    error = failure(index, wheels, tmp_path / "4", environment=environment)
    assert proxy.authority in error.message
    assert "s3cret" not in error.message + error.hint


def test_an_untrusted_certificate_is_explained_and_a_bundle_helps(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO)
    certificate = make_certificate(tmp_path, "127.0.0.1")
    with Index(tmp_path / "index", tls=certificate.pair) as index:
        error = failure(index, wheels, tmp_path, environment={})
        assert error.code == 69
        assert "is not trusted" in error.message
        assert "SSL_CERT_FILE" in error.hint
        assemble(index, wheels, workplace(tmp_path, environment={"SSL_CERT_FILE": str(certificate.ca)}))
    assert installed(tmp_path)


def test_progress_counts_the_bytes(tmp_path: Path) -> None:
    wheels = serve(tmp_path / "index", DEMO, OTHER)
    progress = Recorded()
    with Index(tmp_path / "index") as index:
        assemble(index, wheels, workplace(tmp_path, progress=progress))
    assert progress.bytes == sum(wheel.stat().st_size for wheel in wheels)
    assert progress.phases[0] == "fetch"
    assert not progress.notes
