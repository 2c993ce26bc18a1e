"""The base's Python: where it is and which version, if possible without running it.

The file's name, its standard library and the version string in its binary (or in its libpython) tell
everything for CPython as distributions, the official images and conda lay it out. Anything else is
asked, by running it isolated and without site packages.
"""

from __future__ import annotations

import re

from shim.facts import Interpreter
from shim.tree import Tree

_NAME = re.compile(r"python(3)\.(\d{1,2})(t?)$")
#: What `_ask` runs: no import but of `sys`, one line of words.
_QUESTION = (
    "import sys;"
    "print(sys.implementation.name,*sys.version_info[:3],getattr(sys,'abiflags','') or '-',"
    "getattr(sys,'_base_executable',None) or sys.executable)"
)


def interpreter(tree: Tree, path: str, *, may_run: bool = True) -> Interpreter | None:
    """Describe the Python that PATH finds at `path`; `None` where there is none or it does not answer.

    :param may_run: `False` for a recorded tree, whose programs are not there
    """
    if not path:
        return None
    real = tree.resolve(path)
    return _by_files(tree, real) or (_ask(real) if may_run else None)


def _by_files(tree: Tree, real: str) -> Interpreter | None:
    folder, _, name = real.rpartition("/")
    match = _NAME.fullmatch(name)
    if not match or not folder.endswith("/bin"):
        return None
    prefix, minor, flags = folder.removesuffix("/bin"), int(match[2]), match[3]
    library = f"{prefix}/lib/{name}"
    if not tree.is_file(f"{library}/os.py"):
        return None
    micro = _micro(tree, real, prefix, name, minor)
    return None if micro is None else Interpreter(real, (3, minor, micro), "cpython", flags)


def _micro(tree: Tree, real: str, prefix: str, name: str, minor: int) -> int | None:
    """The third number of the version: from the headers or, as a string of its own, from the binaries.

    The executable may be a small front for a shared library, and whole-program optimisation may have
    dissolved the string.
    """
    header = re.compile(rb'#define\s+PY_VERSION\s+"3\.%d\.(\d{1,3})' % minor)
    text = re.compile(rb"\x003\.%d\.(\d{1,3})\+?\x00" % minor)
    for pattern, path in (
        (header, f"{prefix}/include/{name}/patchlevel.h"),
        (text, real),
        (text, f"{prefix}/lib/lib{name}.so.1.0"),
    ):
        found = pattern.search(tree.read(path))
        if found:
            return int(found[1])
    return None


def _ask(real: str) -> Interpreter | None:
    import subprocess  # only bases of an unusual layout pay for it

    try:
        answer = subprocess.run(  # the base's own interpreter, no shell
            [real, "-I", "-S", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={},
            timeout=20,
            check=True,
        )
        words = answer.stdout.decode("utf-8", "surrogateescape").strip().split(" ", 5)
        implementation, major, minor, micro, flags, executable = words
        version = (int(major), int(minor), int(micro))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(executable, version, implementation, "" if flags == "-" else flags)
