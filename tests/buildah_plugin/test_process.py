"""Programs: what their failure tells, that secrets do not show, that nobody outlives us."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from buildah_plugin import process
from buildah_plugin.access import Access
from buildah_plugin.process import ProcessError
from buildah_plugin.reasons import explained
from cirfile.cli.errors import CliError


def test_a_failure_carries_argv_status_and_tail() -> None:
    program = "import sys; [print('line', n, file=sys.stderr) for n in range(100)]; sys.exit(3)"
    with pytest.raises(ProcessError) as caught:
        process.run([sys.executable, "-c", program])
    error = caught.value
    assert (error.argv[0], error.status) == (sys.executable, 3)
    assert "line 99" in error.tail
    assert "line 10\n" not in error.tail
    assert "ended with status 3" in str(error)


def test_what_it_says_is_followed_line_by_line() -> None:
    said: list[str] = []
    program = "import sys; print('out'); print('a\\nb', file=sys.stderr)"
    assert process.run([sys.executable, "-c", program], follow=said.append) == b"out\n"
    assert said == ["a", "b"]


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(CliError, match="there is no `no-such-program` on PATH"):
        process.run(["no-such-program"])


class Interrupt:
    """Raises in the main thread when a signal is handled, which arrives after a while."""

    def __enter__(self) -> Interrupt:
        self._before = signal.signal(signal.SIGALRM, self._raise)
        self._started = time.monotonic()
        return self

    def _raise(self, _number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGALRM, self._before)
        assert time.monotonic() - self._started < 15

    def to_thread(self) -> None:
        """Send it to a thread that is not the main one, as the kernel may: no wait of the main one is cut short."""
        other = threading.Thread(target=time.sleep, args=(3,))
        other.start()
        threading.Timer(0.5, lambda: signal.pthread_kill(other.ident or 0, signal.SIGALRM)).start()


def survivors(mark: bytes) -> list[str]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in children if mark in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(30)",
        "import os, time; os.close(1); os.close(2); time.sleep(30)",
        "import subprocess, time; subprocess.Popen(['sleep', '30']); time.sleep(30)",
    ],
    ids=["silent", "without-outputs", "outputs-are-held"],
)
@pytest.mark.parametrize("to_thread", [False, True])
def test_an_interrupt_ends_the_program(program: str, to_thread: bool) -> None:
    """What interrupts us while we wait ends the program, too, whichever thread gets the signal."""
    with Interrupt() as interrupt:
        if to_thread:
            interrupt.to_thread()
        else:
            signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            process.run([sys.executable, "-c", program])
    assert not survivors(b"time.sleep(30)")


def test_much_of_both(tmp_path: Path) -> None:
    """More than pipes hold, on both at once; lines in pieces, the last without its end; or all into a file."""
    said: list[str] = []
    program = "import sys\nfor n in range(30000): print(n); print('é', n, file=sys.stderr)\n"
    program += "print('end', end='', file=sys.stderr)"
    output = process.run([sys.executable, "-X", "utf8", "-c", program], follow=said.append)
    assert output.split() == [str(n).encode() for n in range(30000)]
    assert said == [*(f"é {n}" for n in range(30000)), "end"]
    with (tmp_path / "file").open("wb") as file:
        assert process.run([sys.executable, "-c", program], into=file) == b""
    assert (tmp_path / "file").read_bytes() == output


def test_credentials_do_not_show() -> None:
    assert "hush" not in process.shown(["skopeo", "copy", "--creds", "me:hush", "https://me:hush@x/y"])


def test_credentials_go_into_a_private_file(tmp_path: Path) -> None:
    flags = Access(tmp_path, creds="me:hush", cert_dir="/c", tls_verify=False).flags(
        "docker://host:5000/a/b:1", "src-"
    )
    assert flags[::2][0] == "--src-authfile"
    assert flags[2:] == ["--src-cert-dir", "/c", "--src-tls-verify=false"]
    file = Path(flags[1])
    assert file.stat().st_mode & 0o777 == 0o600
    assert '"host:5000"' in file.read_text()


@pytest.mark.parametrize(
    ("tail", "code", "said"),
    [
        ("reading manifest 1 in x: manifest unknown", 66, "not in its registry"),
        ("unauthorized: authentication required", 77, "refused"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", 69, "cannot be reached"),
        ("write /x: no space left on device", 75, "does not fit"),
        ("lchown /etc/gshadow: invalid argument", 77, "user ids"),
        ("something else", 69, "ended with status 1"),
    ],
)
def test_reasons(tail: str, code: int, said: str) -> None:
    error = explained(ProcessError(["skopeo"], 1, tail), "the image `x`")
    assert error.code == code
    assert said in str(error)
