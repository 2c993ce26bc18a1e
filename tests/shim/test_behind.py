"""What goes on behind the application: a layer that works is finished later, by this start or by another one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shim import contents, unfinished, warm
from tests.shim.root import Root, Start, application

LATE = Start(environment={"FAKE_LATE": "0.6"})
NEVER = Start(environment={"FAKE_LATE": "60"})
MATERIALIZE = {"CIR_MODE": "materialize"}


@pytest.fixture
def store(root: Root) -> Iterator[Path]:
    """The store of an image; whatever still works in it in the end is ended."""
    application(root, "alpha")
    folder = root.folder / "var/lib/cir"
    yield folder
    for pid in workers(folder):
        os.kill(pid, signal.SIGKILL)


def layer_of(store: Path) -> Path:
    return next(store.glob("layers/*"))


def late(store: Path) -> str | None:
    """What the provider's late file says; `None` where it is not there."""
    path = next(layer_of(store).glob("lib/*/site-packages/__pycache__/late.pyc"), None)
    return path.read_text() if path else None


def workers(store: Path) -> list[int]:
    """Processes that have the folder of files on their way open."""
    folders = {(part.stat().st_dev, part.stat().st_ino) for part in store.glob(f"*/*/{unfinished.NAME}")}
    found = set()
    for place in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if (place.stat().st_dev, place.stat().st_ino) in folders:
                found.add(int(place.parts[2]))
    return sorted(found)


def finished(store: Path, patience: float = 20) -> bool:
    """Whether the layer is finished, after a while."""
    end = time.monotonic() + patience
    while unfinished.is_unfinished(layer_of(store)) and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)  # the record comes last
    return not unfinished.is_unfinished(layer_of(store))


def listed(store: Path) -> str:
    return (layer_of(store) / contents.NAME).read_text()


def pretend_reboot(store: Path) -> None:
    boot = warm.boot_id()
    for path in (layer_of(store) / contents.NAME, *store.glob("active/*")):
        path.write_bytes(path.read_bytes().replace(boot, b"0" * len(boot)))


@contextlib.contextmanager
def running(root: Root, start: Start) -> Iterator[subprocess.Popen[str]]:
    """An application that has been started and stays."""
    argv = root.argv(start, "/.cir/shim", "/bin/sh", "-c", "hello; exec sleep 60")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "script /.cir/run/layer\n", process.communicate()
            yield process
        finally:
            process.kill()


def test_the_application_starts_before_the_layer_is_finished(root: Root, store: Path) -> None:
    with running(root, LATE):
        assert unfinished.is_unfinished(layer_of(store))
        assert late(store) is None
        assert list(store.glob("active/*")) == [], "until then each start looks after it"
        assert finished(store)
    assert late(store) == "made"
    assert "late.pyc" in listed(store)
    assert contents.intact(layer_of(store))
    record = next(store.glob("active/*"))
    assert record.read_bytes().split() == [layer_of(store).name.encode(), warm.boot_id()]
    assert root.run("hello").stderr == "", "warm"


def test_it_ends_with_the_application(root: Root, store: Path) -> None:
    began = time.monotonic()
    assert root.run("hello", start=NEVER).returncode == 0
    assert time.monotonic() - began < 30
    time.sleep(0.2)
    assert workers(store) == []
    assert unfinished.is_unfinished(layer_of(store))


def test_a_start_meanwhile_uses_the_layer_and_does_nothing_twice(root: Root, store: Path) -> None:
    with running(root, Start(environment={"FAKE_LATE": "2"})):
        with running(root, LATE):
            assert len(workers(store)) == 1
        assert finished(store)
    assert late(store) == "made"


def test_the_next_start_goes_on_where_the_first_was_ended(root: Root, store: Path) -> None:
    assert root.run("hello", start=NEVER).returncode == 0
    assert unfinished.is_unfinished(layer_of(store))
    with running(root, LATE):
        assert finished(store)
    assert late(store) == "resumed"
    assert "late.pyc" in listed(store)
    assert len(list(store.glob("active/*"))) == 1
    assert len(list(store.glob("cache/pypi/run-*"))) == 1


def test_after_some_starts_that_were_too_short_one_waits(root: Root, store: Path) -> None:
    for _ in range(3):
        assert root.run("hello", start=NEVER).returncode == 0
        assert unfinished.is_unfinished(layer_of(store))
    assert root.run("hello", start=LATE).returncode == 0
    assert not unfinished.is_unfinished(layer_of(store))
    assert late(store) == "resumed"


@pytest.mark.parametrize(("age", "waits"), [(5, True), (3600, False)])
def test_another_host_that_is_at_work(root: Root, store: Path, age: float, waits: bool) -> None:
    """Its locks are not seen here; what tells is the folder that it writes in."""
    assert root.run("hello", start=NEVER).returncode == 0
    part = layer_of(store) / unfinished.NAME
    (part / "owner").write_text("another boot")
    then = time.time() - age
    os.utime(part, (then, then))
    with running(root, Start(environment={"FAKE_LATE": "0"})):
        assert finished(store, patience=1) is not waits
    assert late(store) == (None if waits else "resumed")


def test_materialize_waits(root: Root, store: Path) -> None:
    start = Start(environment={**LATE.environment, **MATERIALIZE})
    assert root.run(start=start).returncode == 0
    assert not unfinished.is_unfinished(layer_of(store))
    assert late(store) == "made"


def test_materialize_waits_for_what_another_start_still_makes(root: Root, store: Path) -> None:
    start = Start(environment={**LATE.environment, **MATERIALIZE})
    with running(root, Start(environment={"FAKE_LATE": "2"})):
        assert root.run(start=start).returncode == 0
    assert not unfinished.is_unfinished(layer_of(store))
    assert late(store) == "made"


def test_materialize_goes_on_where_another_start_was_ended(root: Root, store: Path) -> None:
    assert root.run("hello", start=NEVER).returncode == 0
    start = Start(environment={**LATE.environment, **MATERIALIZE})
    assert root.run(start=start).returncode == 0
    assert not unfinished.is_unfinished(layer_of(store))
    assert late(store) == "resumed"


def test_a_deadline_ends_the_wait(root: Root, store: Path) -> None:
    start = Start(environment={**NEVER.environment, **MATERIALIZE, "CIR_TIMEOUT": "1"})
    done = root.run(start=start)
    assert done.returncode == 75
    assert workers(store) == []
    assert root.run("hello").returncode == 0, "the layer works"


def test_in_apptainer_it_waits(root: Root, store: Path) -> None:
    """What is mounted there goes with the application."""
    start = Start(
        environment={**LATE.environment, "APPTAINER_CONTAINER": "/a.sif", "CIR_STORE": "/var/lib/cir"}
    )
    assert root.run("hello", start=start).returncode == 0
    assert not unfinished.is_unfinished(layer_of(store))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_assembly_that_is_ended_takes_it_along(root: Root, store: Path, number: signal.Signals) -> None:
    environment = {"FAKE_LATE": "60", "FAKE_PACE": "60", "CIR_LOG": "quiet"}
    argv = root.argv(Start(environment=environment), "/.cir/shim", "hello")
    with subprocess.Popen(argv) as process:
        end = time.monotonic() + 20
        while not list(store.glob("cache/pypi/run-*")) and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(number)
    time.sleep(0.2)
    assert workers(store) == []
    assert root.run("hello").returncode == 0


def test_an_unfinished_layer_in_a_store_that_cannot_be_written(root: Root, store: Path) -> None:
    assert root.run("hello", start=NEVER).returncode == 0
    read_only = ["--bind var/lib/cir var/lib/cir", "-o remount,bind,ro var/lib/cir"]
    done = root.run("hello", start=Start(mounts=read_only, environment=LATE.environment))
    assert (done.returncode, done.stdout) == (0, "script /.cir/run/layer\n"), done.stderr
    assert workers(store) == []


def test_where_it_has_to_be_whole_the_application_waits(root: Root, store: Path) -> None:
    start = Start(environment={**LATE.environment, "FAKE_WHOLE": "1"})
    assert root.run("hello", start=start).returncode == 0
    assert not unfinished.is_unfinished(layer_of(store))
    assert late(store) == "made"


def test_a_companion_that_is_killed_while_it_is_waited_for(root: Root, store: Path) -> None:
    """The layer is as whole as it can be, and says so."""
    environment = {**NEVER.environment, **MATERIALIZE}
    with subprocess.Popen(
        root.argv(Start(environment=environment), "/.cir/shim"), stderr=subprocess.PIPE
    ) as process:
        end = time.monotonic() + 20
        while not list(store.glob("layers/*/layer.json")) and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.3)
        for pid in set(workers(store)) - {process.pid}:
            os.kill(pid, signal.SIGKILL)
        _, err = process.communicate()
    assert process.returncode == 0
    assert b"no bytecode could be made" in err
    assert not unfinished.is_unfinished(layer_of(store))
    assert len(list(store.glob("active/*"))) == 1


def test_two_that_assemble_the_same(root: Root, store: Path) -> None:
    """Who comes second, as where locks are not seen, takes the first one's layer and does not touch it."""
    with subprocess.Popen(root.argv(Start(environment={"FAKE_PACE": "0.3"}), "/.cir/shim", "hello")) as slow:
        end = time.monotonic() + 20
        while not list(store.glob("claims/*")) and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.2)
        for claim in store.glob("claims/*"):
            claim.unlink()
        with running(root, LATE):
            number = layer_of(store).stat().st_ino
            assert slow.wait(20) == 0
            assert finished(store)
    assert (layer_of(store).stat().st_ino, late(store)) == (number, "made")


def test_bytecode_that_is_not_as_listed_after_a_crash_is_made_again(root: Root, store: Path) -> None:
    """The layer stays: of a program that runs, Python may have put its own there just before it was listed."""
    assert root.run(start=Start(environment={"FAKE_LATE": "0", **MATERIALIZE})).returncode == 0
    number = layer_of(store).stat().st_ino
    path = next(layer_of(store).glob("lib/*/site-packages/__pycache__/late.pyc"))
    path.write_text("another")
    pretend_reboot(store)
    with running(root, Start(environment={"FAKE_LATE": "0.2"})):
        assert finished(store)
    assert (late(store), layer_of(store).stat().st_ino) == ("resumed", number)
    assert contents.intact(layer_of(store))
    assert next(store.glob("active/*")).read_bytes().split()[1] == warm.DURABLE


def test_listed_bytecode_that_is_gone_does_not_make_a_layer_unsound(root: Root, store: Path) -> None:
    """Also for who cannot write the store; nor does it stay listed."""
    assert root.run(start=Start(environment={"FAKE_LATE": "0", **MATERIALIZE})).returncode == 0
    next(layer_of(store).glob("lib/*/site-packages/__pycache__/late.pyc")).unlink()
    pretend_reboot(store)
    read_only = ["--bind var/lib/cir var/lib/cir", "-o remount,bind,ro var/lib/cir"]
    done = root.run("hello", start=Start(mounts=read_only))
    assert (done.returncode, "did not survive" in done.stderr) == (0, False), done.stderr
    contents.intact(layer_of(store))
    assert unfinished.is_unfinished(layer_of(store))
    contents.finish(layer_of(store), {})
    assert "late.pyc" not in listed(store)


def test_whoever_looks_over_a_layer_leaves_alone_what_is_being_made(tmp_path: Path) -> None:
    part = tmp_path / unfinished.NAME
    part.mkdir()
    contents.write(tmp_path, "another boot", {})
    (tmp_path / "layer.json").touch()
    contents.write(tmp_path, "another boot", {})
    (tmp_path / "__pycache__").mkdir()
    made = tmp_path / "__pycache__/a.pyc"
    made.touch()
    with part_lock(part):
        assert contents.intact(tmp_path)
        assert made.exists()
    assert contents.intact(tmp_path)
    assert not made.exists(), "perhaps cut short by a crash"


@contextlib.contextmanager
def part_lock(part: Path) -> Iterator[None]:
    handle = os.open(part, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def test_a_list_that_is_written_meanwhile_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x")
    (tmp_path / unfinished.NAME).mkdir()
    contents.write(tmp_path, "boot", {})
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/a.pyc").write_text("bytecode")
    (tmp_path / "__pycache__/half.pyc").write_text("nobody has said that this is whole")
    before = (tmp_path / contents.NAME).stat().st_ino
    contents.finish(tmp_path, {"__pycache__/a.pyc": "crc32=2661617558", "__pycache__/gone.pyc": "crc32=1"})
    assert (tmp_path / contents.NAME).stat().st_ino != before
    paths = [line.split()[2] for line in (tmp_path / contents.NAME).read_text().splitlines()[1:]]
    assert paths == ["__pycache__/a.pyc", "a.py"]
    assert not unfinished.is_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["__pycache__", "a.py", contents.NAME]
