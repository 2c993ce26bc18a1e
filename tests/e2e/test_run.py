"""`docker run` of our image behaves as that of the stock image: every row is asked of both."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devtools.docker import Docker, certificate_mount
from tests.support.index import Fault, Index
from tests.support.terminal import Terminal
from tests.support.wheels import Wheel

PROBE = '''"""Say what this process is.

With `serve` wait for a signal, with `terminal` tell its size and what is typed, with a number exit with it.
"""
import json, os, signal, sys, time
import greeting

def said():
    return {
        "argv": sys.argv[1:], "uid": os.getuid(), "gid": os.getgid(), "cwd": os.getcwd(), "pid": os.getpid(),
        "tty": [os.isatty(n) for n in (0, 1, 2)], "A": os.environ.get("A"), "HOME": os.environ.get("HOME"),
        "stdin": "" if os.isatty(0) or "stdin" not in sys.argv else sys.stdin.read(),
        "path": [p for p in os.environ["PATH"].split(":") if not p.startswith("/.cir/")],
        "ignored": sorted(int(s) for s in signal.Signals if signal.getsignal(s) == signal.SIG_IGN),
        "greeting": greeting.WORD,
    }

if sys.argv[1:2] == ["serve"]:
    def end(number, frame):
        print(json.dumps({"signal": number}), flush=True)
        sys.exit(9)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGUSR1, end)
    print("serving", file=sys.stderr, flush=True)
    print("ready", flush=True)
    time.sleep(60)
elif sys.argv[1:2] == ["terminal"]:
    def show(*_):
        print("size", *os.get_terminal_size(0), flush=True)
    try:
        signal.signal(signal.SIGWINCH, show)
        show()
        print("heard", input(), flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(5)
elif sys.argv[1:2] and sys.argv[1].isdigit():
    sys.exit(int(sys.argv[1]))
else:
    print(json.dumps(said()), flush=True)
    print("talk", file=sys.stderr, flush=True)
'''

SAME = """WORKDIR /app
COPY probe.py health.py ./
ENV A=image
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=1s --start-period=30s --retries=2 CMD ["python3", "health.py"]
ENTRYPOINT ["python3", "probe.py"]
CMD ["from", "cmd"]
"""
#: A program of a package: in the stock image a script, in ours what its wheel declares.
SCRIPT = "#!/usr/bin/env python3\nimport greeting\nprint(greeting.WORD)\n"
GREETER = Wheel(
    "greeter",
    files={"greeter.py": "import greeting\n\ndef main():\n    print(greeting.WORD)\n"},
    entry_points="[console_scripts]\ngreet = greeter:main\n",
)
HEALTH = "import greeting, sys\nsys.exit(greeting.WORD != 'hello')\n"


@dataclass(frozen=True)
class Kind:
    """One of the two images: its name, and the flags that every run of it gets."""

    name: str
    image: str
    flags: tuple[str, ...]


@pytest.fixture(scope="module")
def store(docker: Docker) -> Iterator[str]:
    """A store volume that this module's containers share."""
    name = f"cir-test-{uuid.uuid4().hex[:8]}"
    docker.run("volume", "create", name)
    yield name
    docker.run("volume", "rm", "-f", name)


@pytest.fixture(scope="module")
def kinds(
    docker: Docker,
    frontend_ref: str,
    greeting_index: str,
    wheels: Path,
    store: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Kind]:
    """Both images, built from the same files; the package comes by COPY in one, by REQUIRE in the other."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "probe.py").write_text(PROBE)
    (folder / "health.py").write_text(HEALTH)
    (folder / "greeting.py").write_text("WORD = 'hello'\n")
    (folder / "greet").write_text(SCRIPT)
    GREETER.write(wheels)
    site = "/usr/local/lib/python3.11/dist-packages/"
    script = "COPY --chmod=755 greet /usr/local/bin/\n"
    texts = {
        "stock": f"FROM python:3.11-slim\nCOPY greeting.py {site}\n{script}{SAME}",
        "ours": f"FROM python:3.11-slim\nREQUIRE pypi --index-url {greeting_index} greeting greeter\n{SAME}",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        syntax = ["--build-arg", f"BUILDKIT_SYNTAX={frontend_ref}"] if name == "ours" else []
        docker.run(
            "buildx",
            "build",
            "-f",
            str(folder / name),
            "-t",
            f"localhost/cir/run-{name}",
            "--load",
            *syntax,
            str(folder),
        )
    extra = ("-v", f"{store}:/var/lib/cir", *certificate_mount(), "-e", "CIR_LOG=quiet")
    return {
        "stock": Kind("stock", "localhost/cir/run-stock", ()),
        "ours": Kind("ours", "localhost/cir/run-ours", extra),
    }


Run = Callable[..., subprocess.CompletedProcess[str]]


def run(
    docker: Docker, kind: Kind, *arguments: str, flags: tuple[str, ...] = (), text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """`docker run --rm FLAGS IMAGE ARGUMENTS`."""
    argv = docker.argv("run", "--rm", *kind.flags, *flags, kind.image, *arguments)
    return subprocess.run(argv, capture_output=True, text=True, input=text, timeout=120)


ROWS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "default command": ((), ()),
    "arguments": ((), ("one", "two words", "$A", "")),
    "-e": (("-e", "A=changed"), ()),
    "-e PATH": (("-e", "PATH=/usr/local/bin:/opt/mine:/bin"), ()),
    "-u number": (("-u", "12345:54321"), ()),
    "-u name": (("-u", "nobody"), ()),
    "-w": (("-w", "/tmp", "--entrypoint", "python3"), ("/app/probe.py", "x")),
    "--entrypoint": (("--entrypoint", "python3"), ("/app/probe.py", "y")),
    "--entrypoint sh": (("--entrypoint", "sh"), ("-c", "exec python3 probe.py z")),
    "--read-only": (("--read-only",), ()),
    "--read-only -u": (("--read-only", "-u", "4321"), ()),
    "--init": (("--init",), ("under-init",)),
    "--ipc=host": (("--ipc=host",), ()),
    "--network none": (("--network", "none"), ()),
    "--cap-drop": (("--cap-drop=ALL", "--security-opt=no-new-privileges"), ()),
}


@pytest.fixture(scope="module")
def warmed(docker: Docker, kinds: dict[str, Kind]) -> dict[str, Kind]:
    """The layer is in the store, so that no row depends on another."""
    done = run(docker, kinds["ours"])
    assert done.returncode == 0, done.stderr
    return kinds


@pytest.mark.parametrize("row", ROWS)
def test_same_answer(row: str, docker: Docker, warmed: dict[str, Kind]) -> None:
    """Status, standard output and standard error are those of the stock image."""
    flags, arguments = ROWS[row]
    answers = {name: run(docker, kind, *arguments, flags=flags) for name, kind in warmed.items()}
    stock, ours = answers["stock"], answers["ours"]
    assert (ours.returncode, ours.stderr) == (stock.returncode, stock.stderr)
    assert said(ours) == said(stock)


def said(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """What the process told of itself; of its number only whether it is the first, the rest is chance."""
    answer: dict[str, object] = json.loads(done.stdout)
    return answer | {"pid": answer["pid"] == 1}


def test_stdin(docker: Docker, warmed: dict[str, Kind]) -> None:
    """``-i`` hands standard input to the application."""
    answers = [
        json.loads(run(docker, kind, "stdin", flags=("-i",), text="a\nb").stdout) for kind in warmed.values()
    ]
    assert answers[0] == answers[1]
    assert answers[1]["stdin"] == "a\nb"


def test_terminal(docker: Docker, warmed: dict[str, Kind]) -> None:
    """``-t`` gives the application a terminal on all three streams."""
    for kind in warmed.values():
        argv = docker.argv("run", "--rm", "-t", *kind.flags, kind.image)
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        assert '"tty": [true, true, true]' in done.stdout, done


def test_a_person_at_a_terminal(docker: Docker, warmed: dict[str, Kind]) -> None:
    """``-it``: size and its changes, what is typed, and Ctrl-C reach the application as PID 1."""
    for kind in warmed.values():
        argv = docker.argv("run", "--rm", "-it", *kind.flags, kind.image, "terminal")
        with Terminal(argv, 101, 31) as terminal:
            terminal.wait_for("size 101 31")
            terminal.show_size(77, 22, "size 77 22")
            terminal.press("hello\r")
            terminal.wait_for("heard hello")
            terminal.press("\x03")
            terminal.wait_for("interrupted")
            assert terminal.status() == 5


@pytest.mark.parametrize("status", ["0", "1", "7", "125", "255"])
def test_exit_status(status: str, docker: Docker, warmed: dict[str, Kind]) -> None:
    """The application's status is the container's."""
    assert [run(docker, kind, status).returncode for kind in warmed.values()] == [int(status)] * 2


def test_missing_program(docker: Docker, warmed: dict[str, Kind]) -> None:
    """A program that is not there ends with 127, as Docker reports it, and is named."""
    for kind in warmed.values():
        flags = ("--entrypoint", "/.cir/shim") if kind.name == "ours" else ("--entrypoint", "no-such-program")
        arguments = ("no-such-program",) if kind.name == "ours" else ()
        done = run(docker, kind, *arguments, flags=flags)
        assert done.returncode == 127
        assert "no-such-program" in done.stderr


@pytest.mark.parametrize(
    ("flags", "command", "number"),
    [
        ((), ("stop",), 10),
        (("--stop-signal", "TERM"), ("stop",), 15),
        ((), ("kill", "-s", "TERM"), 15),
    ],
    ids=["STOPSIGNAL", "--stop-signal", "kill"],
)
def test_signals(
    flags: tuple[str, ...], command: tuple[str, ...], number: int, docker: Docker, warmed: dict[str, Kind]
) -> None:
    """The application is PID 1 and gets the signal; its status is kept; logs hold both streams, each by itself."""
    for kind in warmed.values():
        name = started(docker, kind, "serve", flags=flags)
        docker.run(*command, name)
        assert docker.run("wait", name).stdout.strip() == "9"
        logs = docker.run("logs", name)
        assert logs.stdout.splitlines() == ["ready", json.dumps({"signal": number})]
        assert logs.stderr == "serving\n"
        docker.run("rm", name)


@pytest.mark.parametrize(
    "flags", [(), ("--read-only",), ("-u", "999"), ("--read-only", "-u", "999")], ids=" ".join
)
def test_exec(flags: tuple[str, ...], docker: Docker, warmed: dict[str, Kind]) -> None:
    """``docker exec`` finds the dependencies without the shim, also as another user."""
    for kind in warmed.values():
        name = started(docker, kind, "serve", flags=flags)
        for user in ((), ("-u", "31337")):
            done = docker.run("exec", *user, name, "python3", "-c", "import greeting; print(greeting.WORD)")
            assert done.stdout == "hello\n"
        docker.run("rm", "-f", name)


def test_a_preloaded_library_is_for_the_application_alone(docker: Docker, warmed: dict[str, Kind]) -> None:
    """It may be of a newer base, and need a newer C library than the shim has."""
    flags = ("-e", "LD_PRELOAD=/nowhere/lib.so")
    said = {
        name: run(docker, kind, flags=flags).stderr.count("/nowhere/lib.so") for name, kind in warmed.items()
    }
    assert said["ours"] == said["stock"] > 0
    plan = run(docker, warmed["ours"], flags=(*flags, "-e", "CIR_MODE=plan"))
    assert (plan.returncode, plan.stderr) == (0, "")


def test_program_of_a_package(docker: Docker, warmed: dict[str, Kind]) -> None:
    """A console script is on PATH for ``docker exec``, and behind the shim for ``docker run``."""
    for kind in warmed.values():
        name = started(docker, kind, "serve")
        assert docker.run("exec", name, "greet").stdout == "hello\n"
        docker.run("rm", "-f", name)
    assert run(docker, warmed["stock"], flags=("--entrypoint", "greet")).stdout == "hello\n"
    assert run(docker, warmed["ours"], "greet", flags=("--entrypoint", "/.cir/shim")).stdout == "hello\n"


@pytest.mark.parametrize("flags", [(), ("--read-only", "-u", "999")], ids=" ".join)
def test_healthcheck(flags: tuple[str, ...], docker: Docker, warmed: dict[str, Kind]) -> None:
    """The health check, which imports a dependency, comes out healthy."""
    for kind in warmed.values():
        name = started(docker, kind, "serve", flags=flags)
        deadline = time.monotonic() + 30
        while (
            state := docker.run("inspect", "-f", "{{.State.Health.Status}}", name).stdout.strip()
        ) == "starting":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert state == "healthy"
        docker.run("rm", "-f", name)


def test_cold_in_every_way(docker: Docker, kinds: dict[str, Kind]) -> None:
    """Without a store volume the layer is made in the container, also behind the shim's back."""
    kind = kinds["ours"]
    flags = tuple(certificate_mount())
    for extra, arguments in (
        ((), ()),
        (("--entrypoint", "python3"), ("probe.py",)),
        (("-u", "4444:4444"), ()),
    ):
        argv = docker.argv("run", "--rm", *flags, *extra, kind.image, *arguments)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["greeting"] == "hello"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("stop", "-t", "30"), 138),
        (("kill", "-s", "TERM"), 143),
        (("kill", "-s", "INT"), 130),
        (("kill",), 137),
    ],
    ids=["stop", "kill TERM", "kill INT", "kill"],
)
def test_ended_while_it_assembles(
    command: tuple[str, ...], status: int, docker: Docker, kinds: dict[str, Kind], index: Index
) -> None:
    """The container ends at once, the application is never started, and the next start makes the layer."""
    kind, wheel = kinds["ours"], f"/files/{GREETER.filename}"
    volume, name = (f"cir-test-{uuid.uuid4().hex[:8]}" for _ in range(2))
    seen = index.counts()[wheel]
    index.fail(f"{wheel}$", Fault("hang", seconds=60))
    try:
        flags = ("--name", name, "-v", f"{volume}:/var/lib/cir")
        docker.run("run", "-d", *flags, kind.image)
        deadline = time.monotonic() + 30
        while index.counts()[wheel] == seen:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        begin = time.monotonic()
        docker.run(*command, name)
        assert docker.run("wait", name).stdout.strip() == str(status)
        assert time.monotonic() - begin < 8, "it did not end by itself"
        assert docker.run("logs", name).stdout == ""
        docker.run("rm", name)
        if command != ("kill",):
            assert half_made(docker, volume) == []
        index.forgive()
        done = run(docker, Kind("healed", kind.image, ("-v", f"{volume}:/var/lib/cir")))
        assert (done.returncode, json.loads(done.stdout)["greeting"]) == (0, "hello"), done.stderr
        assert half_made(docker, volume) == []
    finally:
        index.forgive()
        docker.run("rm", "-f", name, check=False)
        docker.run("volume", "rm", "-f", volume)


def half_made(docker: Docker, volume: str) -> list[str]:
    """What a store holds below the folders of work in progress."""
    mount = ("run", "--rm", "-v", f"{volume}:/store", "python:3.11-slim")
    script = (
        "import glob; print(*[p for n in ('tmp', 'claims', 'trash') for p in glob.glob(f'/store/{n}/*')])"
    )
    return docker.run(*mount, "python3", "-c", script).stdout.split()


def started(docker: Docker, kind: Kind, *arguments: str, flags: tuple[str, ...] = ()) -> str:
    """Start a container in the background and wait for its first line; returns its name."""
    name = f"cir-test-{uuid.uuid4().hex[:8]}"
    docker.run("run", "-d", "--name", name, *kind.flags, *flags, kind.image, *arguments)
    deadline = time.monotonic() + 60
    while "ready" not in docker.run("logs", name).stdout:
        state = docker.run("inspect", "-f", "{{.State.Status}}", name).stdout.strip()
        assert state == "running", docker.run("logs", name, check=False).stderr
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return name
