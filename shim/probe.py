"""Look at the machine and the base: the platform facts. Cold path."""

from __future__ import annotations

from shim import microarch, warm
from shim.base_libc import libc
from shim.base_python import interpreter
from shim.errors import NOT_PROMISED, USAGE, ShimError
from shim.facts import Facts
from shim.tree import Tree

#: Kinds of accelerator `CIR_ACCELERATOR` may name, and whether a version belongs to them.
_ACCELERATORS = {"none": False, "cuda": True, "rocm": True, "xpu": False}


def probe(environment: warm.Environment, wanted_accelerator: str) -> Facts:
    """Return the facts of this container.

    :param wanted_accelerator: `CIR_ACCELERATOR`
    :raises ShimError: 64 for an accelerator that is not understood, 78 for an unknown architecture
    """
    flags = warm.cpu_flags().decode("ascii", "replace")
    python = warm.base_python(warm.search_path(environment))
    facts = describe(Tree(), warm.machine(), python, flags)
    return Facts(
        arch=facts.arch,
        libc=facts.libc,
        libc_version=facts.libc_version,
        python=facts.python,
        accelerator=accelerator(wanted_accelerator),
        microarch=facts.microarch,
    )


def describe(tree: Tree, machine: str, python: str, flags: str, *, may_run: bool = True) -> Facts:
    """Return the facts of the base in `tree` on a machine of the given kind.

    :param machine: the kernel's word for the architecture
    :param python: the base's Python as PATH finds it, empty without one
    :param flags: the feature line of ``/proc/cpuinfo``
    """
    arch = warm.ARCHITECTURES.get(machine)
    if arch is None:
        raise ShimError(NOT_PROMISED, f"this machine is a {machine}, which no CIR image is made for")
    base = interpreter(tree, python, may_run=may_run)
    kind, version = libc(tree, machine, base.path if base else "")
    return Facts(arch, kind, version, base, microarch=microarch.level(arch, flags))


def accelerator(wanted: str) -> str:
    """The accelerator fact for a value of `CIR_ACCELERATOR`.

    Accelerators are not looked for yet, so ``auto`` is ``none``: the choice that runs everywhere.
    """
    if wanted == "auto":
        return "none"
    kind, separator, version = wanted.partition(":")
    versioned = _ACCELERATORS.get(kind)
    digits = version.replace(".", "", 1)
    if versioned is None or (separator and not (versioned and digits.isdigit() and digits.isascii())):
        hint = "set it to auto, none, cuda:13.0, rocm:6.4 or xpu"
        raise ShimError(USAGE, f"CIR_ACCELERATOR={wanted} is not understood", hint)
    return wanted
