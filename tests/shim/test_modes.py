"""The modes `materialize`, `plan` and `status`, and how progress is shown."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cirfile.codec import canonical, decode_lock
from cirfile.manifest import Manifest
from shim import records, report
from shim.choice import Choices
from shim.facts import Facts
from shim.provider import Choice, Selection
from tests.shim.root import Root, Start, application, artifact


def mode(name: str, log: str = "info") -> Start:
    return Start(environment={"CIR_MODE": name, "CIR_LOG": log})


def test_materialize_makes_the_layer_and_starts_nothing(root: Root) -> None:
    application(root, "alpha")
    for words in ((), ("sh", "-c", "echo started")):
        done = root.run(*words, start=mode("materialize"))
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert len(list(root.folder.glob("var/lib/cir/layers/*"))) == 1
    assert root.run("hello").stderr == ""


def test_materialize_without_requirements(root: Root) -> None:
    root.image(Manifest())
    assert root.run(start=mode("materialize")).returncode == 0
    assert not list(root.folder.glob("var/lib/cir/*"))


def test_plan_says_what_would_be_chosen(root: Root) -> None:
    application(root, "alpha", "beta")
    before = root.run("echo", start=mode("plan"))
    assert before.returncode == 0
    assert before.stderr == ""
    assert "alpha 1.0  alpha-1.0.whl  1.0 kB  the only one" in before.stdout
    assert "to be made" in before.stdout
    assert not list(root.folder.glob("var/lib/cir/*"))
    root.run("/bin/true")
    assert "present in /var/lib/cir" in root.run("echo", start=mode("plan")).stdout


def test_plan_as_json(root: Root) -> None:
    application(root, "alpha")
    plan = json.loads(root.run(start=mode("plan", "json")).stdout)
    assert plan["components"][0]["sha256"] == artifact("alpha", "1.0").sha256
    assert plan["facts"]["libc"] == "glibc"
    assert plan["store"] is None
    root.run("/bin/true")
    assert (root.folder / "var/lib/cir/layers" / plan["key"]).is_dir()


def test_status(root: Root) -> None:
    application(root, "alpha")
    root.run("/bin/true")
    application(root, "beta", "gamma")
    root.run("/bin/true")
    status = json.loads(root.run(start=mode("status", "json")).stdout)
    layers = status["stores"][0]["layers"]
    assert sorted((layer["components"], layer["active"]) for layer in layers) == [(1, False), (2, True)]
    assert all(layer["bytes"] > 0 for layer in layers)
    text = root.run(start=mode("status")).stdout
    assert "2 layers" in text
    assert sum(line.startswith("  * ") for line in text.splitlines()) == 1


def test_status_of_a_layer_that_no_start_finds_at_once(root: Root) -> None:
    """After a reboot, and while bytecode is left to make, it is still this image's."""
    application(root, "alpha")
    root.run("/bin/true")
    store = root.folder / "var/lib/cir"
    for record in store.glob("active/*"):
        record.unlink()
    (layer,) = store.glob("layers/*")
    (layer / "layer.part").mkdir()
    done = root.run(start=mode("status"))
    assert f"  * {layer.name[:12]}" in done.stdout
    assert done.stdout.endswith("1 components, bytecode left to make\n")
    assert "no layer of this image" not in done.stdout
    found = json.loads(root.run(start=mode("status", "json")).stdout)["stores"][0]["layers"][0]
    assert (found["active"], found["unfinished"]) == (True, True)


def test_status_on_a_machine_that_is_not_promised(root: Root) -> None:
    """Nothing fails that only looks: there is no layer of this image here."""
    application(root, "alpha")
    root.run("/bin/true")
    path = root.folder / ".cir/cir.json"
    manifest = json.loads(path.read_bytes()) | {"platforms": {"arch": ["riscv64"]}}
    path.write_bytes(canonical(manifest))
    done = root.run(start=mode("status"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 layers" in done.stdout


def test_status_without_a_store(root: Root) -> None:
    application(root, "alpha")
    (root.folder / "var/lib/cir").rmdir()
    (root.folder / "var/lib").rmdir()
    done = root.run(start=mode("status"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "store     /var/lib/cir (not there)" in done.stdout


def test_front_door_ignores_the_mode(root: Root) -> None:
    """``CIR_MODE`` is meant for the shim; a program that calls `python` gets a Python."""
    application(root, "alpha")
    done = root.run("-c", "import alpha; print(1)", start=mode("plan"), program="/.cir/path/python3")
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("quiet", []),
        ("info", ["cir: fetch", "cir: platform layer "]),
        ("debug", ["cir: machine: arch=", "cir: fetch"]),
    ],
)
def test_lines(root: Root, log: str, expected: list[str]) -> None:
    application(root, "alpha")
    lines = root.run("hello", start=mode("run", log)).stderr.splitlines()
    for start in expected:
        assert any(line.startswith(start) for line in lines), lines
    assert bool(lines) == bool(expected)


def test_json_lines(root: Root) -> None:
    application(root, "alpha")
    lines = root.run("hello", start=mode("run", "json")).stderr.splitlines()
    events = [json.loads(line) for line in lines]
    assert {"event": "phase", "name": "fetch", "total": 1} in events
    assert {event["event"] for event in events} >= {"phase", "note", "debug"}


@pytest.mark.parametrize("colour", [True, False])
def test_bars_on_a_terminal(root: Root, colour: bool) -> None:
    application(root, "alpha", "beta")
    environment = {"TERM": "xterm", "FAKE_PACE": "0.08"} | ({} if colour else {"NO_COLOR": "1"})
    text = on_terminal(root.argv(Start(environment=environment), "/.cir/shim", "hello"))
    assert "fetch" in text
    assert " 50%" in text
    assert ("\x1b[36m" in text) == colour
    assert text.endswith("script /.cir/run/layer\r\n")
    last = text.rpartition("\x1b[K")[2]
    assert "fetch" not in last, "the bar is taken off before the application starts"


def on_terminal(argv: list[str]) -> str:
    """Run a command with a terminal as its three streams; return what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    assert process.wait() == 0, shown
    return shown.decode()


def test_nobody_listens_to_the_progress(root: Root) -> None:
    application(root, "alpha")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        root.argv(Start(), "/.cir/shim", "hello"), stdout=subprocess.PIPE, stderr=writer, text=True
    )
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, "script /.cir/run/layer\n")


def test_bill_of_materials(root: Root) -> None:
    application(root, "alpha", "beta")
    root.run("/bin/true")
    layer = next(root.folder.glob("var/lib/cir/layers/*"))
    bill = json.loads((layer / "sbom.json").read_bytes())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert [part["purl"] for part in bill["components"]] == ["pkg:pypi/alpha@1.0", "pkg:pypi/beta@1.0"]
    described = json.loads((layer / "layer.json").read_bytes())
    assert described["key"] == layer.name
    assert [part["name"] for part in described["components"]] == ["alpha", "beta"]


def test_bill_names_who_needs_whom() -> None:
    lock = decode_lock(
        b'{"cir-lock":1,"ecosystem":"pypi","components":['
        b'{"name":"a","version":"1","dependencies":["b","elsewhere"]},{"name":"b","version":"2"}]}'
    )
    chosen = tuple(Choice(c.name, c.version, artifact(c.name, c.version)) for c in lock.components)
    choices = Choices(Facts("amd64", "glibc"), "ab" * 32, (Selection("pypi", chosen),), {"pypi": lock})
    bill = records.sbom(choices)
    assert bill["dependencies"] == [
        {"ref": "pkg:pypi/a@1", "dependsOn": ["pkg:pypi/b@2"]},
        {"ref": "pkg:pypi/b@2", "dependsOn": []},
    ]
    assert records.sbom(choices) == bill
    assert Path(str(bill["serialNumber"])).name.startswith("urn:uuid:abababab-abab-4bab-abab-abababababab")


@pytest.mark.parametrize("name", ["plan", "status"])
def test_a_reader_that_has_had_enough_is_no_failure(root: Root, name: str) -> None:
    application(root, "alpha")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(root.argv(mode(name), "/.cir/shim"), stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_layer_is_made_without_an_output(root: Root) -> None:
    application(root, "alpha")
    done = root.run("-c", "CIR_MODE=materialize exec /.cir/shim >&-", program="/bin/sh")
    assert done.returncode == 0, done.stderr
    assert list(root.folder.glob("var/lib/cir/layers/*"))


@pytest.mark.parametrize("name", ["plan", "status"])
def test_output_that_finds_no_room(root: Root, name: str) -> None:
    """Python itself would end with 120."""
    application(root, "alpha")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(root.argv(mode(name), "/.cir/shim"), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 75
    assert done.stderr.startswith(b"cir: error: no space left on device")


def test_status_while_another_start_removes_its_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("12")
    really = os.scandir

    def gone(path: Any) -> Any:
        if str(path).endswith("one"):
            raise FileNotFoundError(path)
        return really(path)

    monkeypatch.setattr(os, "scandir", gone)
    assert report._bytes_below(tmp_path) == 2
