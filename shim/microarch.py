"""Which level of instruction set the processor has.

Levels of x86-64 as in its psABI, section 3.1.1 "Processor Architecture", with the names that ``/proc/cpuinfo`` uses
for the features. Armv9-A is taken to be there where SVE2 is, which ``-march=armv9-a`` has compilers use.
"""

from __future__ import annotations

from cirfile.hierarchy import MICROARCHITECTURES

_X86_64, _ARM = MICROARCHITECTURES
_FEATURES = (
    ("x86-64-v2", {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}),
    ("x86-64-v3", {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}),
    ("x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)


def level(arch: str, flags: str) -> str:
    """Return the highest level that the processor has, empty where the architecture has none.

    :param arch: the architecture in OCI words
    :param flags: the feature line of ``/proc/cpuinfo``
    """
    have = set(flags.split())
    if arch == "arm64":
        return _ARM["sve2" in have]
    if arch != "amd64":
        return ""
    reached = _X86_64[0]
    for name, features in _FEATURES:
        if not features <= have:
            break
        reached = name
    return reached
