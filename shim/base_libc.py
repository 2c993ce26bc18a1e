"""Which C library the base has, and its version, found without running anything of the base.

What counts is the library that the base's Python was built for, since the wheels are loaded by it:
a Debian base may well hold musl beside glibc. Only without a Python are the files of the base asked.
"""

from __future__ import annotations

import re

from shim import elf
from shim.tree import Tree

#: Folders a loader or C library may lie in; ``{}`` is the kernel's word for the architecture.
_FOLDERS = ("/lib/{}-linux-gnu", "/usr/lib/{}-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib")
_LOADERS = {"x86_64": ("/lib64/ld-linux-x86-64.so.2",), "aarch64": ("/lib/ld-linux-aarch64.so.1",)}

_GLIBC = re.compile(rb"GNU C Library [^\n]{0,200}?(?:release|development) version (\d+)\.(\d+)")
#: musl keeps its version as a string of its own (``__libc_version``).
_MUSL = re.compile(rb"\0(1)\.(\d{1,2})\.\d{1,3}(?:-git[^\0]{0,40})?\0")


def libc(tree: Tree, machine: str, python: str) -> tuple[str, tuple[int, int]]:
    """Return the kind (``glibc``, ``musl`` or ``none``) and version; (0, 0) where the version is not told.

    :param machine: the kernel's word for the architecture, e.g. ``x86_64``
    :param python: the base's Python, empty without one
    """
    loader = elf.interpreter(tree.read(python, 64 << 10)) if python else ""
    kind = _kind_of(loader) or _kind_by_files(tree, machine)
    if kind == "musl":
        return kind, _version(tree, [loader or f"/lib/ld-musl-{machine}.so.1"], _MUSL)
    if kind == "glibc":
        return kind, _version(tree, [f"{folder.format(machine)}/libc.so.6" for folder in _FOLDERS], _GLIBC)
    return "none", (0, 0)


def _kind_of(loader: str) -> str:
    name = loader.rpartition("/")[2]
    if name.startswith("ld-musl-"):
        return "musl"
    return "glibc" if name.startswith(("ld-linux", "ld64")) else ""


def _kind_by_files(tree: Tree, machine: str) -> str:
    loaders = _LOADERS.get(machine, ())
    libraries = tuple(f"{folder.format(machine)}/libc.so.6" for folder in _FOLDERS)
    if any(tree.is_file(path) for path in loaders + libraries):
        return "glibc"
    return "musl" if tree.is_file(f"/lib/ld-musl-{machine}.so.1") else ""


def _version(tree: Tree, paths: list[str], pattern: re.Pattern[bytes]) -> tuple[int, int]:
    for path in paths:
        found = pattern.search(tree.read(path))
        if found:
            return int(found[1]), int(found[2])
    return 0, 0
