# ruff: noqa: E501 (rows of tables are read as rows)
"""Choosing wheels from a lock: alone, and against what pip and uv choose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import packaging.markers
import pytest

from cirfile.lock import Artifact, Component, Lock
from shim.errors import ShimError
from shim.facts import Facts, Interpreter
from shim.providers.pypi.selection import marker_environment, select
from tests.shim.providers.support import FACTS, PYTHON
from tests.support.index import Index
from tests.support.wheels import Wheel

PY311 = Interpreter("/usr/bin/python3", (3, 11, 2))
GLIBC = Facts("amd64", "glibc", (2, 36), PY311)
MUSL = Facts("amd64", "musl", (1, 2), PY311)
ARM = Facts("arm64", "glibc", (2, 36), PY311)

OFFERS = (
    "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp311-cp311-manylinux_2_28_x86_64",
    "cp311-cp311-manylinux_2_39_x86_64",
    "cp311-cp311-manylinux_2_28_aarch64",
    "cp311-cp311-musllinux_1_2_x86_64",
    "cp312-cp312-manylinux_2_28_x86_64",
    "cp39-abi3-manylinux_2_28_x86_64",
    "cp310-abi3-manylinux_2_17_x86_64",
    "cp310-abi3-manylinux_2_17_aarch64",
    "py3-none-manylinux_2_28_x86_64",
    "py3-none-any",
    "py2.py3-none-any",
    "cp311-none-any",
    "cp311-cp311-linux_x86_64",
    "cp311-cp311-win_amd64",
    "cp311-cp311-macosx_11_0_arm64",
)


def component(*tags: str, name: str = "demo", marker: str = "", version: str = "1.0") -> Component:
    artifacts = [
        Artifact(f"{name}-{version}-{tag}.whl", f"https://index.invalid/{tag}", "0" * 64) for tag in tags
    ]
    return Component(name, version, tuple(artifacts), marker)


def chosen(facts: Facts, *components: Component, requires: str = "") -> list[str]:
    selection = select(Lock("pypi", components, requires), facts)
    return [choice.artifact.name for choice in selection.choices]


@pytest.mark.parametrize(
    ("facts", "tags", "best"),
    [
        (GLIBC, OFFERS, "cp311-cp311-manylinux_2_28_x86_64"),
        (ARM, OFFERS, "cp311-cp311-manylinux_2_28_aarch64"),
        (MUSL, OFFERS, "cp311-cp311-musllinux_1_2_x86_64"),
        (GLIBC, ("py3-none-any", "py2.py3-none-any"), "py3-none-any"),
        (GLIBC, ("cp39-abi3-manylinux_2_28_x86_64", "py3-none-any"), "cp39-abi3-manylinux_2_28_x86_64"),
        (GLIBC, ("cp310-abi3-manylinux_2_17_x86_64", "cp39-abi3-manylinux_2_28_x86_64"), "cp310-abi3-manylinux_2_17_x86_64"),
        (GLIBC, ("1-py3-none-any", "10-py3-none-any", "9-py3-none-any"), "10-py3-none-any"),
        (Facts("amd64", "none", (0, 0), PY311), ("cp311-cp311-linux_x86_64", "py3-none-any"), "cp311-cp311-linux_x86_64"),
    ],
)  # fmt: skip
def test_the_best_wheel_is_chosen(facts: Facts, tags: tuple[str, ...], best: str) -> None:
    assert chosen(facts, component(*tags)) == [f"demo-1.0-{best}.whl"]


def test_every_other_artifact_is_rejected_with_a_reason() -> None:
    choice = select(Lock("pypi", (component(*OFFERS),)), GLIBC).choices[0]
    rejected = dict(choice.rejected)
    assert len(rejected) == len(OFFERS) - 1
    assert all(rejected.values())
    assert "glibc 2.36" in rejected["demo-1.0-cp311-cp311-manylinux_2_39_x86_64.whl"]
    assert "x86_64" in rejected["demo-1.0-cp311-cp311-manylinux_2_28_aarch64.whl"]


def test_markers_are_those_of_the_base() -> None:
    lock = [
        component("py3-none-any", marker="python_full_version < '3.11'", version="1.0"),
        component("py3-none-any", marker="python_full_version >= '3.11'", version="2.0"),
        component("py3-none-any", name="other", marker="platform_machine == 'aarch64'"),
    ]
    assert chosen(GLIBC, *lock) == ["demo-2.0-py3-none-any.whl"]
    assert chosen(ARM, *lock) == ["demo-2.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"]


def test_the_marker_environment_of_this_machine_is_that_of_packaging() -> None:
    mine = marker_environment(FACTS, PYTHON)
    theirs = {name: str(value) for name, value in packaging.markers.default_environment().items()}
    varying = {"platform_release", "platform_version", "extra"}  # the kernel's; no wheel can depend on it
    assert {k: v for k, v in mine.items() if k not in varying} == {
        k: v for k, v in theirs.items() if k not in varying
    }


@pytest.mark.parametrize(
    ("facts", "lock", "code", "words"),
    [
        (Facts("amd64", "glibc", (2, 36)), Lock("pypi", ()), 78, ("no Python",)),
        (GLIBC, Lock("pypi", (), ">=3.12"), 78, (">=3.12", "3.11.2", "/usr/bin/python3")),
        (GLIBC, Lock("pypi", (), "nonsense"), 65, ("requires-python",)),
        (ARM, Lock("pypi", (component(OFFERS[0]),)), 78, ("linux/arm64", "demo 1.0", "manylinux_2_17_x86_64")),
        (MUSL, Lock("pypi", (component(OFFERS[0]),)), 78, ("musl 1.2", "cpython 3.11")),
        (GLIBC, Lock("pypi", (component(),)), 78, ("demo has none",)),
        (GLIBC, Lock("pypi", (component("py3-none-any", marker="what?"),)), 65, ("marker of demo",)),
        (GLIBC, Lock("pypi", (component("py3-none-any"), component("py3-none-any", version="2"))), 65, ("twice",)),
    ],
)  # fmt: skip
def test_what_cannot_be_chosen_is_said(facts: Facts, lock: Lock, code: int, words: tuple[str, ...]) -> None:
    with pytest.raises(ShimError) as failure:
        select(lock, facts)
    assert failure.value.code == code
    assert all(word in failure.value.message for word in words), failure.value.message
    assert failure.value.hint


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12), (3, 13), (3, 14)])
@pytest.mark.parametrize(("arch", "platform"), [("amd64", "x86_64"), ("arm64", "aarch64")])
def test_the_choice_is_that_of_uv(tmp_path: Path, version: tuple[int, int], arch: str, platform: str) -> None:
    """uv resolves for a machine it does not run on; of the same offers it must take the same wheel."""
    offers = [tag for tag in OFFERS if "linux_x86_64.manylinux" not in tag]
    projects = {f"p{number}": [*offers[number::3], "py3-none-any"] for number in range(3)}
    for name, tags in projects.items():
        for tag in dict.fromkeys(tags):
            Wheel(name, tag=tag).write(tmp_path)
    facts = Facts(arch, "glibc", (2, 28), Interpreter("/usr/bin/python3", (*version, 0)))
    with Index(tmp_path) as index:
        argv = [
            "uv",
            "pip",
            "install",
            "--no-config",
            "--no-cache",
            "--index-url",
            index.url,
            "--only-binary",
            ":all:",
        ]
        argv += [
            "--python-platform",
            f"{platform}-manylinux_2_28",
            "--python-version",
            ".".join(map(str, version)),
        ]
        target = tmp_path / "target"
        subprocess.run([*argv, "--target", str(target), *projects], check=True, capture_output=True)
        fetched = {path.rsplit("/", 1)[1] for path in index.counts() if path.endswith(".whl")}
    lock = [component(*dict.fromkeys(tags), name=name) for name, tags in projects.items()]
    assert set(chosen(facts, *lock)) == fetched


def test_the_choice_is_that_of_pip(tmp_path: Path) -> None:
    offers = dict.fromkeys((*OFFERS[1:], "1-py3-none-any", "2-py3-none-any"))
    for tag in offers:
        Wheel("demo", tag=tag).write(tmp_path)
    argv = [sys.executable, "-m", "pip", "download", "--isolated", "--quiet", "--no-deps", "--no-index"]
    argv += ["--find-links", str(tmp_path), "--dest", str(tmp_path / "out"), "--disable-pip-version-check"]
    subprocess.run([*argv, "demo"], check=True, capture_output=True)
    fetched = [path.name for path in (tmp_path / "out").iterdir()]
    assert chosen(FACTS, component(*offers)) == fetched


@pytest.mark.parametrize(
    ("tags", "facts", "hint"),
    [
        (("cp311-cp311-manylinux_2_39_x86_64",), GLIBC, "use a base with a newer glibc"),
        (("cp311-cp311-musllinux_1_3_x86_64",), MUSL, "use a base with a newer musl"),
        (("cp311-cp311-manylinux_2_39_aarch64",), GLIBC, "name this platform in PLATFORMS"),
        (("cp311-cp311-manylinux_2_39_x86_64",), MUSL, "name this platform in PLATFORMS"),
    ],
)
def test_the_way_out_where_no_wheel_fits(tags: tuple[str, ...], facts: Facts, hint: str) -> None:
    """PLATFORMS cannot name the version of a C library: a build again would give the same lock."""
    with pytest.raises(ShimError) as caught:
        select(Lock("pypi", (component(*tags),), ">=3.11"), facts)
    assert caught.value.code == 78
    assert caught.value.hint.startswith(hint)
