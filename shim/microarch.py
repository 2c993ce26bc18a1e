"""Which microarchitecture level of x86-64 the processor has.

Levels as in the x86-64 psABI, section 3.1.1 "Processor Architecture", with the names that
``/proc/cpuinfo`` uses for the features. Other architectures have no levels that wheels speak of.
"""

from __future__ import annotations

_LEVELS = (
    ("x86-64-v2", {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}),
    ("x86-64-v3", {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}),
    ("x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)
NAMES = ("x86-64", *(name for name, _ in _LEVELS))


def level(arch: str, flags: str) -> str:
    """Return the highest level that the processor has, empty where the architecture has none.

    :param arch: the architecture in OCI words
    :param flags: the feature line of ``/proc/cpuinfo``
    """
    if arch != "amd64":
        return ""
    have = set(flags.split())
    reached = NAMES[0]
    for name, features in _LEVELS:
        if not features <= have:
            break
        reached = name
    return reached


def includes(have: str, wanted: str) -> bool:
    """Whether a processor of level `have` runs programs built for `wanted`."""
    if have in NAMES and wanted in NAMES:
        return NAMES.index(wanted) <= NAMES.index(have)
    return have == wanted
