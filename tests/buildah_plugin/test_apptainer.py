"""Stores that are shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.buildah_plugin.conftest import Machine


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
