"""Profiles: sets of facts that select builds, in the order in which they are tried.

A profile is what a catalogue of builds speaks of, e.g. ``cpu`` or ``cuda13``. The last one is always
``cpu``: what runs on every machine of an architecture.
"""

from __future__ import annotations

from dataclasses import dataclass

from shim.facts import Facts


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of build. ``accelerator`` is ``none`` for `CPU`; ``version`` e.g. ``13.0``."""

    name: str
    accelerator: str = "none"
    version: str = ""


CPU = Profile("cpu")


def profiles(facts: Facts) -> tuple[Profile, ...]:
    """The profiles that this machine can use, best first."""
    if facts.accelerator == "none":
        return (CPU,)
    kind, _, version = facts.accelerator.partition(":")
    return (Profile(kind + version.partition(".")[0], kind, version), CPU)
