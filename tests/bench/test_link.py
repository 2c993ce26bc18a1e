"""A link in real network namespaces: its rates come out, containers reach what is behind it, nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.compare.link import Link, link
from bench.compare.mirror.process import mirror
from devtools import paths
from devtools.engines.api import Engines

pytestmark = pytest.mark.engines

#: Ethernet's, IP's and TCP's headers beside what a packet of 1500 bytes carries.
_WIRE = 1514 / 1448


@pytest.fixture(scope="module")
def engines() -> Engines:
    return Engines.ensure()


@contextmanager
def up(engines: Engines) -> Iterator[Link]:
    instance = engines.instance
    with link(engines.command([]), instance.link_interface, *instance.link) as made:
        yield made


@contextmanager
def served(made: Link, folder: Path) -> Iterator[str]:
    """Serve a folder at the far end."""
    argv = ["python3", "-m", "http.server", "-d", str(folder), "--bind", made.far, "8080"]
    with subprocess.Popen(
        made.behind(*argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        address = f"http://{made.far}:8080"
        for _ in range(100):
            try:
                urllib.request.urlopen(address, timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
        process.terminate()


def mbit(address: str, size: int) -> float:
    """Mbit/s on the wire of a download, after its first megabyte."""
    with urllib.request.urlopen(address, timeout=30) as answer:
        answer.read(1 << 20)
        start = time.perf_counter()
        got = 0
        while got < size:
            got += len(answer.read(1 << 18))
        return got * 8 / (time.perf_counter() - start) / 1e6 * _WIRE


def test_the_rates_come_out(engines: Engines, tmp_path: Path) -> None:
    """Within five percent; the machine may be too busy once, but is never faster than the link."""
    folder = paths.cache() / "tmp" / f"link-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        with (folder / "file").open("wb") as file:
            file.truncate(400_000_000)
        with up(engines) as made, served(made, folder) as address:
            for rate, size in ((100, 12_000_000), (500, 60_000_000)):
                made.shape(rate)
                found = [mbit(f"{address}/file", size) for _ in range(4)]
                assert max(found) < rate * 1.05, (rate, found)
                assert max(found) > rate * 0.95, (rate, found)
            made.shape(0)
            assert max(mbit(f"{address}/file", 300_000_000) for _ in range(3)) > 1500
    finally:
        (folder / "file").unlink()
        folder.rmdir()


def test_one_at_a_time(engines: Engines) -> None:
    """A second one is refused, and the first one goes on."""
    with up(engines) as made:
        with pytest.raises(RuntimeError, match="is in use"), up(engines):
            pass
        made.shape(100)
    with up(engines) as made:
        made.shape(100)


def test_the_other_direction_has_the_rate_too(engines: Engines) -> None:
    receiver = (
        "import socket, sys, time; s = socket.create_server((sys.argv[1], 8081)); c = s.accept()[0]\n"
        "n = len(c.recv(1 << 20)); t = time.perf_counter()\n"
        "while d := c.recv(1 << 20): n += len(d)\n"
        "print(n * 8 / (time.perf_counter() - t) / 1e6)"
    )
    sender = (
        "import socket, sys, time\n"
        "for _ in range(50):\n"
        "    try: c = socket.create_connection((sys.argv[1], 8081)); break\n"
        "    except OSError: time.sleep(.1)\n"
        "c.sendall(bytes(10_000_000)); c.close()"
    )
    with up(engines) as made:
        made.shape(100)
        argv = made.behind("python3", "-c", receiver, made.far)
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            subprocess.run([sys.executable, "-c", sender, made.far], check=True)
            found = float(process.communicate(timeout=30)[0]) * _WIRE
    assert 95 < found < 105


def test_a_container_reaches_the_mirror(engines: Engines, tmp_path: Path) -> None:
    """And its bytes cross the link, at the link's rate."""
    content = os.urandom(4_000_000)
    folder = tmp_path / "record" / "some"
    folder.mkdir(parents=True)
    (folder / "some-1-py3-none-any.whl").write_bytes(content)
    with up(engines) as made, mirror(tmp_path / "record", f"{made.far}:8000", made.namespace):
        made.shape(100)
        before = made.received()
        program = (
            "import time, urllib.request as r; t = time.time()\n"
            f"n = len(r.urlopen('http://{made.far}:8000/files/some/some-1-py3-none-any.whl').read())\n"
            "print(n, time.time() - t)"
        )
        size, seconds = engines.run(
            ["docker", "run", "--rm", "python:3.11-slim", "python3", "-c", program]
        ).stdout.split()
        assert int(size) == len(content)
        assert len(content) <= made.received() - before < len(content) * 1.1
        assert float(seconds) > len(content) * 8 / 105e6


def test_it_goes_with_the_one_who_made_it(engines: Engines) -> None:
    """Killed, it leaves neither interface nor process; what is left of a name is taken away by the next."""
    instance = engines.instance
    interface = Path("/sys/class/net", instance.link_interface)
    program = (
        "import sys, time; from bench.compare.link import link\n"
        "with link(sys.argv[4:], *sys.argv[1:4]) as made: print(made.holder, flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", program, instance.link_interface, *instance.link, *engines.command([])]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=paths.CHECKOUT) as process:
        assert process.stdout is not None
        holder = process.stdout.readline().strip()
        assert interface.exists()
        process.send_signal(signal.SIGKILL)
    _until_gone(interface)
    _until_gone(Path("/proc", holder))
    left = ["ip", "link", "add", instance.link_interface, "type", "veth", "peer", "name", "cirlinkleft"]
    subprocess.run(left, check=True)
    with up(engines) as made:
        assert made.received() < 10_000
    assert not interface.exists()


def _until_gone(path: Path) -> None:
    for _ in range(100):
        if not path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} is still there")
