"""The warm path costs next to nothing: what it imports, how much memory it takes, what it relies on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cirfile import layout, manifest
from cirfile.codec import encode_manifest
from cirfile.imageconfig import ImageConfig
from cirfile.manifest import Conditions, Manifest, Pin, Requirement, Setup
from cirfile.parser import parse
from cirfile.planner import plan
from cirfile.request import Request
from cirfile.source import Source
from shim import paths, warm
from tests.shim.root import VERSION, Root, Start, application

#: What a bare interpreter has loaded, and the modules of the warm path with the built-in ones they use.
ALLOWED = {
    "_sha256",
    "errno",
    "shim",
    "shim.activate",
    "shim.launch",
    "shim.paths",
    "shim.settings",
    "shim.warm",
}
ARCH: Conditions = (("arch", ("amd64", "arm64")),)


def test_places_are_those_of_the_layout() -> None:
    ours = (paths.ACTIVE_LAYER, paths.ACTIVE_BIN, paths.FRONT_DOORS, f"{paths.OWN}/shim", paths.MANIFEST)
    assert ours == (
        layout.ACTIVE_LAYER,
        layout.ACTIVE_BIN,
        layout.FRONT_DOORS,
        layout.SHIM,
        manifest.MANIFEST_PATH,
    )


def test_imports(root: Root) -> None:
    """One module more is a millisecond more, at every start of every container."""
    application(root, "alpha")
    root.run("/bin/true")
    bare, ours = (
        imported(root, code)
        for code in ("", "import sys; sys.argv = ['', '/bin/true']; from shim.__main__ import main; main()")
    )
    assert ours - bare <= ALLOWED | {"shim.__main__"}


def imported(root: Root, code: str, start: Start | None = None) -> set[str]:
    """The modules that the bundled interpreter imports while it runs `code`."""
    done = root.run("-IS", "-X", "importtime", "-c", code, start=start, program="/.cir/bin/python3")
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()[1:]}


def test_memory(root: Root) -> None:
    """At most 40 MB resident when the application takes over."""
    application(root, "alpha")
    root.run("/bin/true")
    # The last thing before execve is to say how large the process has become.
    code = (
        "import posix, sys, types\n"
        "from shim import launch\n"
        "def say(*_): print(open('/proc/self/status').read())\n"
        "launch.posix = types.SimpleNamespace(**{**vars(posix), 'execve': say})\n"
        "sys.argv = ['', '/bin/true']\n"
        "from shim.__main__ import main; main()\n"
    )
    status = root.run("-IS", "-c", code, program="/.cir/bin/python3").stdout
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 40_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Manifest(), True),
        (Manifest(platforms=ARCH), True),
        (Manifest(platforms=ARCH, pin=Pin("as-of", "2026-01-01")), True),
        (Manifest(platforms=(("arch", ("arm64",)),)), False),
        (Manifest(platforms=(*ARCH, ("libc", ("glibc",)))), False),
        (Manifest(platforms=(("accelerator", ("none",)), *ARCH)), True),
        (Manifest(platforms=(("accelerator", ("cuda", "none")), *ARCH)), True),
        (Manifest(platforms=(("accelerator", ("cuda",)), *ARCH)), False),
        (Manifest(platforms=(("accelerator", ("none",)), ("arch", ("arm64",)))), False),
        (Manifest(platforms=(("accelerator", ("none",)), *ARCH, ("microarch", ("v3",)))), False),
        (Manifest(platforms=(("accelerator", ("none",)),)), False),
        (Manifest(requirements=(Requirement("pypi", "a"),), platforms=ARCH), False),
        (Manifest(setup=(Setup(("a",)),), platforms=ARCH), False),
        (Manifest(constraints=(Requirement("pypi", 'a; extra == "requirements"'),), platforms=ARCH), True),
    ],
)
def test_needs_nothing(value: Manifest, expected: bool) -> None:
    for accelerator in ("auto", "none"):
        assert (
            warm.needs_nothing(encode_manifest(value), "amd64", accelerator, {b"PATH": b"/nowhere"})
            == expected
        )


def test_an_accelerator_that_is_asked_for_needs_a_closer_look() -> None:
    promised = encode_manifest(Manifest(platforms=(("accelerator", ("cuda", "none")), *ARCH)))
    assert not warm.needs_nothing(promised, "amd64", "cuda:13.0", {})


@pytest.mark.parametrize(
    ("python3", "expected"),
    [("python3.11", True), ("../one/python3.11", True), ("python3.12", False), ("", False), (None, True)],
)
def test_a_promised_python_is_that_of_the_base(tmp_path: Path, python3: str | None, expected: bool) -> None:
    """As its name says; where that says nothing the cold path looks closer."""
    for name in ("python3.11", "python3.12"):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / name).touch(0o755)
    (tmp_path / "path").mkdir()
    for name in ("python3.11", "python3.12") if python3 else ():
        (tmp_path / "path" / name).touch(0o755)
    if python3:
        (tmp_path / "path/python3").symlink_to(python3)
    elif python3 is not None:
        (tmp_path / "path/python3").touch(0o755)
    promised = encode_manifest(Manifest(platforms=(*ARCH, ("python", ("3.11",)))))
    path = {b"PATH": str(tmp_path / "path").encode()}
    assert warm.needs_nothing(promised, "amd64", "auto", path) == expected


def test_an_image_without_requirements_needs_nothing(root: Root) -> None:
    """The manifest as the planner writes it for a base with Python, not as this test would."""
    text = 'FROM python:3\nCMD ["true"]\n'
    base = ImageConfig(env=(("PYTHON_VERSION", f"{VERSION.removeprefix('python')}.1"),))
    planned = plan(parse(Source("Cirfile", text)), Request(base_config=base)).manifest
    assert "python" in dict(planned.platforms)
    root.image(planned)
    folder = root.folder / "usr-python"
    folder.mkdir()
    (folder / VERSION).symlink_to("/usr/bin/env")
    (folder / "python3").symlink_to(VERSION)
    start = Start(environment={"PATH": "/usr-python"})
    code = "import sys; sys.argv = ['', '/bin/true']; from shim.__main__ import main; main()"
    assert imported(root, code, start) - imported(root, "", start) <= ALLOWED | {"shim.__main__"}


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"cir":1', b'{"cir":2}\n', b'{"cir":11}\n', b'{"cir":1}', b"[]\n"]
)
def test_what_is_no_manifest_needs_a_closer_look(data: bytes) -> None:
    assert not warm.needs_nothing(data, "amd64", "auto", {})


def test_address_changes_with_what_matters(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "python3").write_text(f"#!/bin/sh\n# {name}\n")
        (tmp_path / name / "python3").chmod(0o755)
    path = {name: str(tmp_path / name).encode() for name in ("one", "two")}
    base = warm.address(b"m", {b"PATH": path["one"]})
    assert warm.address(b"m", {b"PATH": path["one"], b"OTHER": b"x"}) == base
    assert warm.address(b"m", {b"PATH": b"/.cir/path:" + path["one"]}) == base
    different = [
        warm.address(b"n", {b"PATH": path["one"]}),
        warm.address(b"m", {b"PATH": path["two"]}),
        warm.address(b"m", {b"PATH": b"/nowhere"}),
        warm.address(b"m", {b"PATH": path["one"], b"CIR_ACCELERATOR": b"none"}),
    ]
    assert len({base, *different}) == 5


def test_base_python_skips_the_front_doors(tmp_path: Path) -> None:
    for name in ("a/python", "b/python3", "c/python3.12"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o755)
    folders = [str(tmp_path / name) for name in "abc"]
    assert warm.base_python(folders) == f"{tmp_path}/b/python3"
    assert warm.base_python(folders[:1] + folders[2:]) == f"{tmp_path}/a/python"
    assert warm.base_python(folders[2:]) == f"{tmp_path}/c/python3.12"
    (tmp_path / "b/python3").chmod(0o644)
    assert warm.base_python(folders) == f"{tmp_path}/a/python"
    assert warm.search_path({b"PATH": b"/.cir/run/layer/bin:/.cir/path:/usr/bin::/bin"}) == [
        "/usr/bin",
        "/bin",
    ]


def test_start_takes_no_longer_than_the_interpreter(root: Root) -> None:
    """The shim's own work is little beside the start of its interpreter, measured in the same run."""
    application(root, "alpha")
    root.run("/bin/true")
    loop = (
        "import subprocess,time\n"
        "C = [['/.cir/shim','/bin/true'], ['/.cir/bin/python3','-IS','-c','pass']]\n"
        "T = [[], []]\n"
        "for _ in range(40):\n"
        "  for c, t in zip(C, T):\n"
        "    a = time.perf_counter(); subprocess.run(c); t.append(time.perf_counter() - a)\n"
        "print(*[min(t) * 1000 for t in T])\n"
    )
    done = subprocess.run(
        root.argv(Start(), "/usr/bin/python3", "-c", loop), capture_output=True, text=True, check=True
    )
    shim, bare = map(float, done.stdout.split())
    assert shim < 1.5 * bare, "the best of forty each, so that a busy machine does not matter"
