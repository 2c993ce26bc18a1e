"""Programs: what their failure tells, that secrets do not show, that nobody outlives us."""

from __future__ import annotations

import os
import signal
import sys
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


def test_an_interrupt_ends_the_program() -> None:
    """What interrupts us while we wait ends the program, too; `sleep` has no output to wait for."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            process.run([sys.executable, "-c", "import time; time.sleep(30)"])
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 15
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert not [pid for pid in children if b"time.sleep(30)" in Path(f"/proc/{pid}/cmdline").read_bytes()]


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
        ("write /x: no space left on device", 70, "does not fit"),
        ("lchown /etc/gshadow: invalid argument", 77, "user ids"),
        ("something else", 69, "ended with status 1"),
    ],
)
def test_reasons(tail: str, code: int, said: str) -> None:
    error = explained(ProcessError(["skopeo"], 1, tail), "the image `x`")
    assert error.code == code
    assert said in str(error)
