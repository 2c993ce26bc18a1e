"""Running other programs: one place that starts them, follows what they say, and ends them.

An error carries the command, its status and the last lines it said. Whatever ends us - a signal, an error -
ends the program as well.
"""

from __future__ import annotations

import os
import selectors
import shlex
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO

from cirfile.cli import ending
from cirfile.cli.errors import UNAVAILABLE, CliError
from cirfile.errors import printable

_TAIL = 12
_GRACE = 10
#: Seconds after which a wait looks up. Python handles a signal between two steps of the main thread, so one that comes
#: as a wait begins, or that the kernel gives to another thread, is handled by then.
_LOOK_UP = 0.5
_PIECE = 1 << 16
_RUNNING: set[subprocess.Popen[bytes]] = set()

#: Words of options whose value is nobody's business.
_HIDDEN = ("--creds", "--src-creds", "--dest-creds", "--decryption-key")


class ProcessError(CliError):
    """A program that failed: its ``argv``, its ``status`` and the ``tail`` of what it said."""

    def __init__(self, argv: Sequence[str], status: int, tail: str) -> None:
        said = printable(tail).strip()
        message = f"`{shown(argv)}` ended with status {status}" + (f":\n{said}" if said else "")
        super().__init__(UNAVAILABLE, message)
        self.argv = list(argv)
        self.status = status
        self.tail = tail


def shown(argv: Sequence[str]) -> str:
    """Return a command as a shell would take it, without secrets."""
    words = [
        "***" if position and argv[position - 1] in _HIDDEN else word for position, word in enumerate(argv)
    ]
    return printable(shlex.join(words))


def run(
    argv: Sequence[str],
    follow: Callable[[str], None] | None = None,
    into: IO[bytes] | None = None,
    environ: Mapping[str, str] | None = None,
) -> bytes:
    """Run a program and return what it wrote to stdout, unless that goes ``into`` a file.

    ``follow`` gets each line of its stderr; ``environ`` is its environment, instead of ours.

    Raise `ProcessError` where it fails, `CliError` (69) where it is not there.
    """
    with _running(argv, into, environ) as child:
        output, tail = _listen(child, follow)
        status = _ended(child)
    if status != 0:
        raise ProcessError(argv, status, tail)
    return output


def end_all() -> None:
    """End every program that a thread still waits for."""
    for child in list(_RUNNING):
        _end(child)


@contextmanager
def _running(
    argv: Sequence[str], into: IO[bytes] | None, environ: Mapping[str, str] | None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs, and does no more when the block is left."""
    with ExitStack() as after:
        with ending.postponed():
            child = _started(argv, into, environ)
            _RUNNING.add(child)
            after.callback(_over, child)
        yield child


def _started(
    argv: Sequence[str], into: IO[bytes] | None, environ: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if into is None else into,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError:
        raise CliError(
            UNAVAILABLE, f"there is no `{argv[0]}` on PATH", f"install {argv[0]} from your distribution"
        ) from None
    except OSError as error:
        raise CliError(UNAVAILABLE, f"`{argv[0]}` cannot be started: {error.strerror}") from None


def _over(child: subprocess.Popen[bytes]) -> None:
    _end(child)
    _RUNNING.discard(child)
    for stream in (child.stdout, child.stderr):
        if stream is not None:
            stream.close()


def _listen(child: subprocess.Popen[bytes], follow: Callable[[str], None] | None) -> tuple[bytes, str]:
    """What a program writes until it closes its outputs, and the last lines of what it says."""
    output: list[bytes] = []
    said = _Lines(follow)
    with selectors.DefaultSelector() as waiting:
        for stream, take in ((child.stdout, output.append), (child.stderr, said.take)):
            if stream is not None:
                waiting.register(stream, selectors.EVENT_READ, take)
        while waiting.get_map():
            for key, _ in waiting.select(_LOOK_UP):
                piece = os.read(key.fd, _PIECE)
                if piece:
                    key.data(piece)
                else:
                    waiting.unregister(key.fileobj)
    said.end()
    return b"".join(output), "".join(said.tail)


class _Lines:
    """The lines of a stream that comes in pieces: each is told, the last ones are kept."""

    def __init__(self, follow: Callable[[str], None] | None) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self._follow = follow
        self._begun = b""

    def take(self, piece: bytes) -> None:
        """Take what comes next."""
        *lines, self._begun = (self._begun + piece).split(b"\n")
        for line in lines:
            self._tell(line + b"\n")

    def end(self) -> None:
        """Take what is left, which no line feed ends."""
        if self._begun:
            self._tell(self._begun)

    def _tell(self, line: bytes) -> None:
        text = line.decode(errors="replace")
        self.tail.append(text)
        if self._follow is not None:
            self._follow(text.rstrip())


def _ended(child: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return child.wait(_LOOK_UP)
        except subprocess.TimeoutExpired:
            continue


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(_GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
