"""A command that is told to end ends its program and leaves nothing; what was killed is removed by the next one."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from buildah_plugin import folders
from cirfile import hold
from cirfile.cli.ending import postponed, terminable
from tests.buildah_plugin.conftest import Machine

BUILD = ("build", "--engine", "apptainer", "-o", "out/app.sif", "context")
#: Commands, and where they are when the signal comes.
COMMANDS = {
    "build": (BUILD, "build"),
    "materialize": (("materialize", "--store", "store", "app.sif"), "materialize"),
    "run": (("run", "--store", "store", "--layer", "node", "app.sif"), "materialize"),
    "folder": (("run", "--store", "store", "app.sif"), "materialize"),
    "unpack": (("run", "--store", "store", "--layer", "node", "app.sif"), "unsquashfs"),
    "bud": (("bud", "-t", "x", "context"), "skopeo"),
    "buildah": (("build", "--engine", "buildah", "-o", "type=docker,dest=out/x.tar", "context"), "skopeo"),
    "host": (("run", "--engine", "host", "context"), "python3"),
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal(machine: Machine, name: str, number: signal.Signals) -> None:
    """The program is ended, memory, temporary files, secrets and the target's folder are as before."""
    words, stop = COMMANDS[name]
    machine.install("skopeo", "python3")
    running = machine.start(*words, stop=stop)
    assert machine.left()
    running.send_signal(number)
    out, said = running.communicate(timeout=30)
    assert (running.returncode, out) == (128 + number, ""), said
    assert "Traceback" not in said
    assert not machine.program_runs()
    left = machine.left()
    assert left == ({f"memory/cir-{os.geteuid()}"} if name == "unpack" else set())
    assert not list(machine.folder.glob("store/claims/*"))


@pytest.mark.parametrize("name", ["build", "materialize"])
def test_nohup(machine: Machine, name: str) -> None:
    """Who started it without SIGHUP wants it to go on; SIGTERM ends it nevertheless."""
    words, stop = COMMANDS[name]
    running = machine.start(*words, stop=stop, before='trap "" HUP')
    running.send_signal(signal.SIGHUP)
    time.sleep(0.7)  # longer than a wait that looks up
    assert running.poll() is None
    assert machine.program_runs()
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 143
    assert machine.left() == set()


def test_killed(machine: Machine) -> None:
    """The next build removes what a killed one left, and nothing of one that is at work."""
    killed = machine.start(*BUILD, stop="build", name="killed")
    its = machine.left()
    assert {Path(path).parent.name for path in its} == {"tmp", "memory", "out", "cir"}
    alive = machine.start(*BUILD, stop="build", name="alive")
    of_alive = machine.left() - its
    killed.kill()
    killed.wait()
    assert machine.left() >= its
    machine.run(*BUILD)
    assert machine.left() == of_alive | {"out/app.sif"}
    machine.go("alive")
    assert alive.wait(30) == 0
    assert machine.left() == {"out/app.sif"}


def test_killed_while_unpacking(machine: Machine) -> None:
    words, stop = COMMANDS["unpack"]
    killed = machine.start(*words, stop=stop)
    killed.kill()
    killed.wait()
    assert [path for path in machine.left() if "/." in path]
    machine.run(*words)
    assert machine.left() == {f"memory/cir-{os.geteuid()}"}


@pytest.mark.parametrize("ignored", [False, True])
def test_the_container_gets_signals_as_they_came(machine: Machine, ignored: bool) -> None:
    """What `cir run` becomes ignores and blocks what its caller ignored and blocked, no more."""
    before = 'trap "" HUP' if ignored else ""
    out = machine.run(*COMMANDS["run"][0], before=before)
    fields = dict(line.split(":\t", 1) for line in json.loads(out)["status"].splitlines())
    both = 1 << (signal.SIGTERM - 1) | 1 << (signal.SIGHUP - 1)
    assert int(fields["SigIgn"], 16) & both == (1 << (signal.SIGHUP - 1) if ignored else 0)
    assert int(fields["SigBlk"], 16) == 0


def test_a_signal_waits_until_its_object_is_known() -> None:
    before = signal.getsignal(signal.SIGTERM)
    done = []

    @terminable()
    def work() -> None:
        try:
            with postponed():
                os.kill(os.getpid(), signal.SIGTERM)
                done.append("made")
            done.append("used")
        finally:
            os.kill(os.getpid(), signal.SIGHUP)  # a second one does not cut the removing short
            done.append("removed")

    with pytest.raises(SystemExit) as caught:
        work()
    assert (caught.value.code, done) == (143, ["made", "removed"])
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_swept(tmp_path: Path) -> None:
    """Only folders that were made for it: none of somebody else, of another host's, of links or of other names."""
    names = (
        "cir-left",
        "cir-other-host",
        "cir-old",
        "cir-open",
        "cir-not-ours",
        "else-left",
        "linked",
        "cir-plain",
    )
    for name in names:
        (tmp_path / name / "tree/closed").mkdir(parents=True, mode=0o700)
        (tmp_path / name).chmod(0o777 if name == "cir-open" else 0o700)
        (tmp_path / name / ".owner").write_bytes(hold.boot())
    (tmp_path / "cir-left/tree/closed/file").touch()
    (tmp_path / "cir-left/tree/closed").chmod(0)
    (tmp_path / "cir-left/link").symlink_to(tmp_path / "linked")
    (tmp_path / "cir-link").symlink_to(tmp_path / "linked")
    (tmp_path / "cir-plain/.owner").unlink()
    for name in ("cir-other-host", "cir-old"):
        (tmp_path / name / ".owner").write_bytes(b"another boot\n")
    os.utime(tmp_path / "cir-old/.owner", (0, 0))
    if os.geteuid() == 0:
        os.chown(tmp_path / "cir-not-ours", 4711, 4711)
    else:
        (tmp_path / "cir-not-ours").rename(tmp_path / "not-ours")
    with folders.made("cir-", tmp_path) as mine, folders.made("cir-", tmp_path) as second:
        assert mine.stat().st_mode & 0o777 == 0o700
        gone = {name for name in names if not (tmp_path / name).exists()}
        assert gone - {"cir-not-ours"} == {"cir-left", "cir-old"}
        assert second.is_dir()
    assert not mine.exists()
    assert (tmp_path / "linked/tree/closed").is_dir()
    assert (tmp_path / "cir-link").is_symlink()


def test_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no locks, a folder is left alone until it is a day old."""

    def none(_handle: int, _operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", none)
    with folders.made("cir-", tmp_path) as mine:
        folders.sweep(tmp_path, "cir-")
        assert mine.is_dir()
        os.utime(mine / ".owner", (0, 0))
        folders.sweep(tmp_path, "cir-")
        assert not mine.is_dir()
