"""Which stores are on a disk of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildah_plugin.apptainer import filesystem

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:5 / /scratch rw master:2 shared:3 - lustre 10.0.0.1@tcp:/scratch rw,flock
31 22 0:6 / /home rw - nfs4 server:/home rw
32 31 0:7 / /home/me/fast rw - xfs /dev/nvme0n1 rw
33 22 0:8 / /with\\040blank rw - fuse.sshfs me@server:/ rw
34 22 0:9 / /mnt rw - nfs server:/mnt rw
35 34 0:10 / /mnt rw - tmpfs none rw
36 22 0:11 / /scratch2 rw - btrfs /dev/sdb rw
"""


@pytest.mark.parametrize(
    ("folder", "kind", "local"),
    [
        ("/var/lib/cir", "ext4", True),
        ("/scratch/me/cir", "lustre", False),
        ("/scratch2/cir", "btrfs", True),
        ("/home/me/.cache/cir", "nfs4", False),
        ("/home/me/fast/cir", "xfs", True),
        ("/home/me/fast", "xfs", True),
        ("/home/me/faster", "nfs4", False),
        ("/with blank/cir", "fuse.sshfs", False),
        ("/mnt/cir", "tmpfs", True),
    ],
)
def test_the_kind(
    folder: str, kind: str, local: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(filesystem, "_MOUNTS", tmp_path / "mountinfo")
    assert (filesystem.kind(Path(folder)), filesystem.is_local(Path(folder))) == (kind, local)


def test_links_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on clusters, where a folder in the home leads to the scratch file system."""
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(filesystem, "_MOUNTS", tmp_path / "mountinfo")
    (tmp_path / "link").symlink_to("/scratch/me")
    assert filesystem.kind(tmp_path / "link/cir") == "lustre"
    (tmp_path / "circle").symlink_to("circle")
    assert not filesystem.is_local(tmp_path / "circle/cir")


def test_nothing_can_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "_MOUNTS", tmp_path / "missing")
    assert not filesystem.is_local(Path("/var"))


def test_this_machine(tmp_path: Path) -> None:
    """`stat` says the same, in its own words."""
    assert filesystem.kind(tmp_path) == filesystem.kind(tmp_path / "not/there/yet") != ""
    assert filesystem.kind(Path("/proc/self")) == "proc"
    assert filesystem.kind(Path("/dev/shm")) == "tmpfs"
