"""Tags computed from facts against `packaging`, the reference that pip follows."""

from __future__ import annotations

import itertools

import packaging.tags
import packaging.utils
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.facts import Facts, Interpreter
from shim.providers.pypi import names, tags


def _expected(facts: Facts, python: Interpreter) -> list[str]:
    version, platforms = python.version[:2], tags.platforms(facts)
    interpreter = f"cp{version[0]}{version[1]}"
    own = packaging.tags.cpython_tags(version, [f"{interpreter}{python.abiflags}"], platforms)
    rest = packaging.tags.compatible_tags(version, interpreter, platforms)
    return list(dict.fromkeys(str(tag) for tag in itertools.chain(own, rest)))


CASES = [
    (arch, libc, libc_version, minor, flags)
    for arch in ("amd64", "arm64", "s390x")
    for libc, libc_version in (("glibc", (2, 36)), ("glibc", (2, 17)), ("musl", (1, 2)), ("none", (0, 0)))
    for minor, flags in ((9, ""), (11, ""), (14, ""), (13, "t"), (15, ""))
]


@pytest.mark.parametrize(("arch", "libc", "libc_version", "minor", "flags"), CASES)
def test_ranks_are_those_of_packaging(
    arch: str, libc: str, libc_version: tuple[int, int], minor: int, flags: str
) -> None:
    python = Interpreter("/usr/bin/python3", (3, minor, 1), abiflags=flags)
    facts = Facts(arch, libc, libc_version, python)
    ranks = tags.ranks(facts, python)
    assert sorted(ranks, key=ranks.__getitem__) == _expected(facts, python)


def test_platforms_of_this_machine_are_those_of_packaging() -> None:
    """The only list that `packaging` makes from the machine it runs on."""
    import platform

    version = platform.libc_ver()[1].split(".")
    arch = {machine: arch for arch, machine in tags.MACHINES.items()}[platform.machine()]
    facts = Facts(arch, "glibc", (int(version[0]), int(version[1])))
    theirs = list(packaging.tags.platform_tags())
    # Since version 26 `packaging` puts plain linux tags first; uv and pip have them last, and so have we.
    plain = [tag for tag in theirs if tag.startswith("linux_")]
    assert tags.platforms(facts) == [tag for tag in theirs if tag not in plain] + plain


@pytest.mark.parametrize(
    "filename",
    [
        "a-1.0-py3-none-any.whl",
        "a_b-1.0+cpu-12abc-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "a-1-py2.py3-none-any.whl",
    ],
)
def test_names_are_read_as_packaging_reads_them(filename: str) -> None:
    _, _, build, expected = packaging.utils.parse_wheel_filename(filename)
    found = names.parse_wheel(filename)
    assert found is not None
    assert set(found.tags) == {str(tag) for tag in expected}
    assert found.build == (build or (-1, ""))


@pytest.mark.parametrize(
    "filename", ["a-1.0.tar.gz", "a-1.0.whl", "a-1-x-py3-none-any.whl", "", "a-b-c-d-e-f-g.whl"]
)
def test_other_files_are_not_wheels(filename: str) -> None:
    assert names.parse_wheel(filename) is None


@given(st.text(alphabet="aA0-_.", min_size=1, max_size=12))
def test_normalise_is_that_of_packaging(name: str) -> None:
    assert names.normalise(name) == packaging.utils.canonicalize_name(name)
