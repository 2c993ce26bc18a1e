"""What is missing, forbidden, full or broken on a cluster: a message with the way out, a status, nothing lost.

no subuid                          `test_few_rights.test_one_id` (it works); in storage of Buildah
                                   `tests.twin.test_few_rights`, `tests.twin.test_bad_input.test_no_ranges` (77)
no squashfuse, /dev/fuse closed,   `test_layers_cannot_be_mounted` (the next way, said)
image binds forbidden
quota full                         `test_quota_of_the_store`, `..._node`, `..._build` (75), `test_no_room_on_the_node`
store without flock or hard links  `test_a_store_without_locks_and_links` and those after it (it works)
truncated SIF                      `test_a_sif_cut_short` (65)
no apptainer, no mksquashfs        `test_a_program_is_missing` (69)
no buildah                         `tests.twin.test_bad_input.test_neither_program` (69)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import without_links
from tests.twin.apptainer.conftest import Account, Done

CONFIGURATION = "/etc/apptainer/apptainer.conf"


@pytest.fixture(scope="module")
def store(account: Account, sif: Path) -> Path:
    """A store with the layer of the probe."""
    store = account.folder / "bad-store"
    done = account.cir("materialize", "--store", str(store), str(sif))
    assert done.returncode == 0, done.stderr
    return store


@contextmanager
def configured(account: Account, before: str, after: str) -> Iterator[None]:
    """Another word in the administrator's configuration. The file may be shared by hard links, so it is replaced."""
    path = account.engines.instance.rootfs / CONFIGURATION[1:]
    text = path.read_text()
    assert before in text
    kept = path.rename(path.with_suffix(".kept"))
    try:
        path.write_text(text.replace(before, after))
        yield
    finally:
        kept.replace(path)


@contextmanager
def without(account: Account, *programs: str) -> Iterator[None]:
    """Programs that are not installed."""
    hidden = account.engines.instance.rootfs / "opt/hidden"
    hidden.mkdir()
    binaries = account.engines.instance.rootfs / "usr/bin"
    try:
        for name in programs:
            (binaries / name).rename(hidden / name)
        yield
    finally:
        for path in hidden.iterdir():
            path.rename(binaries / path.name)
        hidden.rmdir()


@contextmanager
def fuse_closed(account: Account) -> Iterator[None]:
    """``/dev/fuse`` as many sites have it."""
    account.as_root("chmod", "600", "/dev/fuse")
    try:
        yield
    finally:
        account.as_root("chmod", "666", "/dev/fuse")


def said(done: Done) -> dict[str, str]:
    """What the probe said."""
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout)
    assert answer["greeting"] == "hello"
    return answer


@dataclass(frozen=True)
class Forbidden:
    """A machine on which layers cannot be mounted: how it is made, what is said, where the layer is read from."""

    make: Callable[[Account], object]
    says: str
    where: str


FORBIDDEN = {
    "no squashfuse": Forbidden(
        lambda account: without(account, "squashfuse", "squashfuse_ll"),
        "squashfuse is not installed",
        "/.cir/run/",
    ),
    "fuse closed": Forbidden(fuse_closed, "/dev/fuse cannot be opened", "/.cir/run/"),
    "no squashfs by the administrator": Forbidden(
        lambda account: configured(
            account, "allow container squashfs = yes", "allow container squashfs = no"
        ),
        "allows no squashfs files",
        "/.cir/run/",
    ),
    "no binds by the administrator": Forbidden(
        lambda account: configured(account, "user bind control = yes", "user bind control = no"),
        "allows no binds",
        "/home/cir/.cache/cir/",
    ),
}


@pytest.fixture
def home(account: Account) -> Iterator[Path]:
    """The cache folder of the account, empty before and after."""
    folder = account.engines.instance.rootfs / "home/cir/.cache/cir"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("case", FORBIDDEN)
def test_layers_cannot_be_mounted(
    case: str, account: Account, sif: Path, store: Path, place: Path, home: Path
) -> None:
    """The next way is taken, and said; the application runs all the same, and the store is left as it was."""
    forbidden = FORBIDDEN[case]
    before = sorted(store.rglob("*"))
    with forbidden.make(account):  # type: ignore[attr-defined]
        words = ("run", "--store", str(store), str(sif))
        first = account.cir(*words, env={"TMPDIR": str(place)})
        answer = said(first)
        again = account.cir(*words, env={"TMPDIR": str(place)})
        assert said(again)["file"] == answer["file"]
    assert forbidden.says in first.stderr
    assert answer["file"].startswith(forbidden.where)
    assert sorted(store.rglob("*")) == before
    if forbidden.where.startswith("/.cir"):
        assert "unpacked in" in first.stderr
        assert "unpacked in" not in again.stderr, "unpacked once for all processes of the node"


@pytest.mark.parametrize("case", FORBIDDEN)
@pytest.mark.parametrize("way", ["auto", "node"])
def test_layers_cannot_be_mounted_nor_are_there(
    way: str, case: str, account: Account, sif: Path, place: Path, home: Path
) -> None:
    """Neither can images, from which the layer is made: it is made, and the application runs."""
    assert not home.exists()
    with FORBIDDEN[case].make(account):  # type: ignore[attr-defined]
        store = place / "store"
        words = ("run", "--layer", way, "--store", str(store), str(sif))
        answer = said(account.cir(*words, env={"TMPDIR": str(place)}))
    forbids_binds = FORBIDDEN[case].where.startswith("/home")
    where = (
        str(home).removeprefix(str(account.engines.instance.rootfs)) if forbids_binds else f"{store}/layers/"
    )
    assert answer["file"].startswith("/.cir/run/" if way == "node" and not forbids_binds else where)


@pytest.mark.parametrize("way", ["file", "node", "folder"])
def test_every_way_by_name(way: str, account: Account, sif: Path, store: Path, place: Path) -> None:
    copy = place / "store"
    shutil.copytree(store, copy)
    for path in (copy, *copy.rglob("*")):
        os.chown(path, account.engines.instance.user_id, account.engines.instance.user_id)
    done = account.cir("run", "--layer", way, "--store", str(copy), str(sif), env={"TMPDIR": str(place)})
    where = f"{copy}/layers/" if way == "folder" else "/.cir/run/"
    assert said(done)["file"].startswith(where)


def test_no_room_on_the_node(account: Account, sif: Path, store: Path, place: Path) -> None:
    """The first place has none, so the next one is taken; the layer is removed from it again."""
    small = account.owned(place / "small")
    account.as_root(
        "mount", "-t", "tmpfs", "-o", f"size=4k,uid={account.engines.instance.user_id}", "none", str(small)
    )
    try:
        done = account.cir(
            "run", "--layer", "node", "--store", str(store), str(sif), env={"TMPDIR": str(small)}
        )
        assert said(done)["file"].startswith("/.cir/run/")
        assert f"{small} has no room" in done.stderr or f"cannot be unpacked in {small}" in done.stderr
    finally:
        account.as_root("umount", str(small))
        shutil.rmtree(account.shared_memory / f"cir-{account.engines.instance.user_id}", ignore_errors=True)


@pytest.fixture
def quota(account: Account, place: Path) -> Iterator[Path]:
    """A folder with next to no room."""
    folder = account.owned(place / "quota")
    owner = account.engines.instance.user_id
    account.as_root("mount", "-t", "tmpfs", "-o", f"size=8k,uid={owner},gid={owner}", "none", str(folder))
    yield folder
    account.as_root("umount", str(folder))


def test_quota_of_the_store(account: Account, sif: Path, quota: Path) -> None:
    """The layer was made and does not fit: nothing is left of it, and nothing else is touched."""
    assert account.run("sh", "-c", f"head -c 8192 /dev/zero > {quota}/others").returncode == 0
    done = account.cir("materialize", "--store", str(quota), str(sif))
    assert (done.returncode, done.stdout) == (75, ""), done.stderr
    assert "no space left on device" in done.stderr
    assert "name another folder with --store" in done.stderr
    left = account.run("sh", "-c", f"ls {quota}/layers {quota}/tmp/ {quota}/claims").stdout
    assert ".sqfs" not in left


def test_quota_of_the_node(account: Account, sif: Path, place: Path, quota: Path) -> None:
    """Where the work is done there is no room: that is said of that place, not of the store."""
    done = account.cir("materialize", "--store", str(place / "store"), str(sif), env={"TMPDIR": str(quota)})
    assert (done.returncode, done.stdout) == (75, ""), done.stderr
    assert "set TMPDIR to a folder of this node with more room" in done.stderr
    assert account.run("ls", str(quota)).stdout == ""


@pytest.mark.parametrize("full", ["target", "TMPDIR"])
def test_quota_of_a_build(full: str, account: Account, shim_ref: str, place: Path, quota: Path) -> None:
    """No room for the SIF, or for what Apptainer unpacks: said of both places, and nothing is left of it."""
    (place / "Cirfile").write_text("FROM python:3.11-slim\n")
    env = {"CIR_SHIM": shim_ref} | ({"TMPDIR": str(quota)} if full == "TMPDIR" else {})
    target = (quota if full == "target" else place) / "app.sif"
    done = account.cir("build", "--engine", "apptainer", "-o", str(target), str(place), env=env)
    assert (done.returncode, done.stdout) == (75, ""), done.stderr
    assert "TMPDIR" in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(quota.iterdir()) == []
    assert not target.exists()


#: Locks and links are tried before, so that what follows shows something.
_TRY = """
import fcntl, os, sys
calls = (
    lambda f: fcntl.flock(f, fcntl.LOCK_EX),
    lambda f: fcntl.lockf(f, fcntl.LOCK_EX),
    lambda f: os.link(f.name, f.name + "2"),
)
for call in calls:
    with open(sys.argv[1], "w") as file:
        try:
            call(file)
        except OSError as error:
            print(error.strerror)
"""


@pytest.fixture(scope="module")
def refusing(account: Account) -> list[str]:
    """Leads a command that has no locks and no links, nor has anything that it starts."""
    script = Path(without_links.__file__)
    copy = account.folder / script.name
    shutil.copyfile(script, copy)
    copy.chmod(0o755)
    return ["python3", "-B", str(copy)]


def test_a_store_without_locks_and_links(
    account: Account, sif: Path, place: Path, refusing: list[str]
) -> None:
    """Every process meets a kernel that refuses them: `cir`, Apptainer, the shim in the container."""
    tried = account.run(*refusing, "python3", "-c", _TRY, str(place / "try"))
    assert tried.stdout.splitlines() == [
        "Function not implemented", "No locks available", "Operation not permitted",
    ], tried.stderr  # fmt: skip
    store = place / "store"
    done = account.run(*refusing, *account.cir_words("materialize", "--store", str(store), str(sif)))
    assert done.returncode == 0, done.stderr
    layer = Path(done.stdout.strip())
    assert layer.is_file()
    bound = ("-B", f"{layer}:/.cir/run:ro,image-src=/")
    said(account.run(*refusing, "apptainer", "-s", "run", *bound, str(sif)))
    said(account.run(*refusing, *account.cir_words("run", "--store", str(store), str(sif))))
    assert list((store / "claims").iterdir()) == list((store / "tmp").iterdir()) == []


def test_a_folder_without_locks_and_links(
    account: Account, sif: Path, place: Path, refusing: list[str]
) -> None:
    """Plain `apptainer run` keeps the layer as a folder: the shim copies where it cannot link."""
    store = account.owned(place / "store")
    words = [*refusing, "apptainer", "-s", "run", "-B", str(store), str(sif)]
    for _ in range(2):
        answer = said(account.run(*words, env={"CIR_STORE": str(store)}))
        assert answer["file"].startswith(f"{store}/layers/")
    assert list((store / "claims").iterdir()) == []


@pytest.mark.parametrize("way", ["file", "folder"])
def test_ranks_without_locks_and_links(
    way: str, account: Account, sif: Path, place: Path, refusing: list[str]
) -> None:
    """Several at once, where a claim is no more than a file with a heartbeat."""
    store = place / "store"
    run = account.cir_words("run", "--layer", way, "--store", str(store), str(sif))
    words = account.argv(*refusing, *run)
    begun = [subprocess.Popen(words, stdout=-1, stderr=-1, stdin=-3, text=True) for _ in range(4)]
    ended = [(*process.communicate(timeout=200), process.returncode) for process in begun]
    assert [status for *_, status in ended] == [0] * 4, ended
    assert {json.loads(out)["greeting"] for out, *_ in ended} == {"hello"}
    assert len(list(store.glob("layers/*.sqfs" if way == "file" else "layers/*/layer.json"))) == 1


def test_a_sif_cut_short(account: Account, sif: Path, place: Path) -> None:
    short = place / "short.sif"
    short.write_bytes(sif.read_bytes()[:-100000])
    for words in (("run",), ("materialize",)):
        done = account.cir(*words, "--store", str(place / "store"), str(short))
        assert (done.returncode, done.stdout) == (65, ""), done.stderr
        assert "is cut short" in done.stderr
        assert "copy it again" in done.stderr
    assert not (place / "store").exists()


@pytest.mark.parametrize(("content", "status"), [(b"", 65), (b"#!/bin/sh\n" * 20, 65), (None, 66)])
def test_no_sif_at_all(content: bytes | None, status: int, account: Account, place: Path) -> None:
    path = place / "image.sif"
    if content is not None:
        path.write_bytes(content)
    done = account.cir("run", "--engine", "apptainer", str(path))
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert "hint: " in done.stderr


def test_an_image_of_somebody_else(account: Account, place: Path) -> None:
    """A SIF that was not built from a Cirfile: there is nothing to materialize."""
    tree = place / "tree"
    tree.mkdir()
    target = place / "other.sif"
    assert account.run("apptainer", "build", str(target), str(tree)).returncode == 0
    done = account.cir("materialize", "--store", str(place / "store"), str(target))
    assert (done.returncode, done.stdout) == (65, ""), done.stderr
    assert "was not built from a Cirfile" in done.stderr


@pytest.mark.parametrize(
    ("missing", "says", "way_out"),
    [
        (("apptainer", "singularity", "run-singularity"), "no `apptainer` on PATH", "module load apptainer"),
        (("mksquashfs",), "no `mksquashfs` on PATH", "squashfs-tools"),
    ],
    ids=["apptainer", "mksquashfs"],
)
def test_a_program_is_missing(
    missing: tuple[str, ...], says: str, way_out: str, account: Account, sif: Path, place: Path
) -> None:
    there = [name for name in missing if (account.engines.instance.rootfs / "usr/bin" / name).is_symlink() or
             (account.engines.instance.rootfs / "usr/bin" / name).exists()]  # fmt: skip
    (place / "Cirfile").write_text("FROM python:3.11-slim\n")
    with without(account, *there):
        materialize = account.cir("materialize", "--store", str(place / "store"), str(sif))
        build = account.cir("build", "--engine", "apptainer", "-o", str(place / "app.sif"), str(place))
    for done in (materialize, build):
        assert (done.returncode, done.stdout) == (69, ""), done.stderr
        assert says in done.stderr
        assert way_out in done.stderr
    assert not (place / "app.sif").exists()


def test_without_mksquashfs_it_still_runs(account: Account, sif: Path, place: Path) -> None:
    """The layer is kept as a folder then; `--unpacked` asks for that."""
    store = place / "store"
    with without(account, "mksquashfs"):
        done = account.cir("run", "--layer", "file", "--store", str(store), str(sif))
        assert said(done)["file"].startswith(f"{store}/layers/")
        assert "there is no `mksquashfs`" in done.stderr
        assert account.cir("materialize", "--unpacked", "--store", str(store), str(sif)).returncode == 0


@pytest.mark.parametrize("way", ["auto", "file", "folder"])
def test_nothing_is_there_and_nothing_may_be_fetched(
    way: str, account: Account, sif: Path, place: Path
) -> None:
    words = ("run", "--layer", way, "--store", str(place / "store"), str(sif))
    done = account.cir(*words, env={"CIR_OFFLINE": "1"})
    assert (done.returncode, done.stdout) == (69, ""), done.stderr
    assert f"cir materialize --store {place}/store {sif}" in done.stderr


def test_a_store_of_somebody_else(account: Account, sif: Path, place: Path) -> None:
    store = place / "store"
    store.mkdir(mode=0o755)
    done = account.cir("materialize", "--store", str(store), str(sif))
    assert (done.returncode, done.stdout) == (77, ""), done.stderr
    assert "cannot be written" in done.stderr
    assert list(store.iterdir()) == []


def test_an_index_that_cannot_be_reached(account: Account, sif: Path, place: Path) -> None:
    """What the shim says in its container is what the user reads, with its status."""
    words = account.cir_words("materialize", "--store", str(place / "store"), str(sif))
    number = str(account.engines.instance.user_id)
    apart = ["unshare", "--user", "--net", f"--map-user={number}", f"--map-group={number}"]
    done = account.run(*apart, *words, env={"CIR_TIMEOUT": "20s"})
    assert done.returncode in (69, 75), done.stderr
    assert "greeting" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((place / "store/layers").iterdir()) == []
