"""The lock as the shim reads it: conditions, versions per platform and markers choose the same there."""

from __future__ import annotations

import pytest

from cirfile import pylock
from cirfile.manifest import Conditions
from cirfile.promise import promise
from shim.facts import Facts, Interpreter
from shim.providers.pypi.selection import select

_SHA = "cd" * 32
_PLATFORMS: Conditions = (
    ("accelerator", ("cuda", "none")),
    ("arch", ("amd64", "arm64")),
    ("python", ("3.11", "3.12")),
)
_CONDITIONS: list[Conditions] = [(("accelerator", ("cuda",)),), (("microarch", ("x86-64-v3",)),)]
_CUDA = "platform_version == 'cir accelerator=cuda microarch=other'"
_FAST = "platform_version == 'cir accelerator=none microarch=x86-64-v3'"


def _package(name: str, version: str, marker: str) -> str:
    url = f"https://index.test/{name}-{version}-py3-none-any.whl"
    wheel = f'{{ url = "{url}", hashes = {{ sha256 = "{_SHA}" }} }}'
    return f'[[packages]]\nname = "{name}"\nversion = "{version}"\nmarker = "{marker}"\nwheels = [{wheel}]\n'


_LOCK = pylock.read(
    'lock-version = "1.0"\n'
    + _package("always", "1", "sys_platform == 'linux'")
    + _package("per-arch", "1", "platform_machine == 'x86_64'")
    + _package("per-arch", "2", "platform_machine == 'aarch64'")
    + _package("per-python", "1", "python_full_version < '3.11.4'")
    + _package("gpu", "1", f"{_CUDA} or {_CUDA.replace('other', 'x86-64-v3')}")
    + _package("fast", "1", f"{_FAST} or {_FAST.replace('none', 'cuda')}"),
    promise(_PLATFORMS, _CONDITIONS),
)


@pytest.mark.parametrize(
    ("facts", "python", "expected"),
    [
        (Facts("amd64", "glibc"), (3, 11, 2), {"always 1", "per-arch 1", "per-python 1"}),
        (Facts("amd64", "glibc"), (3, 11, 4), {"always 1", "per-arch 1"}),
        (Facts("arm64", "musl"), (3, 12, 0), {"always 1", "per-arch 2"}),
        (Facts("amd64", "glibc", accelerator="cuda:13.0"), (3, 12, 0), {"always 1", "per-arch 1", "gpu 1"}),
        (Facts("amd64", "glibc", microarch="x86-64-v2"), (3, 12, 0), {"always 1", "per-arch 1"}),
        (Facts("amd64", "glibc", microarch="x86-64-v4"), (3, 12, 0), {"always 1", "per-arch 1", "fast 1"}),
    ],
)
def test_the_shim_chooses_what_was_locked(
    facts: Facts, python: tuple[int, int, int], expected: set[str]
) -> None:
    here = Facts(
        facts.arch,
        facts.libc,
        (2, 36) if facts.libc == "glibc" else (1, 2),
        Interpreter("/usr/bin/python3", python),
        facts.accelerator,
        facts.microarch,
    )
    assert {f"{choice.name} {choice.version}" for choice in select(_LOCK, here).choices} == expected


@pytest.mark.parametrize(
    ("level", "version"), [("x86-64-v2", "1.26.4"), ("x86-64-v3", "2.2"), ("x86-64-v4", "2.2")]
)
def test_a_processor_gets_what_was_locked_for_its_level_alone(level: str, version: str) -> None:
    """It has all lower levels as well, and the lock has another version of the same package for those."""
    platforms: Conditions = (
        ("arch", ("amd64",)),
        ("python", ("3.12",)),
        ("microarch", ("x86-64-v2", "x86-64-v3")),
    )
    lock = pylock.read(
        'lock-version = "1.0"\n'
        + _package("numpy", "1.26.4", "platform_version == 'cir microarch=x86-64-v2'")
        + _package("numpy", "2.2", "platform_version == 'cir microarch=x86-64-v3'"),
        promise(platforms, [(("microarch", ("x86-64-v2",)),)]),
    )
    here = Facts("amd64", "glibc", (2, 36), Interpreter("/usr/bin/python3", (3, 12, 1)), microarch=level)
    assert [choice.version for choice in select(lock, here).choices] == [version]
