"""What is different where Apptainer runs the shim: a bound store, the working folder, a shared ``/dev/shm``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildah_plugin.apptainer import squashfs
from cirfile import hostenv
from cirfile.codec import encode_manifest
from cirfile.manifest import Manifest, Requirement
from shim import settings, warm
from tests.shim.root import Root, Start, application, lock

UNDER = {"APPTAINER_CONTAINER": "/images/app.sif"}


@pytest.fixture
def store(root: Root, tmp_path: Path) -> Path:
    """A store with the layer of an application that the root is."""
    application(root, "alpha")
    store = tmp_path / "store"
    store.mkdir()
    done = root.run("/bin/true", start=Start(mounts=[f"--bind {store} var/lib/cir"]))
    assert done.returncode == 0, done.stderr
    return store


def bound(folder: Path, *, read_only: bool = True) -> list[str]:
    """Mounts that put a sealed store where an engine binds it."""
    return [f"--bind {folder} .cir/run", *(["-o remount,bind,ro .cir/run"] if read_only else [])]


def sealed(store: Path, place: Path) -> Path:
    (layer,) = (store / "layers").iterdir()
    return squashfs.seal(store, layer.name, place)


def test_a_bound_store_is_warm_and_active(root: Root, store: Path, tmp_path: Path) -> None:
    """Found by its record; the link of the active layer leads into it; nothing is said or written."""
    place = sealed(store, tmp_path / "sealed")
    for start in (Start(mounts=bound(place)), Start(mounts=bound(place), read_only=True, user=77)):
        done = root.run("hello", start=replace(start, environment=UNDER))
        assert (done.stdout, done.stderr) == ("script /.cir/run/layer\n", "")


def test_a_bound_store_of_another_image_with_the_same_layer(root: Root, store: Path, tmp_path: Path) -> None:
    """Without a record of this image it is found by its key; that the layer is older than this boot is no matter."""
    place = sealed(store, tmp_path / "sealed")
    for record in (place / "active").iterdir():
        record.unlink()
    done = root.run("hello", start=Start(mounts=bound(place), environment=UNDER))
    assert (done.stdout, done.stderr) == ("script /.cir/run/layer\n", "")


def test_a_store_that_can_be_written_is_no_bound_one(root: Root, store: Path, tmp_path: Path) -> None:
    """``/.cir/run`` of an image is open to everyone in its container: what lies there counts only when sealed."""
    place = sealed(store, tmp_path / "sealed")
    done = root.run("hello", start=Start(mounts=bound(place, read_only=False)))
    assert "platform layer" in done.stderr


def test_working_folder(root: Root) -> None:
    """That of the manifest, only under Apptainer, and only if nobody says otherwise."""
    (root.folder / "srv/my app").mkdir(parents=True)
    root.image(Manifest(requirements=(Requirement("pypi", "alpha"),), workdir="/srv/my app"), lock("alpha"))
    stay = {**UNDER, "CIR_WORKDIR": "host"}
    for environment, folder in ((UNDER, "/srv/my app"), ({}, "/work"), (stay, "/work")):
        done = root.run("/bin/pwd", start=Start(environment=environment))
        assert done.stdout == f"{folder}\n", done.stderr


@pytest.mark.parametrize("folder", ["", "/app", "/a b", '/a"b', "/a\\b", "/\u00e4"])
def test_working_folder_without_parsing(folder: str) -> None:
    text = 'a; extra == "workdir"'
    manifest = Manifest(requirements=(Requirement("pypi", text),), workdir=folder)
    assert warm.workdir(encode_manifest(manifest)) == folder


def test_shared_memory_of_the_host_is_left_alone(root: Root, store: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shm"
    shared.mkdir()
    mounts = [f"--bind {store} var/lib/cir"]
    (root.folder / ".cir/run/layer").unlink()  # as it is in an image, before any start
    (root.folder / ".cir/run/layer").symlink_to("/dev/shm/.cir/layer")
    start = Start(read_only=True, shared_memory=str(shared), mounts=mounts, environment=UNDER)
    done = root.run("hello", start=start)
    assert done.stdout.startswith("script /var/lib/cir/layers/"), done.stderr
    assert list(shared.iterdir()) == []


def test_the_reference_names_what_is_withheld() -> None:
    """The table of variables cannot import the list: it is on the warm path."""
    meaning = next(text for name, _, text in settings.VARIABLES if name == hostenv.ASK)
    named = [
        word for word in meaning.replace("`", " ").replace(",", " ").split() if word.isupper() and "_" in word
    ]
    for name in named:
        known = hostenv.is_withheld(name) or name in hostenv.PREFIXES
        assert known, name


def test_handed_on() -> None:
    host = {"PYTHONPATH": "/x", "UV_INDEX": "/y", "R_LIBS": "/z", "TERM": "dumb"}
    assert hostenv.handed_on(host.items()) == {"TERM": "dumb", "PYTHONNOUSERSITE": "1", "R_LIBS_USER": "NULL"}
    asked = hostenv.handed_on((host | {"CIR_HOST_ENV": "UV_INDEX,PYTHONNOUSERSITE"}).items())
    assert asked == {
        "TERM": "dumb",
        "UV_INDEX": "/y",
        "R_LIBS_USER": "NULL",
        "CIR_HOST_ENV": "UV_INDEX,PYTHONNOUSERSITE",
    }
    assert hostenv.handed_on((host | {"CIR_HOST_ENV": "all"}).items()) == host | {"CIR_HOST_ENV": "all"}
