"""Facts of recorded machines, and of interpreters that have to be asked."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import pytest

from cirfile.conditions import VOCABULARY
from cirfile.hierarchy import included
from cirfile.manifest import Manifest, Requirement
from shim import choice, elf, microarch, promise
from shim.base_python import interpreter
from shim.errors import ShimError
from shim.facts import Facts, Interpreter
from shim.probe import accelerator, describe
from shim.profile import profiles
from shim.tree import Tree
from tests.shim.record_host import HOSTS, probe
from tests.shim.root import PYTHON

V2 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = f"{V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"


@pytest.mark.parametrize("name", sorted(path.parent.name for path in HOSTS.glob("*/host.json")))
def test_recorded_machine(name: str) -> None:
    assert probe(HOSTS / name) == json.loads((HOSTS / name / "facts.json").read_text())


def test_there_are_recorded_machines() -> None:
    assert len(list(HOSTS.glob("*/facts.json"))) >= 7


@pytest.mark.parametrize(
    ("flags", "level"),
    [("", "x86-64-v1"), (V2, "x86-64-v2"), (V3, "x86-64-v3"), (V3.replace("fma ", ""), "x86-64-v2"),
     (f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl", "x86-64-v4"), ("avx512f", "x86-64-v1")],
)  # fmt: skip
def test_levels(flags: str, level: str) -> None:
    assert microarch.level("amd64", flags) == level
    assert microarch.level("arm64", flags) == "armv8"
    assert microarch.level("arm64", f"{flags} sve sve2 bti") == "armv9"
    assert microarch.level("riscv64", flags) == ""


def test_every_level_that_can_be_promised_is_some_machines() -> None:
    every = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl sve2"
    reached = {
        level for arch in ("amd64", "arm64") for level in included("microarch", microarch.level(arch, every))
    }
    assert reached == set(VOCABULARY["microarch"].values)


def test_another_implementation_of_python_is_refused() -> None:
    """It would look for packages elsewhere, and locks hold for CPython alone."""
    pypy = Interpreter("/usr/local/bin/pypy3.11", (3, 11, 13), "pypy")
    facts = Facts("amd64", "glibc", (2, 36), pypy)
    choice.check(Manifest(), facts)
    with pytest.raises(ShimError, match=r"pypy3\.11 is pypy") as caught:
        choice.check(Manifest((Requirement("pypi", "six"),)), facts)
    assert caught.value.code == 78


def test_foreign_architecture_is_refused() -> None:
    with pytest.raises(ShimError, match="mips64") as caught:
        describe(Tree(), "mips64", "", "")
    assert caught.value.code == 78


def test_python_of_an_unusual_layout_is_asked(tmp_path: Path) -> None:
    """A script in front of the real interpreter, as version managers have it."""
    wrapper = tmp_path / "python3"
    wrapper.write_text(f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    wrapper.chmod(0o755)
    found = interpreter(Tree(), str(wrapper))
    assert found
    assert found.version == sys.version_info[:3]
    assert Path(found.path).samefile(PYTHON)
    assert found.implementation == "cpython"


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho hello\n", "#!/no/such\n", ""])
def test_python_that_does_not_answer_is_none(tmp_path: Path, script: str) -> None:
    broken = tmp_path / "python3"
    broken.write_text(script)
    broken.chmod(0o755)
    assert interpreter(Tree(), str(broken)) is None


def test_free_threaded_python_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib/python3.13t").mkdir(parents=True)
    (tmp_path / "lib/python3.13t/os.py").touch()
    (tmp_path / "bin/python3.13t").write_bytes(b"ELF\0003.13.1\0")
    found = interpreter(Tree(), str(tmp_path / "bin/python3.13t"), may_run=False)
    assert found == Interpreter(str(tmp_path / "bin/python3.13t"), (3, 13, 1), "cpython", "t")


def test_links_of_a_recorded_tree_stay_in_it(tmp_path: Path) -> None:
    for folder in ("usr/bin", "etc"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bin").symlink_to("/usr/bin")
    (tmp_path / "usr/bin/a").symlink_to("../../../../etc/b")
    (tmp_path / "etc/b").write_text("inside")
    (tmp_path / "loop").symlink_to("loop")
    tree = Tree(str(tmp_path))
    assert tree.resolve("/bin/a") == "/etc/b"
    assert tree.read("/bin/a") == b"inside"
    assert tree.read("/loop") == b""
    assert not tree.is_file("/bin")


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh", b"\x7fELF", b"\x7fELF" + b"\xff" * 200, b"\x7fELF\x02\x01" + bytes(100)]
)
def test_no_elf_has_no_interpreter(data: bytes) -> None:
    assert elf.interpreter(data) == ""


@pytest.mark.parametrize("order", ["<", ">"])
def test_elf_of_32_bits_and_both_byte_orders(order: str) -> None:
    name = b"/lib/ld-musl-armhf.so.1\0"
    head = b"\x7fELF" + bytes([1, 1 if order == "<" else 2, 1]) + bytes(9)
    head += struct.pack(order + "HHIIIIIHHHHHH", 3, 40, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    head += struct.pack(order + "IIIIIIII", 3, 84, 84, 84, len(name), len(name), 4, 1)
    assert elf.interpreter(head + name) == "/lib/ld-musl-armhf.so.1"


@pytest.mark.parametrize(
    ("wanted", "fact"), [("auto", "none"), ("none", "none"), ("xpu", "xpu"), ("rocm:6.4", "rocm:6.4")]
)
def test_accelerator(wanted: str, fact: str) -> None:
    assert accelerator(wanted) == fact


def test_profiles_end_with_the_processor() -> None:
    assert [p.name for p in profiles(Facts("amd64", "glibc"))] == ["cpu"]
    assert [p.name for p in profiles(Facts("amd64", "glibc", accelerator="cuda:13.0"))] == ["cuda13", "cpu"]


FACTS = Facts(
    "amd64",
    "glibc",
    (2, 36),
    Interpreter("/usr/bin/python3.13t", (3, 13, 1), abiflags="t"),
    "cuda:13.0",
    "x86-64-v3",
)


@pytest.mark.parametrize(
    ("fact", "values", "holds"),
    [
        ("arch", ("arm64", "amd64"), True),
        ("arch", ("arm64",), False),
        ("libc", ("glibc",), True),
        ("libc", ("musl",), False),
        ("python", ("3.13t",), True),
        ("python", ("3.13",), False),
        ("accelerator", ("cuda",), True),
        ("accelerator", ("cuda:13.0",), True),
        ("accelerator", ("cuda:12.6", "none"), False),
        ("microarch", ("x86-64-v2",), True),
        ("microarch", ("x86-64-v3",), True),
        ("microarch", ("x86-64-v4",), False),
        ("weather", ("fine",), False),
    ],
)
def test_conditions(fact: str, values: tuple[str, ...], holds: bool) -> None:
    assert promise.fulfilled(((fact, values),), FACTS) == holds
    assert promise.fulfilled(((fact, values), ("arch", ("s390x",))), FACTS) is False
    manifest = Manifest(platforms=((fact, values),))
    if holds:
        promise.check(manifest, FACTS)
    else:
        with pytest.raises(ShimError, match=fact):
            promise.check(manifest, FACTS)
