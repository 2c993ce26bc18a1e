"""Values of platform facts that include others: what is built for a lower level runs on a higher one.

Levels of x86-64 are those of its psABI, section 3.1.1; a processor of Armv9-A runs what is made for Armv8-A.
``cuda:13.0`` is ``cuda``. A platform *has* one value of a fact, the
highest, and is meant by a condition that names this one or any that it includes.
"""

from __future__ import annotations

#: The levels of instruction sets, each of which includes those before it.
MICROARCHITECTURES = (
    ("x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4"),
    ("armv8", "armv9"),
)


def included(fact: str, value: str) -> tuple[str, ...]:
    """Return all values of ``fact`` that a platform with ``value`` has: this one and those it includes."""
    if fact == "microarch":
        for levels in MICROARCHITECTURES:
            if value in levels:
                return levels[: levels.index(value) + 1]
    if fact == "accelerator" and ":" in value:
        return value, value.partition(":")[0]
    return (value,)


def includes(fact: str, value: str, wanted: str) -> bool:
    """Tell whether a platform with ``value`` is one with ``wanted``."""
    return wanted in included(fact, value)
