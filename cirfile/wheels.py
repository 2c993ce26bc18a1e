"""Wheel file names and the platforms they run on, as a pure function.

The rules are those of the platform compatibility tags
(https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/) for CPython on
Linux, in the order installers prefer them. Unlike an installer this never looks at the machine it
runs on, so it answers for any platform.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product

#: OCI architecture -> the machine name of wheel tags and of ``platform_machine``.
MACHINES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "arm": "armv7l",
    "386": "i686",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loong64": "loongarch64",
}
_LEGACY_MANYLINUX = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_NAME = re.compile(
    r"(?P<name>[^-\s/]+)-(?P<version>[^-\s/]+)(?:-(?P<build>\d[^-\s/]*))?"
    r"-(?P<pythons>[^-\s/]+)-(?P<abis>[^-\s/]+)-(?P<platforms>[^-\s/]+)\.whl",
    re.ASCII,
)
_PYTHON = re.compile(r"(cp|py)(\d)(\d*)", re.ASCII)
_PLATFORM = re.compile(
    r"(manylinux|musllinux)_(\d+)_(\d+)_(.+)|(manylinux1|manylinux2010|manylinux2014)_(.+)", re.ASCII
)

#: How good a wheel is for a target; the smaller the better.
Rank = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wheel:
    """The parts of a wheel file name; the compressed tag sets are split."""

    name: str
    version: str
    build: str
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A platform: ``arch`` in OCI words, ``libc`` ``glibc`` or ``musl``, ``python`` ``(3, 12)``.

    ``libc_version`` ``None`` stands for any version.
    """

    arch: str
    libc: str
    python: tuple[int, int]
    libc_version: tuple[int, int] | None = None
    free_threaded: bool = False


def parse(file_name: str) -> Wheel:
    """Split a wheel's file name (PEP 427). Raise `ValueError` where it is none."""
    match = _NAME.fullmatch(file_name)
    if match is None:
        raise ValueError(f"{file_name!r} is not the name of a wheel")
    sets = (tuple(match[part].split(".")) for part in ("pythons", "abis", "platforms"))
    return Wheel(match["name"], match["version"], match["build"] or "", *sets)


def rank(wheel: Wheel, target: Target) -> Rank | None:
    """Return how well ``wheel`` fits ``target``, `None` if it does not run there.

    A wheel for any platform comes after every wheel made for this one, whatever its ABI.
    """
    ranks = [
        (platform[0], *abi, *platform[1:], -_build_number(wheel.build))
        for platform_tag in wheel.platforms
        if (platform := _platform_rank(platform_tag, target)) is not None
        for python_tag, abi_tag in product(wheel.pythons, wheel.abis)
        if (platform_tag != "any" or abi_tag == "none")
        and (abi := _abi_rank(python_tag, abi_tag, target)) is not None
    ]
    return min(ranks, default=None)


def fits(wheel: Wheel, target: Target) -> bool:
    """Tell whether ``wheel`` runs on ``target``."""
    return rank(wheel, target) is not None


def pythons(wheel: Wheel) -> frozenset[tuple[int, int]]:
    """Return the minor versions of Python 3 that the tags of ``wheel`` name."""
    matches = (_PYTHON.fullmatch(tag) for tag in wheel.pythons)
    return frozenset((3, int(m[3])) for m in matches if m and m[2] == "3" and m[3])


def _abi_rank(python: str, abi: str, target: Target) -> Rank | None:
    match = _PYTHON.fullmatch(python)
    if match is None:
        return None
    implementation, major, minor = match[1], int(match[2]), match[3]
    if major != target.python[0]:
        return None
    if implementation == "py":
        return _generic_rank(abi, minor, target)
    if not minor or int(minor) > target.python[1]:
        return None
    return _cpython_rank(abi, int(minor), target)


def _generic_rank(abi: str, minor: str, target: Target) -> Rank | None:
    """``py3X-none``, then ``py3-none``, then older minors."""
    if abi != "none" or (minor and int(minor) > target.python[1]):
        return None
    if not minor:
        return (3, 1, 0)
    age = target.python[1] - int(minor)
    return (3, 0, 0) if age == 0 else (3, 2, age)


def _cpython_rank(abi: str, minor: int, target: Target) -> Rank | None:
    """``cp3X-cp3X``, then the stable ABI, ``cp3X-none``, the stable ABI of older minors."""
    age = target.python[1] - minor
    own = f"cp{target.python[0]}{target.python[1]}" + ("t" if target.free_threaded else "")
    stable = "abi3t" if target.free_threaded else "abi3"
    if abi == stable:
        return (0, 1, 0) if age == 0 else (2, age, 0)
    if age == 0 and abi == own:
        return (0, 0, 0)
    if age == 0 and abi == "none":
        return (1, 0, 0)
    return None


def _platform_rank(tag: str, target: Target) -> Rank | None:
    """Newest libc first, then ``linux``, then ``any``."""
    machine = MACHINES.get(target.arch, target.arch)
    if tag == "any":
        return (1, 0, 0)
    if tag == f"linux_{machine}":
        return (0, 1, 0)
    match = _PLATFORM.fullmatch(tag)
    if match is None or (match[4] or match[6]) != machine:
        return None
    if match[5]:
        libc, needed = "glibc", _LEGACY_MANYLINUX[match[5]]
    else:
        libc, needed = {"manylinux": "glibc", "musllinux": "musl"}[match[1]], (int(match[2]), int(match[3]))
    if libc != target.libc or (target.libc_version is not None and not _runs_on(needed, target.libc_version)):
        return None
    return (0, 0, -(needed[0] * 1000 + needed[1]))


def _runs_on(needed: tuple[int, int], present: tuple[int, int]) -> bool:
    return needed[0] == present[0] and needed[1] <= present[1]


def _build_number(build: str) -> int:
    match = re.match(r"\d+", build)
    return int(match[0]) if match else 0
