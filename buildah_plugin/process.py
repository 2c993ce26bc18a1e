"""Running other programs: one place that starts them, follows what they say, and ends them.

An error carries the command, its status and the last lines it said. Whatever ends us - a signal, an error -
ends the program as well.
"""

from __future__ import annotations

import shlex
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, cast

from cirfile.cli.errors import UNAVAILABLE, CliError
from cirfile.errors import printable

_TAIL = 12
_GRACE = 10
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
) -> bytes:
    """Run a program and return what it wrote to stdout, unless that goes ``into`` a file.

    ``follow`` gets each line of its stderr.

    Raise `ProcessError` where it fails, `CliError` (69) where it is not there.
    """
    try:
        child = subprocess.Popen(
            list(argv),
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
    tail: deque[str] = deque(maxlen=_TAIL)
    _RUNNING.add(child)
    said = cast("IO[bytes]", child.stderr)
    reader = threading.Thread(target=_follow, args=(said, tail, follow), daemon=True)
    reader.start()
    try:
        output = b"" if child.stdout is None else child.stdout.read()
        status = child.wait()
        reader.join()
    finally:
        _end(child)
        _RUNNING.discard(child)
        for stream in (child.stdout, said):
            if stream is not None:
                stream.close()
    if status != 0:
        raise ProcessError(argv, status, "".join(tail))
    return output


def end_all() -> None:
    """End every program that a thread still waits for."""
    for child in list(_RUNNING):
        _end(child)


def _follow(stream: IO[bytes], tail: deque[str], follow: Callable[[str], None] | None) -> None:
    for line in stream:
        text = line.decode(errors="replace")
        tail.append(text)
        if follow is not None:
            follow(text.rstrip())


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(_GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
