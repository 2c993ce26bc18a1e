"""A platform layer as one file: made once, bound read-only, and what is done where that cannot be."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devtools.engines import enter
from tests.support.index import Fault, Index
from tests.support.wheels import Wheel
from tests.twin.apptainer.conftest import Account, Done, Layout, convert

RANKS = 16
PLACE = "/.cir/run"


def made(account: Account, sif: Path, store: Path) -> Path:
    """The file of a layer, made by `cir materialize`."""
    done = account.cir("materialize", "--store", str(store), str(sif))
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def store(account: Account, sif: Path) -> Path:
    """A store with the layer of the probe; nothing in it may change any more."""
    store = account.folder / "layers-store"
    made(account, sif, store)
    return store


@pytest.fixture(scope="module")
def folder_store(account: Account, sif: Path) -> Path:
    """The same as a folder."""
    store = account.folder / "folder-store"
    assert account.cir("materialize", "--unpacked", "--store", str(store), str(sif)).returncode == 0
    return store


@pytest.fixture(scope="module")
def layer(store: Path) -> Path:
    """The file of that layer."""
    return next(store.glob("layers/*.sqfs"))


def answer(done: Done) -> dict[str, object]:
    """What the probe said."""
    assert done.returncode == 0, done.stderr
    said: dict[str, object] = json.loads(done.stdout)
    return said


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of everything in a folder."""
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


def test_the_file_is_named_by_the_key_and_has_its_digest_beside_it(layer: Path) -> None:
    name, _, digest = layer.name.partition(".sqfs")[0], None, hashlib.sha256(layer.read_bytes()).hexdigest()
    assert len(name) == 64
    assert layer.with_name(layer.name + ".sha256").read_text() == f"{digest}  {layer.name}\n"
    assert layer.stat().st_mode & 0o777 == 0o644


def test_the_same_layer_is_the_same_bytes(account: Account, sif: Path, place: Path, layer: Path) -> None:
    """Made anew, elsewhere, under another umask."""
    store = place / "store"
    words = account.cir_words("materialize", "--store", str(store), str(sif))
    done = account.run("sh", "-c", 'umask 077; exec "$@"', "sh", *words)
    assert done.returncode == 0, done.stderr
    again = store / "layers" / layer.name
    assert again.read_bytes() == layer.read_bytes()
    assert list((store / "tmp").iterdir()) == list((store / "claims").iterdir()) == []


def test_what_is_in_the_file(account: Account, layer: Path, place: Path) -> None:
    """A sealed store: nothing of this machine, user or time."""
    listing = account.run("unsquashfs", "-lls", "-UTC", str(layer)).stdout
    lines = [line.split() for line in listing.splitlines() if "squashfs-root" in line]
    assert {words[1] for words in lines} == {"0/0", "root/root"} & {words[1] for words in lines}
    assert {words[3] for words in lines} == {"1980-01-01"}
    record = account.run("unsquashfs", "-cat", str(layer), f"layers/{layer.stem}/layer.files").stdout
    assert record.startswith("boot sealed\n")
    assert str(account.folder) not in record


def test_plain_apptainer_with_the_file(account: Account, sif: Path, layer: Path) -> None:
    """What `cir materialize` says to write; `exec` needs no shim, commands of the layer neither."""
    bind = ("-B", f"{layer}:{PLACE}:image-src=/")
    said = answer(account.run("apptainer", "-q", "run", *bind, str(sif)))
    assert (said["greeting"], said["child"]) == ("hello", "hello\n")
    assert str(said["file"]).startswith(f"{PLACE}/layer/lib/")
    done = account.run("apptainer", "-q", "exec", *bind, str(sif), "greet")
    assert done.stdout == "hello\n", done.stderr


@pytest.mark.parametrize(
    "flags", [(), ("--compat",), ("--containall", "--cleanenv"), ("--nv",)], ids=" ".join
)
@pytest.mark.parametrize("way", ["file", "folder"])
def test_cir_run(
    way: str, flags: tuple[str, ...], account: Account, sif: Path, store: Path, folder_store: Path
) -> None:
    place = {"file": store, "folder": folder_store}[way]
    before = snapshot(place)
    words = ("run", "--layer", way, "--store", str(place), *flags, str(sif), "a b")
    said = answer(account.cir(*words, env={"CIR_LOG": "quiet"}))
    assert (said["argv"], said["cwd"], said["greeting"]) == (["a b"], "/app", "hello")
    assert str(said["file"]).startswith((PLACE, f"{place}/layers/"))
    assert snapshot(place) == before


#: Where a layer is read from: the file is for stores on a network file system, that of the tests is on a local disk.
WAYS = {"auto": "layers/*/layer.json", "file": "layers/*.sqfs"}


@pytest.mark.parametrize("way", WAYS)
def test_cir_run_makes_what_is_missing(way: str, account: Account, sif: Path, place: Path) -> None:
    store = place / "store"
    words = ("run", "--store", str(store), "--layer", way)
    first = account.cir(*words, str(sif))
    said = answer(first)
    assert said["greeting"] == said["child"].strip() == "hello"  # type: ignore[attr-defined]
    assert str(said["file"]).startswith(f"{store}/layers/" if way == "auto" else f"{PLACE}/layer/")
    assert "platform layer" in first.stderr
    assert (
        len(list(store.glob(WAYS[way]))) == len([*store.glob("layers/*/"), *store.glob("layers/*.sqfs")]) == 1
    )
    again = account.cir(*words, str(sif), "fail", env={"CIR_OFFLINE": "1"})
    assert (again.returncode, "cir: " in again.stderr) == (7, False), again.stderr
    written = account.cir(*words, str(sif), "write")
    assert "Read-only file system" in written.stderr, "no application changes what others run"
    there = account.cir(*words, "--cwd", str(place), str(sif))
    assert "No such file" in there.stderr, "a folder that the caller names wins over the image's"


def test_the_second_image_with_the_same_dependencies_makes_nothing(
    account: Account, layout: Layout, index: Index, store: Path, layer: Path
) -> None:
    """Another application: its record is new, its layer is there."""
    text = f"FROM python:3.11-slim\nREQUIRE pypi --index-url {index.url} greeting\n"
    command = 'CMD ["python3", "-c", "import greeting; print(greeting.WORD)"]\n'
    other = convert(account, layout(text + command, {}), "other.sif")
    stamp = layer.stat()
    assert made(account, other, store) == layer
    assert layer.stat() == stamp
    assert account.cir("run", "--store", str(store), str(other)).stdout == "hello\n"


def test_an_image_without_dependencies_needs_no_layer(account: Account, layout: Layout, place: Path) -> None:
    text = 'FROM python:3.11-slim\nCMD ["python3", "-c", "print(1)"]\n'
    bare = convert(account, layout(text, {}), "bare.sif")
    store = place / "store"
    done = account.cir("materialize", "--store", str(store), str(bare))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert account.cir("run", "--store", str(store), str(bare)).stdout == "1\n"


def test_a_store_that_can_only_be_read(account: Account, sif: Path, place: Path) -> None:
    """Somebody else's, with the layer of another image with the same dependencies: the shim finds it by its key."""
    store = place / "store"
    words = ("run", "--store", str(store), str(sif))
    assert answer(account.cir(*words))["greeting"] == "hello"
    for record in store.glob("active/sif-*"):
        record.unlink()
    account.as_root("mount", "--bind", "-o", "ro", str(store), str(store))
    try:
        assert answer(account.cir(*words, env={"CIR_OFFLINE": "1"}))["greeting"] == "hello"
        nothing = account.cir("run", "--store", str(store / "layers"), str(sif))
        assert nothing.returncode == 77
        assert "name a folder that you can write with --store" in nothing.stderr
    finally:
        account.as_root("umount", str(store))


def test_a_store_behind_a_link(account: Account, sif: Path, place: Path) -> None:
    """As where the home is small, and what is large in it is a link to another disk."""
    (place / "disk").mkdir(mode=0o777)
    (place / "disk").chmod(0o777)
    (place / "store").symlink_to(place / "disk")
    said = answer(account.cir("run", "--store", str(place / "store"), str(sif)))
    assert str(said["file"]).startswith(f"{place}/disk/layers/")


def ranks(account: Account, words: list[str], env: dict[str, str]) -> list[Done]:
    """Start the same command in 16 processes at once."""
    with ThreadPoolExecutor(RANKS) as pool:
        return list(pool.map(lambda _: account.run(*words, env=env), range(RANKS)))


@pytest.fixture
def slow_index(account: Account, index: Index, tmp_path: Path) -> Iterator[Index]:
    """An index of several wheels that answers late, so that an assembly takes a while."""
    for number in range(4):
        files = {f"part{number}/m{n}.py": f"VALUE = {n}\n" for n in range(200)}
        Wheel(f"part{number}", files={f"part{number}/__init__.py": "", **files}).write(tmp_path)
    with Index(tmp_path, address=account.engines.bridge_ip) as running:
        yield running


def parts(account: Account, layout: Layout, index: Index, name: str) -> Path:
    """An application that needs all wheels of the slow index."""
    needs = " ".join(f"part{number}" for number in range(4))
    imports = "; ".join(f"from part{number} import m199" for number in range(4))
    text = f"FROM python:3.11-slim\nREQUIRE pypi --index-url {index.url} {needs}\n"
    return convert(
        account, layout(f'{text}CMD ["python3", "-c", "{imports}; print(m199.VALUE)"]\n', {}), name
    )


@pytest.mark.parametrize("way", WAYS)
def test_ranks_on_an_empty_store(
    way: str, account: Account, layout: Layout, slow_index: Index, place: Path
) -> None:
    """16 at once: one assembles, the others wait, all answer. Then with no network and nothing to write to."""
    sif = parts(account, layout, slow_index, f"ranks-{way}.sif")
    slow_index.requests.clear()
    store = place / "store"
    words = account.cir_words("run", "--store", str(store), "--layer", way, str(sif))
    done = ranks(account, words, {})
    assert [(d.returncode, d.stdout) for d in done] == [(0, "199\n")] * RANKS, [d.stderr for d in done]
    fetched = {path: count for path, count in slow_index.counts().items() if path.endswith(".whl")}
    assert sorted(fetched.values()) == [1, 1, 1, 1]
    assert len(list(store.glob(WAYS[way]))) == 1
    assert list((store / "tmp").iterdir()) == list((store / "claims").iterdir()) == []
    account.as_root("mount", "--bind", "-o", "ro", str(store), str(store))
    try:
        before = snapshot(store)
        done = [
            *ranks(account, isolated(account, words), {"CIR_OFFLINE": "1"}),
            *ranks(account, isolated(account, plain(store, sif, way)), {}),
        ]
        assert [(d.returncode, d.stdout) for d in done] == [(0, "199\n")] * 2 * RANKS, [
            d.stderr for d in done
        ]
        assert snapshot(store) == before
    finally:
        account.as_root("umount", str(store))


def plain(store: Path, sif: Path, way: str) -> list[str]:
    """`apptainer run` as a job script writes it."""
    if way == "auto":
        return ["apptainer", "-q", "run", "-B", str(store), "--env", f"CIR_STORE={store}", str(sif)]
    layer = next(store.glob("layers/*.sqfs"))
    return ["apptainer", "-q", "run", "-B", f"{layer}:{PLACE}:image-src=/", str(sif)]


def isolated(account: Account, words: list[str]) -> list[str]:
    """The command in a network namespace that has no route, not even to itself; the user stays who it is."""
    number = str(account.engines.instance.user_id)
    return ["unshare", "--user", "--net", f"--map-user={number}", f"--map-group={number}", *words]


def test_plain_ranks_on_an_empty_folder(
    account: Account, layout: Layout, slow_index: Index, place: Path
) -> None:
    """Without `cir`: the shims of 16 containers settle it among themselves in a bound folder."""
    sif = parts(account, layout, slow_index, "plain-ranks.sif")
    slow_index.requests.clear()
    store = account.owned(place / "store")
    words = ["apptainer", "-q", "run", "-B", str(store), str(sif)]
    done = ranks(account, words, {"CIR_STORE": str(store)})
    assert [(d.returncode, d.stdout) for d in done] == [(0, "199\n")] * RANKS, [d.stderr for d in done]
    fetched = {path: count for path, count in slow_index.counts().items() if path.endswith(".whl")}
    assert sorted(fetched.values()) == [1, 1, 1, 1]


@pytest.mark.parametrize("way", WAYS)
def test_the_assembler_is_killed(
    way: str, account: Account, layout: Layout, slow_index: Index, place: Path
) -> None:
    """The whole process group of one rank dies in the middle of its work; the waiting ones do it, and leave nothing."""
    sif = parts(account, layout, slow_index, f"killed-{way}.sif")
    store = place / "store"
    slow_index.fail(r"\.whl$", Fault("slow", times=-1, seconds=1.0))
    words = account.cir_words("run", "--store", str(store), "--layer", way, str(sif))
    first = subprocess.Popen(account.argv(*words), start_new_session=True, stdout=-1, stderr=-1)
    deadline = time.monotonic() + 60
    while not list(store.glob("claims/*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    others = [subprocess.Popen(account.argv(*words), stdout=-1, stderr=-1, text=True) for _ in range(3)]
    time.sleep(1)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    begun = time.monotonic()
    done = [process.communicate(timeout=120) for process in others]
    assert [out for out, _ in done] == ["199\n"] * 3, done
    assert time.monotonic() - begun < 30, "nobody waits for a heartbeat of the dead"
    assert list((store / "tmp").iterdir()) == list((store / "claims").iterdir()) == []


def test_the_deadline(account: Account, sif: Path, place: Path) -> None:
    """Somebody has the claim and does not finish: the wait ends with a message, status 75."""
    store = place / "store"
    done = account.cir("materialize", "--store", str(store), str(sif))
    layer = Path(done.stdout.strip())
    for path in (layer, *store.glob("active/*")):
        path.unlink()
    claim = store / "claims" / layer.stem
    hold = (
        "import sys, time; from pathlib import Path; from cirfile.hold import Hold\n"
        "hold = Hold.take(Path(sys.argv[1])); hold.keep(); print('held', flush=True); time.sleep(60)"
    )
    words = ["env", f"PYTHONPATH={account.python_path}", "python3", "-B", "-c", hold, str(claim)]
    with subprocess.Popen(account.argv(*words), stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = account.cir("materialize", "--store", str(store), str(sif), env={"CIR_TIMEOUT": "3"})
        holder.kill()
    assert (done.returncode, done.stdout) == (75, "")
    assert "waiting for another container" in done.stderr
    assert "CIR_TIMEOUT" in done.stderr


def test_a_file_cut_short_is_made_again(account: Account, sif: Path, place: Path) -> None:
    """As after a full disk of the server: the size is not the recorded one, so it does not count."""
    layer = made(account, sif, place / "store")
    whole = layer.read_bytes()
    layer.write_bytes(whole[: len(whole) // 2])
    words = ("run", "--layer", "file", "--store", str(place / "store"), str(sif))
    assert answer(account.cir(*words))["greeting"] == "hello"
    assert layer.read_bytes() == whole


def test_environment_of_tests(account: Account) -> None:
    """The account has no rights: else nothing here would show anything."""
    assert account.run("id", "-u").stdout.strip() == str(account.engines.instance.user_id) != "0"
    assert "HOME" in enter.environment(account.engines.instance, user=True)
