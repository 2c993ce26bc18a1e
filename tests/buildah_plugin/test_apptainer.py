"""Stores that are shared, and engines by their names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.buildah_plugin.conftest import Machine
from tests.buildah_plugin.test_ending import BUILD


def modes(store: Path) -> dict[str, int]:
    return {
        str(path.relative_to(store.parent)): path.stat().st_mode & 0o777
        for path in (store, *store.rglob("*"))
    }


@pytest.mark.parametrize("mask", ["077", "027", "002"])
def test_a_store_is_for_everyone(machine: Machine, mask: str) -> None:
    """Others may read all of it, whatever the umask is; a group may write if the umask lets it."""
    machine.run("materialize", "--store", "store", "app.sif", before=f"umask {mask}")
    found = modes(machine.folder / "store")
    assert len([name for name in found if name.startswith("store/layers/") or "/sif-" in name]) == 3
    for name, mode in found.items():
        folder = (machine.folder / name).is_dir()
        assert mode & 0o007 == (0o005 if folder else 0o004), name
        assert bool(mode & 0o020) == (mask == "002") or name.endswith(".sqfs"), name


@pytest.mark.parametrize("name", ["apptainer", "singularity", "linked"])
def test_each_engine_gets_its_own_variables(machine: Machine, name: str) -> None:
    """SingularityCE passes on `SINGULARITYENV_*` only; Apptainer is there under that name, too, by a link."""
    (machine.folder / "bin/apptainer").unlink()
    if name == "linked":
        machine.install("apptainer")
        (machine.folder / "bin/apptainer").rename(machine.folder / "apptainer")
        (machine.folder / "bin/singularity").symlink_to("../apptainer")
    else:
        machine.install(name)
    machine.run(*BUILD)  # unpacks where the variable says, else the program fails
    made = machine.run("materialize", "--store", "store", "app.sif").strip()
    assert made.endswith(".sqfs")
    shown = machine.run("run", "--dry-run", "--store", "store", "--pwd", "/", "app.sif")
    prefix = "SINGULARITYENV" if name == "singularity" else "APPTAINERENV"
    assert f"{prefix}_CIR_WORKDIR=host" in shown.split()
    ran = json.loads(machine.run("run", "--store", "store", "--pwd", "/", "app.sif"))
    assert ran["container"]["CIR_WORKDIR"] == "host"
    own = {call["name"] for call in machine.calls()} - {"mksquashfs"}
    assert own == {"singularity" if name == "singularity" else "apptainer"}


def executed(machine: Machine) -> list[dict[str, Any]]:
    """The calls that were assemblies, or looks at one."""
    return [call for call in machine.calls() if call["words"][0] == "exec"]


def test_a_store_on_a_local_disk_keeps_a_folder(machine: Machine) -> None:
    """Made by a container of its own, which alone gets logins and index settings; the second start makes nothing."""
    (machine.folder / ".netrc").write_text("machine index.example.com login me password hush")
    for _ in range(2):
        ran = json.loads(machine.run("run", "--store", "store", "app.sif", "train.py"))
        store = str(machine.folder / "store")
        assert ran["container"] == {"CIR_STORE": store} | {
            name: value for name, value in ran["container"].items() if name == "SSL_CERT_FILE"
        }
    (made,) = executed(machine)
    assert made["container"]["UV_DEFAULT_INDEX"] == "http://index.example.com/simple"
    assert "NETRC" in made["container"]
    assert made["words"][-1] == "train.py", "what the application needs first is prepared first"
    assert not {call["name"] for call in machine.calls()} & {"mksquashfs", "unsquashfs"}
    assert machine.left() == set()


def test_a_folder_that_is_gone_is_made_again(machine: Machine) -> None:
    machine.run("run", "--store", "store", "app.sif")
    shutil.rmtree(machine.folder / "store/layers")
    machine.run("run", "--store", "store", "app.sif")
    assert len(executed(machine)) == 2
    assert list(machine.folder.glob("store/layers/*/layer.json"))


def test_a_file_that_is_there_is_used(machine: Machine) -> None:
    """`cir materialize` was asked for it, wherever the store is; and it makes one where there is a folder."""
    machine.run("run", "--store", "store", "app.sif")
    made = machine.run("materialize", "--store", "store", "app.sif").strip()
    assert made.endswith(".sqfs")
    shown = machine.run("run", "--dry-run", "--store", "store", "app.sif")
    assert f"{made}:/.cir/run:ro,image-src=/" in shown
    shown = machine.run("run", "--layer", "folder", "--dry-run", "--store", "store", "app.sif")
    assert f"--bind {machine.folder}/store " in shown


@pytest.mark.parametrize("flags", [(), ("--layer", "folder"), ("--layer", "node")], ids=" ".join)
def test_a_dry_run_makes_nothing(machine: Machine, flags: tuple[str, ...]) -> None:
    shown = machine.run("run", *flags, "--dry-run", "--store", "store", "app.sif")
    assert shown.split()[-1].endswith("app.sif")
    assert not (machine.folder / "store").exists()


def test_unpacked_on_purpose(machine: Machine) -> None:
    """It looks each time, and the next start has nothing to ask."""
    for _ in range(2):
        assert machine.run("materialize", "--unpacked", "--store", "store", "app.sif").strip() == str(
            machine.folder / "store"
        )
    before = len(executed(machine))
    machine.run("run", "--store", "store", "app.sif", before="export CIR_OFFLINE=1")
    assert len(executed(machine)) == before


@pytest.mark.parametrize("network", ["lustre", "nfs4", "fuse.sshfs"])
def test_a_network_file_system_gets_a_file(machine: Machine, network: str) -> None:
    (machine.folder / "mountinfo").write_text(f"22 1 0:5 / / rw - {network} server:/ rw\n")
    machine.environ["FAKE_MOUNTS"] = str(machine.folder / "mountinfo")
    machine.run("run", "--store", "store", "app.sif")
    assert list(machine.folder.glob("store/layers/*.sqfs"))
    assert not [path for path in machine.folder.glob("store/layers/*") if path.is_dir()]
