"""Layers cut from trees: deterministic, only what differs, whiteouts, times."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from devtools.engines import layer

SINCE = 2_000_000_000
PACKAGED = 1_600_000_000


def make(tree: Path, files: dict[str, str], time: int = PACKAGED) -> Path:
    """Write files (a value that starts with `->` is a link) with the time of a package."""
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("->"):
            path.symlink_to(content.removeprefix("->"))
        else:
            path.write_text(content)
        os.utime(path, (time, time), follow_symlinks=False)
    return tree


def cut(tree: Path, out: Path, below: Path | None = None) -> dict[str, tarfile.TarInfo]:
    """Write a layer and read it back; its digests are checked."""
    layer.write(SINCE, tree, out, below)
    blob = (out / "layer.tar.gz").read_bytes()
    facts = json.loads((out / "layer.json").read_text())
    assert facts["size"] == len(blob)
    assert facts["digest"] == "sha256:" + hashlib.sha256(blob).hexdigest()
    assert facts["diff_id"] == "sha256:" + hashlib.sha256(gzip.decompress(blob)).hexdigest()
    with tarfile.open(out / "layer.tar.gz") as archive:
        return {member.name: member for member in archive}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make(tmp_path / "tree", {"bin": "->usr/bin", "usr/bin/a": "a", "etc/b": "b"})


def test_everything_is_there(tree: Path, tmp_path: Path) -> None:
    members = cut(tree, tmp_path / "out")
    assert list(members) == ["bin", "etc", "etc/b", "usr", "usr/bin", "usr/bin/a"]
    assert members["bin"].linkname == "usr/bin"
    assert members["usr/bin"].isdir()
    assert {(member.uname, member.gname) for member in members.values()} == {("", "")}


@pytest.mark.parametrize(
    ("name", "is_left_out"),
    [
        ("proc/1/stat", True),
        ("dev/null", True),
        ("tmp/x", True),
        ("run/lock", True),
        ("var/log/dpkg.log", True),
        ("var/log/apt/history.log", True),
        ("var/lib/apt/lists/x_Packages", True),
        ("var/cache/apt/pkgcache.bin", True),
        ("etc/resolv.conf", True),
        ("etc/machine-id", True),
        ("etc/apt/apt.conf.d/99mmdebstrap", True),
        ("var/lib/dpkg/status-old", True),
        ("var/lib/dpkg/status", False),
        ("etc/resolv.conf.d/x", False),
        ("usr/tmp/x", False),
        ("etc/apt/sources.list", False),
    ],
)
def test_state_of_the_making_machine_stays_out(
    tree: Path, tmp_path: Path, name: str, is_left_out: bool
) -> None:
    make(tree, {name: "x"})
    assert (name not in cut(tree, tmp_path / "out")) == is_left_out


def test_empty_folders_of_state_stay(tree: Path, tmp_path: Path) -> None:
    """A container needs /tmp and /proc, apt needs its folders."""
    make(tree, {"proc/1": "", "tmp/x": "", "var/log/apt/x.log": "", "var/cache/apt/archives/partial/x": ""})
    members = cut(tree, tmp_path / "out")
    assert {"proc", "tmp", "var/log/apt", "var/cache/apt/archives/partial"} <= set(members)


def test_only_differences_and_whiteouts(tree: Path, tmp_path: Path) -> None:
    make(tree, {"etc/gone": "x", "old/deep/x": "x"})
    cut(tree, tmp_path / "below")
    make(tree, {"etc/new": "n"})
    (tree / "etc/gone").unlink()
    for path in (tree / "old/deep/x", tree / "old/deep", tree / "old"):
        path.unlink() if path.is_file() else path.rmdir()
    (tree / "etc/b").chmod(0o600)
    members = cut(tree, tmp_path / "out", tmp_path / "below")
    assert list(members) == ["etc/b", "etc/new", "etc/.wh.gone", ".wh.old"]
    assert members["etc/b"].mode == 0o600


def test_times_of_packages_stay_others_become_the_newest_of_them(tree: Path, tmp_path: Path) -> None:
    make(tree, {"usr/newer": "x"}, PACKAGED + 5)
    make(tree, {"etc/made": "x"}, SINCE + 10)
    members = cut(tree, tmp_path / "out")
    assert members["usr/bin/a"].mtime == PACKAGED
    assert members["etc/made"].mtime == PACKAGED + 5
    assert json.loads((tmp_path / "out/layer.json").read_text())["created"] == PACKAGED + 5


def test_same_content_gives_same_bytes(tmp_path: Path) -> None:
    """Files made in another order, at another time, in another place."""
    files = {"etc/b": "b", "usr/bin/a": "a", "usr/bin/link": "->a"}
    one = make(tmp_path / "one", files)
    two = make(tmp_path / "elsewhere/two", dict(reversed(files.items())))
    for tree, time in ((one, SINCE + 1), (two, SINCE + 2)):
        make(tree, {"etc/made": "m"}, time)
        for folder in [tree, *(path for path in tree.rglob("*") if path.is_dir())]:
            os.utime(folder, (time, time))
        layer.write(SINCE, tree, tree.with_name(tree.name + ".out"))
    first, second = (
        folder / "layer.tar.gz" for folder in (tmp_path / "one.out", tmp_path / "elsewhere/two.out")
    )
    assert first.read_bytes() == second.read_bytes()


def test_hard_links_are_kept(tree: Path, tmp_path: Path) -> None:
    os.link(tree / "usr/bin/a", tree / "usr/bin/z")
    members = cut(tree, tmp_path / "out")
    assert members["usr/bin/z"].islnk()
    assert members["usr/bin/z"].linkname == "usr/bin/a"


def test_packages_of_the_status_file(tree: Path, tmp_path: Path) -> None:
    status = "Package: a\nStatus: install ok installed\nVersion: 1-2\n\nPackage: b\nPriority: x\nVersion: 3\n"
    make(tree, {"var/lib/dpkg/status": status})
    cut(tree, tmp_path / "out")
    assert json.loads((tmp_path / "out/packages.json").read_text()) == {"a": "1-2", "b": "3"}
