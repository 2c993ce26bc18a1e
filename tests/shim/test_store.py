"""One store under fire: many starts at once, deaths at any moment, leftovers, crashes of the host."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirfile import hold
from cirfile.hold import Hold, Watch
from cirfile.manifest import Manifest
from shim import contents, warm
from shim.choice import Choices
from shim.facts import Facts
from shim.materialize import Work, materialize
from shim.progress import Silent
from shim.provider import Hint
from shim.store import Store
from tests.shim.root import CHECKOUT, Root, Start, application

KEY = "ab" * 32
KILLS = 100

#: Other processes, as programs: one in the middle of its work, one that asks for a hold, one that keeps it.
WORKER = """
import sys; from pathlib import Path; from shim.store import Store
work = Store(Path(sys.argv[1])).begin("c" * 64); print(work.folder, flush=True); input()
"""
ASKER = (
    "import sys; from pathlib import Path; from cirfile.hold import Hold; print(Hold.take(Path(sys.argv[1])))"
)
OWNER = """
import sys, time; from pathlib import Path; from cirfile.hold import Hold
hold = Hold.take(Path(sys.argv[1])); print(hold, flush=True); time.sleep(60)
"""


def python(code: str, path: Path) -> list[str]:
    return [sys.executable, "-c", code, str(path)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def store_of(root: Root) -> Path:
    return root.folder / "var/lib/cir"


def leftovers(store: Path) -> list[Path]:
    return [path for name in ("tmp", "claims", "trash") for path in (store / name).iterdir()]


def make(store: Store, key: str = KEY, text: str = "content") -> Path:
    """Publish a small layer."""
    work = store.begin(key)
    (work.folder / "lib").mkdir()
    (work.folder / "lib/a.py").write_text(text)
    (work.folder / "layer.json").write_text("{}")
    contents.write(work.folder, warm.boot_id().decode(), {})
    return store.publish(work, key)


def test_ten_starts_assemble_once(root: Root) -> None:
    application(root, "alpha", "beta", "gamma")
    start = Start(environment={"FAKE_PACE": "0.02"})
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: root.run("hello", start=start), range(10)))
    assert [(d.returncode, d.stdout) for d in done] == [(0, "script /.cir/run/layer\n")] * 10
    assert len(list(store_of(root).glob("cache/pypi/run-*"))) == 1
    assert len(list(store_of(root).glob("layers/*"))) == 1
    assert leftovers(store_of(root)) == []


def seconds_of(root: Root, argv: list[str]) -> float:
    """How long a first start takes."""
    forget(store_of(root))
    begun = time.monotonic()
    subprocess.run(argv, check=True, capture_output=True)
    return time.monotonic() - begun


@pytest.mark.slow
def test_killed_at_any_moment(root: Root) -> None:
    """SIGKILL during a hundred assemblies; after each the very next start finds a store that heals."""
    application(root, *(f"part{number}" for number in range(8)))
    chance = random.Random(7)
    argv = root.argv(Start(environment={"FAKE_FILES": "20", "CIR_LOG": "quiet"}), "/.cir/shim", "hello")
    window = seconds_of(root, argv) / 2
    killed = attempts = 0
    while killed < KILLS:
        attempts += 1
        assert attempts < 3 * KILLS, "most starts had ended before they were killed"
        forget(store_of(root))
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not list((store_of(root) / "claims").iterdir()) and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, window))
        process.kill()
        _, err = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), err
        hit = not list(store_of(root).glob("layers/*"))
        killed += hit
        window *= 1.03 if hit else 0.9  # the machine is now more, now less busy
        done = subprocess.run(argv, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "script /.cir/run/layer\n"), done.stderr
        layers = [path.name for path in store_of(root).glob("layers/*")]
        assert len(layers) == 1
        assert contents.intact(store_of(root) / "layers" / layers[0])
        assert not hit or leftovers(store_of(root)) == []


def forget(store: Path) -> None:
    """Take away what is published, so that the next start assembles."""
    for path in (store / "active").glob("*"):
        path.unlink()
    for path in (store / "layers").glob("*"):
        path.rename(store / "trash" / f"{path.name}.{time.monotonic_ns()}")


def test_dead_owner_is_replaced_at_once(root: Root) -> None:
    application(root, "alpha", "hang")
    process = subprocess.Popen(root.argv(Start(), "/.cir/shim", "hello"), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not list(store_of(root).glob("tmp/*/lib")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert leftovers(store_of(root)) != []
    application(root, "alpha")
    begun = time.monotonic()
    assert root.run("hello").returncode == 0
    assert time.monotonic() - begun < 2
    assert leftovers(store_of(root)) == []


def test_layer_is_shared_by_images_with_the_same_needs(root: Root) -> None:
    application(root, "alpha", "beta")
    root.run("/bin/true")
    other = root.folder / ".cir/cir.json"
    other.write_bytes(other.read_bytes().replace(b'"cir":1,', b'"cir":1,"constraints":[],'))
    done = root.run("hello")
    assert (done.stdout, done.stderr) == ("script /.cir/run/layer\n", "")
    assert len(list(store_of(root).glob("layers/*"))) == 1
    assert len(list(store_of(root).glob("active/*"))) == 2


def test_after_a_reboot_the_layer_is_looked_over_once(root: Root) -> None:
    application(root, "alpha")
    root.run("/bin/true")
    layer = next(store_of(root).glob("layers/*"))
    record = next(store_of(root).glob("active/*"))
    pretend_reboot(layer, record)
    assert root.run("hello", start=Start(environment={"CIR_LOG": "debug"})).returncode == 0
    assert record.read_bytes().split()[1] == warm.DURABLE
    assert layer.stat().st_ino == next(store_of(root).glob("layers/*")).stat().st_ino


def test_after_a_crash_of_the_host_a_damaged_layer_is_made_again(root: Root) -> None:
    application(root, "alpha")
    root.run("/bin/true")
    layer = next(store_of(root).glob("layers/*"))
    module = next(layer.glob("lib/*/site-packages/alpha.py"))
    module.write_text("")
    pretend_reboot(layer, next(store_of(root).glob("active/*")))
    done = root.run("python3", "-c", "import alpha; print(alpha.NAME)")
    assert (done.returncode, done.stdout) == (0, "alpha\n")
    assert "did not survive a crash" in done.stderr


def test_ten_starts_after_a_crash_of_the_host_assemble_once(root: Root) -> None:
    application(root, "alpha", "beta")
    root.run("/bin/true")
    layer = next(store_of(root).glob("layers/*"))
    next(layer.glob("lib/*/site-packages/alpha.py")).write_text("")
    pretend_reboot(layer, next(store_of(root).glob("active/*")))
    start = Start(environment={"FAKE_PACE": "0.02"})
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: root.run("hello", start=start), range(10)))
    assert [(d.returncode, d.stdout) for d in done] == [(0, "script /.cir/run/layer\n")] * 10, done
    assert len(list(store_of(root).glob("cache/pypi/run-*"))) == 2
    assert leftovers(store_of(root)) == []


def test_a_late_healer_leaves_the_new_layer_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its look at the damaged layer and its claim another start has made a new one."""
    layer = make(store, text="damaged")
    new = []

    def look(self: Store, key: str) -> bool:
        self.discard(layer)
        new.append((make(self) / "layer.json").stat().st_ino)
        return False

    monkeypatch.setattr(Store, "is_sound", look)
    choices = Choices(Facts("amd64", "glibc", (2, 36), None), KEY, (), {})
    work = Work(choices, Manifest(), Silent(), lambda: None, {}, False, Hint(), "", wait=True, whole=True)
    assert materialize(work, store) == layer
    assert [(layer / "layer.json").stat().st_ino] == new


def test_a_layer_that_another_host_makes_meanwhile_is_not_trusted_unseen(store: Store) -> None:
    """Who waits for another host's layer has not looked it over: if that host crashes, it may be cut short."""
    other, address = "0" * 36, "cd" * 32
    choices = Choices(Facts("amd64", "glibc", (2, 36), None), KEY, (), {})
    work = Work(choices, Manifest(), Silent(), lambda: None, {}, False, Hint(), "", wait=True, whole=True)
    hold = Hold.take(store.claim(KEY))
    assert hold

    def publish() -> None:
        made = store.begin(KEY)
        (made.folder / "a.py").write_text("content")
        (made.folder / "layer.json").write_text("{}")
        contents.write(made.folder, other, {})
        store.publish(made, KEY)
        hold.release()

    timer = threading.Timer(0.2, publish)
    timer.start()
    waiting = Store(store.root)
    layer = materialize(work, waiting)
    timer.join()
    waiting.record(address, KEY)
    assert (store.root / "active" / address).read_text() == f"{KEY} {other}\n"
    assert warm.find_layer(str(store.root), address) is None
    assert waiting.is_sound(KEY)
    waiting.record(address, KEY)
    assert warm.find_layer(str(store.root), address) == str(layer)
    (layer / "a.py").write_text("")
    assert Store(store.root).is_sound(KEY), "it was seen whole after that boot, and is not read again"
    (store.root / "active" / address).unlink()
    assert not Store(store.root).is_sound(KEY)


def test_what_makes_layers_reads_one_of_an_earlier_boot_once(root: Root) -> None:
    """`cir run` asks for the layer before each start, and never takes the warm path."""
    application(root, "alpha")
    root.run("/bin/true")
    layer = next(store_of(root).glob("layers/*"))
    pretend_reboot(layer, next(store_of(root).glob("active/*")))
    materialize = Start(environment={"CIR_MODE": "materialize"})
    assert root.run(start=materialize).returncode == 0
    module = next(layer.glob("lib/*/site-packages/alpha.py"))
    module.write_text("changed = True\n")
    done = root.run(start=materialize)
    assert (done.returncode, "did not survive" in done.stderr) == (0, False)
    assert module.read_text() == "changed = True\n"


def test_a_layer_made_anew_is_not_what_was_said_of_the_old_one(store: Store) -> None:
    """Another image's record says that the layer has survived a boot; that layer is deleted, and made again."""
    layer = make(store)
    pretend_reboot(layer, layer / "layer.json")
    assert store.is_sound(KEY)
    store.record("a" * 64, KEY)
    store.record("b" * 64, KEY)
    store.keep("c" * 64, b"cd" * 32 + b" durable\n")
    (store.root / "active" / ("d" * 64)).mkdir()  # what cannot be read is no record
    store.remove(layer)
    layer = make(store)
    store.record("a" * 64, KEY)
    pretend_reboot(layer, store.root / "active" / ("a" * 64))
    (layer / "lib/a.py").write_text("")
    assert warm.find_layer(str(store.root), "b" * 64) is None
    assert not Store(store.root).is_sound(KEY)
    assert sorted(path.name[0] for path in (store.root / "active").iterdir()) == ["a", "c", "d"]


def test_a_damaged_layer_in_a_store_that_cannot_be_written_is_made_elsewhere(root: Root) -> None:
    application(root, "alpha")
    root.run("/bin/true")
    layer = next(store_of(root).glob("layers/*"))
    next(layer.glob("lib/*/site-packages/alpha.py")).write_text("")
    pretend_reboot(layer, next(store_of(root).glob("active/*")))
    read_only = ["--bind var/lib/cir var/lib/cir", "-o remount,bind,ro var/lib/cir"]
    start = Start(mounts=read_only, environment={"HOME": "/work"})
    done = [root.run("python3", "-c", "import alpha; print(alpha.NAME)", start=start) for _ in range(2)]
    assert [(d.returncode, d.stdout) for d in done] == [(0, "alpha\n")] * 2, done
    assert "the layer goes to /work/.cache/cir" in done[0].stderr
    assert done[1].stderr == ""


def pretend_reboot(layer: Path, record: Path) -> None:
    """Let layer and record say that they were made in an earlier boot."""
    boot = warm.boot_id()
    for path in (layer / contents.NAME, record):
        path.write_bytes(path.read_bytes().replace(boot, b"0" * len(boot)))


@pytest.mark.parametrize(
    "record", [b"", b"nonsense", b"\0" * 100, b"../../../etc durable", b"ab" * 32 + b" durable"]
)
def test_damaged_record_is_as_good_as_none(root: Root, record: bytes) -> None:
    application(root, "alpha")
    root.run("/bin/true")
    path = next(store_of(root).glob("active/*"))
    path.write_bytes(record)
    assert root.run("hello").stdout == "script /.cir/run/layer\n"
    assert path.read_bytes() != record


def test_layer_is_read_by_every_user_whatever_the_umask(root: Root) -> None:
    application(root, "alpha")
    done = root.run("-c", "umask 077; exec /.cir/shim /bin/sh -c umask", program="/bin/sh")
    assert done.stdout == "0077\n", done.stderr
    assert root.run("hello", start=Start(user=1000)).stdout == "script /.cir/run/layer\n"


def test_publish_after_another_process_uses_its_layer(store: Store) -> None:
    late = store.begin(KEY)
    (late.folder / "layer.json").write_text("late")
    first = make(store)
    assert store.publish(late, KEY) == first
    assert (first / "layer.json").read_text() == "{}"
    store.sweep()
    assert leftovers(store.root) == []


def test_publish_over_a_ruin(store: Store) -> None:
    store.path(KEY).mkdir()
    (store.path(KEY) / "half").touch()
    make(store)
    assert store.is_sound(KEY)
    assert not (store.path(KEY) / "half").exists()


@pytest.mark.parametrize("damage", ["shorter", "longer", "zeroed", "gone", "list gone", "list cut"])
def test_unsound_layers_are_found(store: Store, damage: str) -> None:
    layer = make(store)
    pretend_reboot(layer, layer / "layer.json")
    assert store.is_sound(KEY)
    path = layer / "lib/a.py"
    listing = layer / contents.NAME
    inflict: dict[str, Callable[[], object]] = {
        "shorter": lambda: path.write_text("con"),
        "longer": lambda: path.write_text("content content"),
        "zeroed": lambda: path.write_bytes(bytes(path.stat().st_size)),
        "gone": path.unlink,
        "list gone": listing.unlink,
        "list cut": lambda: listing.write_bytes(listing.read_bytes()[:-5]),
    }
    inflict[damage]()
    assert not store.is_sound(KEY)


def test_bytecode_of_applications_does_not_make_a_layer_unsound(store: Store) -> None:
    layer = make(store)
    pretend_reboot(layer, layer / "layer.json")
    (layer / "lib/a.cpython-311.pyc").write_bytes(b"half")
    assert store.is_sound(KEY)
    assert not (layer / "lib/a.cpython-311.pyc").exists()


def test_sweep_leaves_living_work_alone(store: Store) -> None:
    mine = store.begin(KEY)
    pipe = subprocess.PIPE
    other = subprocess.Popen(python(WORKER, store.root), stdin=pipe, stdout=pipe, text=True, cwd=CHECKOUT)
    assert other.stdout
    theirs = Path(other.stdout.readline().strip())
    store.sweep()
    assert mine.folder.is_dir()
    assert theirs.is_dir()
    other.kill()
    other.communicate()
    store.sweep()
    assert mine.folder.is_dir()
    assert not theirs.exists()


def test_sweep_removes_old_work_without_a_hold(store: Store) -> None:
    old, young = store.root / "tmp/old", store.root / "tmp/young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "file").touch()
    os.utime(old, (0, 0))
    store.sweep()
    assert [path.name for path in (store.root / "tmp").iterdir()] == ["young"]


def test_hold_is_exclusive_between_processes(tmp_path: Path) -> None:
    path = tmp_path / "hold"
    mine = Hold.take(path)
    assert mine
    asked = subprocess.run(python(ASKER, path), capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert asked.stdout == "None\n"
    assert Hold.take(path) is None
    mine.release()
    assert not path.exists()
    again = Hold.take(path)
    assert again
    again.release()


def test_a_hold_taken_during_a_release_keeps_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a sweep of the same process, to which the kernel grants every lock that the process has."""
    path = tmp_path / "hold"
    mine = Hold.take(path)
    assert mine
    taken: list[Hold | None] = []
    taker = threading.Thread(target=lambda: taken.append(Hold.take(path)))
    really = hold._is

    def slowly(path: Path, handle: int) -> bool:
        found = really(path, handle)
        if threading.current_thread() is not taker:
            taker.start()
            taker.join(0.3)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(hold, "_is", slowly)
        mine.release()
    taker.join(10)
    (other,) = taken
    assert other
    assert path.exists()
    other.release()
    assert not path.exists()


def test_hold_without_locks_rests_on_its_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Lustre without ``-o flock``: the file itself is the hold until its heartbeat stops."""

    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    monkeypatch.setattr(hold, "STALE", 0.2)
    path = tmp_path / "hold"
    first = Hold.take(path)
    assert first
    Hold._mine.clear()  # from here on we play another process
    watch = Watch(path)
    assert not watch.stopped()
    assert Hold.take(path, seize=watch.stopped()) is None
    os.utime(path, (1, 1))
    assert not watch.stopped()
    time.sleep(0.3)
    second = Hold.take(path, seize=watch.stopped())
    assert second
    first.release()
    assert path.exists(), "the late owner must not take away the hold of the new one"
    second.release()
    assert not path.exists()


def test_owner_without_locks_is_respected_by_one_with_locks(tmp_path: Path) -> None:
    path = tmp_path / "hold"
    path.write_bytes(b"no locks\n")
    assert Hold.take(path) is None


def test_owner_on_another_host_is_respected_where_locks_hold_within_one(store: Store) -> None:
    """As on Lustre with ``-o localflock``: its lock is not seen here, its heartbeat is."""
    theirs = store.root / "tmp/0123.node7.1.abc"
    theirs.mkdir()
    files = [theirs.with_name(f"{theirs.name}.hold"), store.claim(KEY)]
    for path in files:
        path.write_bytes(b"9e3f2c9a-0000-4000-8000-000000000000\n")
        assert Hold.take(path) is None
    store.sweep()
    assert theirs.is_dir()
    assert all(path.exists() for path in files)
    for path in files:
        os.utime(path, (time.time() - hold.LEFT - 1,) * 2)
    store.sweep()
    assert not theirs.exists()
    assert not any(path.exists() for path in files)


def test_owner_of_another_boot_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "STALE", 0.2)
    path = tmp_path / "hold"
    path.write_bytes(b"9e3f2c9a-0000-4000-8000-000000000000\n")
    watch = Watch(path)
    assert not watch.stopped()
    time.sleep(0.3)
    mine = Hold.take(path, seize=watch.stopped())
    assert mine
    assert path.read_text() == Path("/proc/sys/kernel/random/boot_id").read_text()
    mine.release()


def test_stopped_owner_is_passed_over(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner that is alive and frozen (`docker pause`) holds its lock; its heartbeat tells."""
    monkeypatch.setattr(hold, "STALE", 0.2)
    path = root.folder / "hold"
    owner = subprocess.Popen(python(OWNER, path), stdout=subprocess.PIPE, cwd=CHECKOUT)
    assert owner.stdout
    owner.stdout.readline()
    watch = Watch(path)
    assert not watch.stopped()
    time.sleep(0.3)
    mine = Hold.take(path, seize=watch.stopped())
    assert mine
    owner.kill()
    owner.communicate()
    mine.release()


def test_bytecode_that_cannot_be_removed_does_not_make_a_layer_unsound(root: Root) -> None:
    """After a reboot, in a store that is mounted read-only."""
    application(root, "alpha")
    root.run("/bin/true")
    layer = next(store_of(root).glob("layers/*"))
    pretend_reboot(layer, next(store_of(root).glob("active/*")))
    next(layer.glob("lib/*/site-packages")).joinpath("alpha.cpython-311.pyc").write_bytes(b"half")
    start = Start(mounts=["--bind var/lib/cir var/lib/cir", "-o remount,bind,ro var/lib/cir"])
    done = root.run("hello", start=start)
    assert (done.returncode, done.stdout) == (0, "script /.cir/run/layer\n"), done.stderr


names = st.text("abc.é /\u2028\x85\x0b", min_size=1, max_size=8).filter(lambda name: bool(name.strip("./ ")))


@given(st.dictionaries(names, st.binary(max_size=9), max_size=6))
def test_lists_of_any_names_are_sound(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("layer")
    for name, data in {**files, "layer.json": b"{}"}.items():
        path = folder / name.replace("/", "_")
        path.write_bytes(data)
    contents.write(folder, "elsewhere", {})
    assert contents.intact(folder)
    assert contents.boot_of(folder) == "elsewhere"


def test_a_hold_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk a file can still be made; that nothing fits shows where something is to be written."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    mine = Hold.take(tmp_path / "hold")
    assert mine
    mine.release()
