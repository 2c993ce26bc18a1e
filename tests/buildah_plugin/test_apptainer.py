"""Stores that are shared, and engines by their names."""

from __future__ import annotations

import json
from pathlib import Path

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
    shown = machine.run("run", "--dry-run", "--store", "store", "--cwd", "/", "app.sif")
    prefix = "SINGULARITYENV" if name == "singularity" else "APPTAINERENV"
    assert f"{prefix}_CIR_WORKDIR=host" in shown.split()
    ran = json.loads(machine.run("run", "--store", "store", "--cwd", "/", "app.sif"))
    assert ran["container"]["CIR_WORKDIR"] == "host"
    own = {call["name"] for call in machine.calls()} - {"mksquashfs"}
    assert own == {"singularity" if name == "singularity" else "apptainer"}
