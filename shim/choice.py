"""From an image and the facts of the machine to what the layer shall hold: selections and a key."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from cirfile.lock import Lock
from cirfile.manifest import Manifest, Requirement
from shim import promise
from shim.errors import INVALID, NOT_PROMISED, ShimError
from shim.facts import Facts
from shim.key import layer_key
from shim.provider import Provider, Selection

#: Ecosystems with a provider, in the order of assembly. The module is `shim.providers.<name>`.
PROVIDED = ("pypi",)

_NO_PYTHON = (
    "start from a base with Python (python:3.12-slim, or debian with python3), "
    "or set PATH so that its python3 is found"
)


@dataclass(frozen=True, slots=True)
class Choices:
    """What was chosen for this machine. ``selections`` is empty where the image needs no layer here."""

    facts: Facts
    key: str
    selections: tuple[Selection, ...]
    locks: dict[str, Lock]


def provider(ecosystem: str) -> Provider:
    """The provider of an ecosystem."""
    module = importlib.import_module(f"shim.providers.{ecosystem}")
    found: Provider = module.PROVIDER
    return found


def choose(manifest: Manifest, facts: Facts, locks: dict[str, Lock]) -> Choices:
    """Select a build of every component.

    :param locks: what to choose from, by ecosystem: the image's locks, or fresh ones for `PIN latest`
    :raises ShimError: 78 where nothing fits this machine, 65 where a lock is missing
    """
    wanted = ecosystems(manifest, facts)
    selections = tuple(_select(ecosystem, locks, facts) for ecosystem in wanted)
    return Choices(facts, layer_key(selections, facts), selections, {name: locks[name] for name in wanted})


def check(manifest: Manifest, facts: Facts) -> None:
    """Raise `ShimError` (78) unless this machine is promised and what is needed here can be provided."""
    promise.check(manifest, facts)
    needed = promise.needed(manifest, facts)
    for requirement in needed:
        if requirement.ecosystem not in PROVIDED:
            raise _not_provided(requirement)
        if facts.accelerator != "none" and any(fact == "accelerator" for fact, _ in requirement.when):
            raise _no_accelerator(requirement, facts)
    if manifest.setup:
        command = " ".join(manifest.setup[0].argv)
        message = f"`SETUP {command}`: set-up steps cannot be run by this version of the shim"
        raise ShimError(NOT_PROMISED, message, "bring its result with COPY, or let the application do it")
    if not facts.python and any(requirement.ecosystem == "pypi" for requirement in needed):
        first = next(requirement.text for requirement in needed if requirement.ecosystem == "pypi")
        message = f"`REQUIRE pypi {first}` needs a Python, and this base has none"
        raise ShimError(NOT_PROMISED, message, _NO_PYTHON)
    if facts.python and facts.python.implementation != "cpython" and ecosystems(manifest, facts):
        message = (
            f"{facts.python.path} is {facts.python.implementation}; locks and layers are for CPython alone"
        )
        raise ShimError(NOT_PROMISED, message, _NO_PYTHON)


def ecosystems(manifest: Manifest, facts: Facts) -> tuple[str, ...]:
    """The ecosystems that have a requirement on this machine, in the order of assembly."""
    needed = {requirement.ecosystem for requirement in promise.needed(manifest, facts)}
    return tuple(ecosystem for ecosystem in PROVIDED if ecosystem in needed)


def _select(ecosystem: str, locks: dict[str, Lock], facts: Facts) -> Selection:
    if ecosystem not in locks:
        message = f"the manifest requires {ecosystem} packages and names no lock for them"
        raise ShimError(INVALID, message, "build the image again")
    return provider(ecosystem).select(locks[ecosystem], facts)


def _not_provided(requirement: Requirement) -> ShimError:
    written = f"REQUIRE {requirement.ecosystem} {requirement.text}"
    message = f"`{written}`: {requirement.ecosystem} packages cannot be provided by this version of the shim"
    hint = "use a base image that has the package, and leave the requirement out"
    return ShimError(NOT_PROMISED, message, hint)


def _no_accelerator(requirement: Requirement, facts: Facts) -> ShimError:
    conditions = promise.describe_conditions(requirement.when)
    message = (
        f"`REQUIRE --when={conditions} {requirement.ecosystem} {requirement.text}` is needed with "
        f"{facts.accelerator}: builds for accelerators cannot be chosen by this version of the shim"
    )
    return ShimError(NOT_PROMISED, message, "set CIR_ACCELERATOR=none to run without the accelerator")
