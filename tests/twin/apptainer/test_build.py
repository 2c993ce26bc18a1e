"""`cir build --engine apptainer`: a SIF as an ordinary user, which is the image that every other engine builds."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import ocitree
from tests.support.index import Index
from tests.twin.apptainer.conftest import CIRFILE, PROBE, Account

APPS = Path(__file__).resolve().parents[3] / "testdata/apps"
#: What Apptainer puts into every SIF of an image, beside its own folder.
ADDED: tuple[str, ...] = (
    ".singularity.d",
    ".exec",
    ".run",
    ".shell",
    ".test",
    "environment",
    "singularity",
    "dev",
    "proc",
    "sys",
)
#: Folders that it makes where an image has none.
ADDED += (
    "home",
    "root",
    "tmp",
    "var/tmp",
    "etc/hosts",
    "etc/resolv.conf",
    "etc/mtab",
    "etc/hostname",
    "root/.bashrc",
)
#: Characters that Apptainer's own script of an image's environment does not quote well: values with them arrive
#: changed, from any image. Neither the plan nor the shim can help, which do not know what was there.
SPOILED = set('"$\\`')
#: Those above them, where an image has nothing at all.
ABOVE = {"etc", "var"}
#: Variables that Apptainer sets for every program, and two of ours instead of packages in the user's home.
SET = (
    *(
        "APPTAINER_APPNAME",
        "APPTAINER_BIND",
        "APPTAINER_COMMAND",
        "APPTAINER_CONTAINER",
        "APPTAINER_ENVIRONMENT",
    ),
    *(
        "APPTAINER_NAME",
        "SINGULARITY_BIND",
        "SINGULARITY_COMMAND",
        "SINGULARITY_CONTAINER",
        "SINGULARITY_ENVIRONMENT",
    ),
    *(
        "SINGULARITY_NAME",
        "PROMPT_COMMAND",
        "PS1",
        "LD_LIBRARY_PATH",
        "HOME",
        "PWD",
        "TERM",
        "USER_PATH",
        "LANG",
        "UID",
    ),
    *("PYTHONNOUSERSITE", "R_LIBS_USER", "LC_CTYPE"),
)


@pytest.fixture(scope="module")
def context(account: Account, index: Index) -> Path:
    """A build context with the probe."""
    folder = account.folder / "build-context"
    folder.mkdir()
    (folder / "Cirfile").write_text(CIRFILE.format(index=index.url))
    (folder / "probe.py").write_text(PROBE)
    (folder / "probe.py").chmod(0o640)
    os.chown(folder / "probe.py", account.engines.instance.user_id, account.engines.instance.user_id)
    return folder


@pytest.fixture(scope="module")
def env(shim_ref: str) -> dict[str, str]:
    """Where the twin gets the shim."""
    return {"CIR_SHIM": shim_ref}


def built(account: Account, target: Path, context: Path, env: dict[str, str], *words: str) -> Path:
    done = account.cir("build", "--engine", "apptainer", "-o", str(target), *words, str(context), env=env)
    assert done.returncode == 0, done.stderr
    return target


def content_of(account: Account, sif: Path, place: Path) -> dict[str, tuple[str, int, str]]:
    """Kind, mode and content of every file of a SIF."""
    data = sif.read_bytes()
    offset = next(at for at in range(4096, len(data), 4096) if data[at : at + 4] == b"hsqs")
    done = account.run("unsquashfs", "-q", "-n", "-o", str(offset), "-d", str(place / "tree"), str(sif))
    assert done.returncode == 0, done.stderr
    found = {}
    for path in (place / "tree").rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            entry = ("link", 0o777, str(path.readlink()))
        elif stat.S_ISDIR(mode):
            entry = ("folder", mode & 0o7777, "")
        else:
            entry = ("file", mode & 0o7777, hashlib.sha256(path.read_bytes()).hexdigest())
        found[str(path.relative_to(place / "tree"))] = entry
    return found


def image_of(account: Account, context: Path, env: dict[str, str], place: Path, *words: str) -> ocitree.Image:
    """The OCI image that the same plan gives; by Buildah, which `tests.twin.test_twin` compares with BuildKit."""
    archive = place / "app.tar"
    given = ("build", "--engine", "buildah", "-o", f"type=oci,dest={archive}", *words, str(context))
    done = account.cir(*given, env=env)
    assert done.returncode == 0, done.stderr
    (image,) = ocitree.read(archive.read_bytes()).values()
    return image


def same_tree(account: Account, sif: Path, image: ocitree.Image, place: Path) -> None:
    """Path, kind, mode, content are those of the image; owners become the caller's.

    Differences: what Apptainer adds, that its owner may always read and enter what is in the image, and that no
    program gets another user's rights (no owner of such a program is in the file).
    """
    wanted = {path: (e.kind, e.mode, e.content) for path, e in image.tree.items()}
    found = content_of(account, sif, place)
    more = found.keys() - wanted.keys() - ABOVE
    assert {path for path in more if not path.startswith(ADDED)} == set()
    assert {path for path in wanted.keys() - found.keys() if not path.startswith("dev/")} == set()
    different = {
        path: (entry, found[path])
        for path, entry in wanted.items()
        if path in found and path not in ADDED and readable(entry) != found[path]
    }
    assert different == {}


def readable(entry: tuple[str, int, str]) -> tuple[str, int, str]:
    """An entry as it is once its owner may read, and write to, and enter it, and it gives nobody rights."""
    kind, mode, content = entry
    return kind, mode & ~0o6000 | {"file": 0o600, "folder": 0o700}.get(kind, 0), content


def same_environment(account: Account, sif: Path, image: ocitree.Image) -> None:
    """What the image's configuration says; PATH without the link that a host's ``/dev/shm`` would decide about."""
    wanted = dict(line.split("=", 1) for line in image.config["config"]["Env"])
    show = "import json, posix; print(json.dumps({k.decode(): v.decode() for k, v in posix.environ.items()}))"
    done = account.run(
        "apptainer", "-s", "exec", "--cleanenv", str(sif), "/.cir/bin/python3", "-IS", "-c", show
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    path = [folder for folder in wanted.pop("PATH").split(":") if folder != "/.cir/run/layer/bin"]
    assert [f for f in found.pop("PATH").split(":") if f in path] == path
    assert {name for name in found if name not in SET or name in wanted} == wanted.keys()
    assert {
        name: value for name, value in wanted.items() if value != found[name] and not SPOILED & set(value)
    } == {}


def test_the_same_image(account: Account, context: Path, env: dict[str, str], place: Path) -> None:
    """Tree and environment are those of the OCI image that the same plan gives."""
    sif = built(account, place / "app.sif", context, env)
    image = image_of(account, context, env, place)
    same_tree(account, sif, image, place)
    same_environment(account, sif, image)


def test_it_runs(account: Account, context: Path, env: dict[str, str], place: Path) -> None:
    """Built, materialized, run: three commands of `cir`, and one of Apptainer alone."""
    sif = built(account, place / "app.sif", context, env)
    store = str(place / "store")
    layer = account.cir("materialize", "--store", store, str(sif)).stdout.strip()
    done = account.run("apptainer", "-s", "run", "-B", f"{layer}:/.cir/run:image-src=/", str(sif), "x")
    assert json.loads(done.stdout)["argv"] == ["x"], done.stderr
    assert account.cir("run", "--store", store, str(sif), "fail").returncode == 7


@pytest.mark.slow
@pytest.mark.parametrize("app", ["plain", "etl", "fastapi", "sklearn"])
def test_apps(app: str, account: Account, env: dict[str, str], place: Path) -> None:
    """Every application of testdata does under Apptainer what it does under Docker: its own check says so.

    Its tree and environment are the image's.
    """
    copy = place / app
    shutil.copytree(APPS / app, copy)
    sif = built(account, place / f"{app}.sif", copy, env)
    image = image_of(account, copy, env, place)
    same_tree(account, sif, image, place)
    same_environment(account, sif, image)
    store = place / "store"
    done = account.cir("materialize", "--store", str(store), str(sif))
    assert done.returncode == 0, done.stderr
    bind = ("-B", f"{done.stdout.strip()}:/.cir/run:image-src=/") if done.stdout.strip() else ()
    done = account.run("apptainer", "-s", "exec", *bind, str(sif), "/.cir/shim", "./verify")
    assert done.returncode == 0, done.stderr
    assert any(line.startswith(app) for line in done.stdout.splitlines()), done.stdout


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ((), 64, "-o app.sif"),
        (("-o", "a.sif", "-o", "b.sif"), 64, "-o app.sif"),
        (("-o", "."), 64, "names no file"),
        (("-o", "/proc/app.sif"), 77, "/proc cannot be written"),
        (("-o", "a.sif", "--push"), 64, "--push"),
        (("-o", "a.sif", "-t", "name"), 64, "--tag"),
        (("-o", "a.sif", "--platform", "linux/amd64,linux/arm64"), 64, "one platform"),
        (("-o", "a.sif", "--ssh", "default"), 64, "buildkit"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_words(
    words: tuple[str, ...], status: int, says: str, account: Account, context: Path, place: Path
) -> None:
    done = account.cir("build", "--engine", "apptainer", *words, str(context), cwd=place)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert list(place.iterdir()) == []


def test_a_platform_of_its_own(account: Account, context: Path, env: dict[str, str], place: Path) -> None:
    """Built for arm64 without running anything of it; here it is refused by name."""
    metadata = place / "metadata.json"
    flags = ("--platform", "linux/arm64", "--metadata-file", str(metadata))
    sif = built(account, place / "arm.sif", context, env, *flags)
    told = json.loads(metadata.read_text())
    assert told["containerimage.digest"].startswith("sha256:")
    assert told["image.name"] == str(sif)
    done = account.cir("run", str(sif), env=env)
    assert (done.returncode, done.stdout) == (78, ""), done.stderr
    assert "is for arm64, this machine is amd64" in done.stderr


@pytest.mark.parametrize("named", [False, True])
def test_where_the_tree_is_unpacked(named: bool, account: Account, shim_ref: str, place: Path) -> None:
    """In memory, where this machine has enough of it, or where the user says; nothing is left there."""
    (place / "Cirfile").write_text("FROM python:3.11-slim\n")
    folder = account.owned(place / "node") if named else account.shared_memory
    before = set(folder.glob("cir-*"))
    env = {"CIR_SHIM": shim_ref} | ({"APPTAINER_TMPDIR": str(folder)} if named else {})
    words = account.cir_words("build", "--engine", "apptainer", "-o", str(place / "app.sif"), str(place))
    with subprocess.Popen(account.argv(*words, env=env), stderr=subprocess.PIPE, text=True) as process:
        trees = set()
        while process.poll() is None:
            trees |= {path.parent.parent.parent for path in folder.glob("cir-*/*/*/etc/debian_version")}
            time.sleep(0.01)
        assert process.stderr
        assert process.returncode == 0, process.stderr.read()
    assert len(trees - before) == 1
    assert set(folder.glob("cir-*")) <= before
