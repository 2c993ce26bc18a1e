"""The mirror as a process: `python3 -m bench.compare.mirror.process FOLDER ADDRESS [NAMESPACE]`.

It listens at ADDRESS, `host:port`, in a network namespace, and asks the index from where it was started. Commands are
lines of its input, each answered by one line of JSON: `record` and `serve` change what it does, `missed` is a list of
what was missed since this was asked last, `local REQUIREMENT` takes a wheel from this machine. It ends when its input
does. An answer with `error` tells what went wrong.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.compare.mirror import upstream
from bench.compare.mirror.record import Record
from bench.compare.mirror.server import Server

#: Of setns(2).
_NETWORK = 0x40000000


class Mirror:
    """A running mirror, for the harness."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self._process = process
        #: The index as clients name it.
        self.index = f"http://{address}/simple/"

    def record(self) -> None:
        """From now on fetch and keep what is not there."""
        self._ask("record")

    def serve(self) -> None:
        """From now on answer from disk alone."""
        self._ask("serve")

    def missed(self) -> list[str]:
        """What was not there since this was asked last."""
        found: list[str] = self._ask("missed")
        return found

    def local(self, requirement: str) -> None:
        """Let a project's page hold just the wheel that pip takes for a requirement on this machine."""
        self._ask(f"local {requirement}")

    def _ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise RuntimeError(f"the index mirror has ended: {error}") from error
        if "error" in answer:
            raise RuntimeError(f"index mirror: {answer['error']}")
        return answer["done"]


@contextmanager
def mirror(folder: Path, address: str, namespace: str = "") -> Iterator[Mirror]:
    """Run a mirror until the block ends.

    :param folder: of the record
    :param address: `host:port` to listen on
    :param namespace: file of the network namespace to listen in
    :raises RuntimeError: when it does not start, or knows no index
    """
    argv = [sys.executable, "-m", "bench.compare.mirror.process", str(folder), address, namespace]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    ) as process:
        try:
            made = Mirror(process, address)
            made.serve()
            yield made
        finally:
            process.terminate()


def listen(address: str, namespace: str) -> socket.socket:
    """A socket that listens in a namespace; the process stays in its own.

    :raises OSError: when it cannot
    """
    host, _, port = address.rpartition(":")
    with Path("/proc/self/ns/net").open() as own:
        _enter(namespace)
        try:
            return socket.create_server((host, int(port)), backlog=128)
        finally:
            _enter(f"/proc/self/fd/{own.fileno()}")


def _enter(namespace: str) -> None:
    if namespace:
        with Path(namespace).open() as file:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(file.fileno(), _NETWORK):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)


def main() -> int:
    """Serve, and follow commands."""
    folder, address, namespace = sys.argv[1:4]
    record = Record(Path(folder))
    server = Server(listen(address, namespace), f"http://{address}", record)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for line in sys.stdin:
        try:
            answer = {"done": _follow(server, record, line.strip())}
        except (OSError, RuntimeError, ValueError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    return 0


def _follow(server: Server, record: Record, line: str) -> object:
    word, _, rest = line.partition(" ")
    match word:
        case "record":
            server.upstream = upstream.Upstream(upstream.find())
        case "serve":
            server.upstream = None
        case "missed":
            return server.missed()
        case "local":
            if not record.has_local(rest):
                record.take_local(rest)
        case _:
            raise ValueError(f"no command `{word}`")
    return None


if __name__ == "__main__":
    sys.exit(main())
