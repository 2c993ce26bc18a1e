"""The promise of an image: is this a machine it covers, and which requirements hold here."""

from __future__ import annotations

from cirfile.hierarchy import included
from cirfile.manifest import Conditions, Manifest, Requirement
from shim.errors import NOT_PROMISED, ShimError
from shim.facts import Facts


def describe(facts: Facts) -> str:
    """The facts in one line, in the words of a ``PLATFORMS`` line."""
    words = [f"arch={facts.arch}", f"libc={facts.libc}"]
    if facts.python:
        words.append(f"python={facts.python.tag}{facts.python.abiflags}")
    words.append(f"accelerator={facts.accelerator}")
    if facts.microarch:
        words.append(f"microarch={facts.microarch}")
    return " ".join(words)


def describe_conditions(conditions: Conditions) -> str:
    """Conditions as they are written in a Cirfile."""
    return " ".join(f"{fact}={','.join(values)}" for fact, values in conditions)


def check(manifest: Manifest, facts: Facts) -> None:
    """Raise `ShimError` (78) unless the image promises to run on this machine."""
    broken = [(fact, values) for fact, values in manifest.platforms if not _holds(fact, values, facts)]
    if not facts.python and not manifest.of("pypi"):
        broken = [(fact, values) for fact, values in broken if fact != "python"]
    if not broken:
        return
    message = (
        f"this image is not promised to run here: it promises {describe_conditions(manifest.platforms)}, "
        f"this machine is {describe(facts)}"
    )
    names = " and ".join(fact for fact, _ in broken)
    hint = f"the difference is in {names}: use another machine or base, or widen PLATFORMS in the Cirfile"
    raise ShimError(NOT_PROMISED, message, hint)


def needed(manifest: Manifest, facts: Facts) -> tuple[Requirement, ...]:
    """The requirements that hold on this machine."""
    return tuple(requirement for requirement in manifest.requirements if fulfilled(requirement.when, facts))


def fulfilled(conditions: Conditions, facts: Facts) -> bool:
    """Whether every fact has one of the values it should have."""
    return all(_holds(fact, values, facts) for fact, values in conditions)


def _holds(fact: str, values: tuple[str, ...], facts: Facts) -> bool:
    if fact == "python":
        return facts.python is not None and facts.python.tag + facts.python.abiflags in values
    return not set(values).isdisjoint(included(fact, getattr(facts, fact, "")))
