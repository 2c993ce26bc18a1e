"""Stores that are shared, and engines by their names."""

from __future__ import annotations

import json
import shlex
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
        assert set(ran["container"]) - {"SSL_CERT_FILE"} == {"CIR_STORE", "CIR_UV_DEFAULT_INDEX"}
        assert ran["container"]["CIR_STORE"] == store
        assert ran["container"]["CIR_UV_DEFAULT_INDEX"] == "http://index.example.com/simple", (
            "without the login"
        )
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
    assert f"--bind {machine.folder}/store:{machine.folder}/store:ro " in shown


@pytest.mark.parametrize("flags", [(), ("--layer", "folder"), ("--layer", "node")], ids=" ".join)
@pytest.mark.parametrize("network", [False, True])
def test_a_dry_run_makes_nothing(machine: Machine, flags: tuple[str, ...], network: bool) -> None:
    """It prints what a start would become; of a file that is not made yet the name is not known."""
    if network:
        on_a_network(machine)
    shown = machine.run("run", *flags, "--dry-run", "--store", "store", "app.sif")
    assert shown.split()[-1].endswith("app.sif")
    is_folder = "folder" in flags or not (flags or network)
    assert (f"--bind {machine.folder}/store:{machine.folder}/store:ro " in shown) == is_folder
    assert not (machine.folder / "store").exists()
    assert not (machine.folder / "calls").exists()


@pytest.mark.parametrize("network", [False, True])
def test_a_dry_run_is_what_a_start_becomes(machine: Machine, network: bool) -> None:
    if network:
        on_a_network(machine)
    machine.run("run", "--store", "store", "app.sif")
    shown = shlex.split(machine.run("run", "--dry-run", "--store", "store", "app.sif"))
    machine.run("run", "--store", "store", "app.sif")
    assert shown[shown.index("run") :] == machine.calls()[-1]["words"]


def test_unpacked_on_purpose(machine: Machine) -> None:
    """It looks each time, and the next start has nothing to ask."""
    for _ in range(2):
        assert machine.run("materialize", "--unpacked", "--store", "store", "app.sif").strip() == str(
            machine.folder / "store"
        )
    before = len(executed(machine))
    machine.run("run", "--store", "store", "app.sif", before="export CIR_OFFLINE=1")
    assert len(executed(machine)) == before


def on_a_network(machine: Machine, kind: str = "nfs4") -> None:
    """Let everything be on a network file system."""
    (machine.folder / "mountinfo").write_text(f"22 1 0:5 / / rw - {kind} server:/ rw\n")
    machine.environ["FAKE_MOUNTS"] = str(machine.folder / "mountinfo")


@pytest.mark.parametrize("network", ["lustre", "nfs4", "fuse.sshfs"])
def test_a_network_file_system_gets_a_file(machine: Machine, network: str) -> None:
    on_a_network(machine, network)
    machine.run("run", "--store", "store", "app.sif")
    assert list(machine.folder.glob("store/layers/*.sqfs"))
    assert not [path for path in machine.folder.glob("store/layers/*") if path.is_dir()]


def test_a_folder_is_used_wherever_it_is(machine: Machine) -> None:
    """Made where its disk is local, or on purpose; seen by others through the network, where nothing can be fetched."""
    machine.run("run", "--store", "store", "app.sif")
    (record,) = machine.folder.glob("store/active/sif-*.folder")
    record.write_text(f"{record.read_text().split()[0]} boot-of-the-server\n")
    on_a_network(machine)
    before = len(executed(machine))
    ran = json.loads(machine.run("run", "--store", "store", "app.sif", before="export CIR_OFFLINE=1"))
    assert ran["container"]["CIR_STORE"] == str(machine.folder / "store")
    assert len(executed(machine)) == before
    assert not list(machine.folder.glob("store/layers/*.sqfs"))


def test_after_a_reboot_it_is_looked_over(machine: Machine) -> None:
    """By an assembly with everything that repairing it needs, once."""
    machine.run("run", "--store", "store", "app.sif")
    (record,) = machine.folder.glob("store/active/sif-*.folder")
    record.write_text(f"{record.read_text().split()[0]} another-boot\n")
    for _ in range(2):
        machine.run("run", "--store", "store", "app.sif")
    assert len(executed(machine)) == 2


@pytest.mark.parametrize("log", ["info", "json"])
@pytest.mark.parametrize("command", [("run",), ("materialize",), ("materialize", "--unpacked")], ids=" ".join)
@pytest.mark.parametrize("code", [65, 78])
def test_what_the_shim_says(machine: Machine, command: tuple[str, ...], log: str, code: int) -> None:
    """Its message, hint and status reach the user, whatever language it speaks."""
    machine.environ |= {"FAKE_ERROR": str(code), "CIR_LOG": log}
    running = machine.start(*command, "--store", "store", "app.sif")
    out, said = running.communicate(timeout=60)
    assert (running.returncode, out) == (code, "")
    assert said.splitlines()[-2:] == ["error: it is so", "hint: do this"]


LATEST = '{"cir":1,"pin":{"mode":"latest"}}'


@pytest.mark.parametrize(("manifest", "asks_again"), [("{}", False), (LATEST, True)])
@pytest.mark.parametrize("way", ["folder", "file"])
def test_another_index(machine: Machine, manifest: str, asks_again: bool, way: str) -> None:
    """What was made from one index is not what another one stands for, where the image asks at deployment."""
    machine.environ["FAKE_MANIFEST"] = manifest
    words = ("run", "--layer", way, "--store", "store")
    machine.run(*words, "app.sif")
    before = len(executed(machine))
    machine.run(*words, "app.sif")
    assert len(executed(machine)) == before
    for name in ("UV_DEFAULT_INDEX", "CIR_UV_DEFAULT_INDEX"):
        before = len(executed(machine))
        given = f"{name}=http://{name.lower()}.example.com/simple"
        ran = json.loads(machine.run(*words, "--env", given, "app.sif"))
        assert "CIR_UV_DEFAULT_INDEX" not in ran["container"], "what the user sets is what counts"
        assert (len(executed(machine)) > before) == asks_again


def test_settings_of_the_user_reach_the_assembly(machine: Machine) -> None:
    """Those for the shim, and no others: they may be secrets of the application."""
    given = "CIR_ACCELERATOR=cuda:13.0,UV_INDEX=http://b.example.com/simple,TOKEN=hush"
    machine.run("run", "--store", "store", "--env", given, "--env=CIR_TIMEOUT=90s", "-e", "app.sif")
    (made,) = executed(machine)
    assert made["container"].items() >= {
        "CIR_ACCELERATOR": "cuda:13.0", "UV_INDEX": "http://b.example.com/simple", "CIR_TIMEOUT": "90s",
    }.items()  # fmt: skip
    assert "TOKEN" not in made["container"]
    machine.run("run", "--store", "store", "app.sif")
    assert len(executed(machine)) == 2, "another accelerator, another layer"


def test_offline_by_the_user(machine: Machine) -> None:
    machine.environ["FAKE_ERROR"] = "69"
    running = machine.start("run", "--store", "store", "--env", "CIR_OFFLINE=1", "app.sif")
    out, said = running.communicate(timeout=60)
    assert (running.returncode, out) == (69, "")
    assert f"cir materialize --store {machine.folder}/store" in said


def test_a_store_behind_a_link(machine: Machine) -> None:
    """Apptainer looks for the target of a link inside of the container, where it may not be."""
    (machine.folder / "elsewhere").mkdir()
    (machine.folder / "store").symlink_to("elsewhere")
    shown = machine.run("run", "--dry-run", "--store", "store", "app.sif")
    assert f"--bind {machine.folder}/elsewhere:{machine.folder}/elsewhere:ro " in shown


def test_a_relative_store_of_the_environment(machine: Machine) -> None:
    """The shim takes absolute ones only."""
    machine.environ["CIR_STORE"] = "store"
    for way in ("folder", "file"):
        ran = json.loads(machine.run("run", "--layer", way, "app.sif"))
        assert ran["container"]["CIR_STORE"] == str(machine.folder / "store")


@pytest.mark.parametrize("name", ["a,b", "a:b"])
@pytest.mark.parametrize("way", ["folder", "file"])
def test_a_store_that_cannot_be_bound(machine: Machine, name: str, way: str) -> None:
    (machine.folder / "store").mkdir()
    running = machine.start("run", "--layer", way, "--store", name, "app.sif")
    out, said = running.communicate(timeout=60)
    assert (running.returncode, out) == (64, ""), said
    assert "--store" in said
