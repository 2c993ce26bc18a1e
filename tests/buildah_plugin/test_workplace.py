"""Where a SIF's tree is unpacked: in memory only where that is plenty, and never against what the user set."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildah_plugin.apptainer import workplace

MIB = 1 << 20


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a GiB of memory, no limits, and folders of its own; layers of 10 MiB."""
    for name in workplace._NAMED:
        monkeypatch.delenv(name, raising=False)
    for name in ("shm", "proc/self", "groups", "layers/blobs/sha256", "set"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(workplace, "_MEMORY", tmp_path / "shm")
    monkeypatch.setattr(workplace, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(workplace, "_GROUPS", tmp_path / "groups")
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    1048576 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/user/job\n")
    with (tmp_path / "layers/blobs/sha256/a").open("wb") as file:
        file.truncate(10 * MIB)
    return tmp_path


def place(machine: Path) -> Path:
    with workplace.make(machine / "layers") as folder:
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        return Path(folder).parent


def group(machine: Path, name: str, **files: object) -> None:
    (machine / "groups" / name).mkdir(parents=True, exist_ok=True)
    for file, value in files.items():
        (machine / "groups" / name / file.replace("__", ".")).write_text(f"{value}\n")


def test_in_memory_where_it_is_plenty(machine: Path) -> None:
    group(machine, "user/job", memory__max="max", memory__current=1)
    assert place(machine) == machine / "shm"
    assert list((machine / "shm").iterdir()) == []


@pytest.mark.parametrize(("left", "inside"), [(201 * MIB, True), (199 * MIB, False), (-5, False)])
@pytest.mark.parametrize("where", ["user/job", "user"])
def test_a_limit_of_a_control_group(machine: Path, where: str, left: int, inside: bool) -> None:
    group(machine, "user/job", memory__max="max", memory__current=1)
    group(machine, where, memory__max=left + 77 * MIB, memory__current=77 * MIB)
    assert (place(machine) == machine / "shm") is inside


def test_a_limit_of_the_first_version(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("5:cpu:/a\n4:memory:/slurm/job_1\n0::/\n")
    group(machine, "memory/slurm", memory__limit_in_bytes=10 * MIB, memory__usage_in_bytes=0)
    assert place(machine) != machine / "shm"


@pytest.mark.parametrize(
    "meminfo", ["MemAvailable: 1000 kB\n", "MemTotal: 99999999 kB\n", "MemAvailable: ?\n", None]
)
def test_little_or_unknown_memory(machine: Path, meminfo: str | None) -> None:
    (machine / "proc/meminfo").unlink()
    if meminfo:
        (machine / "proc/meminfo").write_text(meminfo)
    assert place(machine) != machine / "shm"


def test_no_such_file_system(machine: Path) -> None:
    (machine / "shm").rmdir()
    assert place(machine) != machine / "shm"


@pytest.mark.parametrize("name", workplace._NAMED)
def test_what_the_user_set(machine: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, str(machine / "set"))
    assert place(machine) == machine / "set"
    monkeypatch.setenv(name, str(machine / "absent"))
    assert place(machine) == machine / "shm"
