"""Platform facts and their values: the vocabulary of ``PLATFORMS`` and ``--when``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cirfile.errors import CirfileError
from cirfile.manifest import FACTS, Conditions
from cirfile.source import Span
from cirfile.suggest import did_you_mean, one_of


@dataclass(frozen=True, slots=True)
class Fact:
    """What may be said of one fact: words, or a form where values are open; ``meant`` maps other names."""

    means: str
    values: tuple[str, ...]
    form: str = ""
    example: str = ""
    meant: tuple[tuple[str, str], ...] = ()


#: ``arch`` in OCI words; ``microarch`` in those of the psABI (x86-64) and of Arm.
VOCABULARY = {
    "arch": Fact(
        "processor architecture", ("amd64", "arm64"),
        meant=(("x86_64", "amd64"), ("x86-64", "amd64"), ("x64", "amd64"), ("aarch64", "arm64"),
               ("arm64/v8", "arm64")),
    ),
    "accelerator": Fact(
        "what computes beside the processor", ("none", "cuda", "rocm", "xpu"),
        form=r"(?:cuda|rocm):[0-9]{1,3}(?:\.[0-9]{1,3})?", example="cuda:13.0",
        meant=(("cpu", "none"), ("gpu", "cuda"), ("nvidia", "cuda"), ("amd", "rocm"), ("intel", "xpu")),
    ),
    "libc": Fact(
        "C library of the base", ("glibc", "musl"),
        meant=(("gnu", "glibc"), ("manylinux", "glibc"), ("alpine", "musl"), ("musllinux", "musl")),
    ),
    "python": Fact("minor version of the base's Python", (), form=r"3\.[0-9]{1,2}t?", example="3.11"),
    "microarch": Fact(
        "level of the processor's instruction set",
        ("x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4", "armv8", "armv9"),
        meant=tuple((f"x86_64_v{n}", f"x86-64-v{n}") for n in range(1, 5)),
    ),
}  # fmt: skip

#: What an image promises where ``PLATFORMS`` does not speak of it.
DEFAULTS: Conditions = (("accelerator", ("none",)), ("arch", ("amd64", "arm64")))


def parse_condition(text: str, span: Span) -> tuple[str, tuple[str, ...]]:
    """Read ``fact=value,value``. Raise `CirfileError` for an unknown fact or value, or a repeated one."""
    fact, equals, listed = text.partition("=")
    if fact not in FACTS:
        hint = did_you_mean(fact, FACTS) or f"the facts are {one_of(FACTS)}"
        raise CirfileError(span, "unknown-fact", f"`{fact}` is no platform fact", hint)
    values = listed.split(",")
    if not equals or not all(values):
        example = VOCABULARY[fact].example or VOCABULARY[fact].values[0]
        raise CirfileError(
            span, "fact-value", f"the fact `{fact}` needs a value", f"write for example `{fact}={example}`"
        )
    for value in values:
        _check_value(fact, value, span)
    if len(set(values)) < len(values):
        raise CirfileError(span, "fact-value", f"a value of `{fact}` is given twice", "name each value once")
    return fact, tuple(values)


def _check_value(fact: str, value: str, span: Span) -> None:
    known = VOCABULARY[fact]
    if value in known.values or (known.form and re.fullmatch(known.form, value, re.ASCII)):
        return
    meant = dict(known.meant).get(value.lower(), "")
    hint = f"write `{fact}={meant}`" if meant else did_you_mean(value, known.values)
    if not hint:
        listed = (*known.values, known.example) if known.example else known.values
        hint = (
            f"the values of `{fact}` are {one_of(listed)}"
            if known.values
            else f"write for example `{fact}={known.example}`"
        )
    raise CirfileError(span, "unknown-value", f"`{value}` is no value of `{fact}` ({known.means})", hint)
