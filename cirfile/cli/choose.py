"""What of a lock a platform would fetch: pure, from the lock and a few facts.

The shim decides on the machine itself, where it knows the version of libc; here that is any version,
unless given. Both follow the same specification of wheel tags.
"""

from __future__ import annotations

from dataclasses import dataclass

from cirfile import markers, wheels
from cirfile.cli.errors import NOT_PROMISED, CliError
from cirfile.lock import Artifact, Component, Lock
from cirfile.members import members
from cirfile.wheels import MACHINES, Rank, Target


@dataclass(frozen=True, slots=True)
class Machine:
    """The platform asked about: a wheel target, the patch release of Python, and further facts."""

    target: Target
    facts: tuple[tuple[str, str], ...] = ()
    patch: int = 99

    def stated(self) -> dict[str, str]:
        """Return what is known of the machine, by the names that PLATFORMS uses."""
        build = "t" if self.target.free_threaded else ""
        python = f"{self.target.python[0]}.{self.target.python[1]}{build}"
        own = {"arch": self.target.arch, "libc": self.target.libc, "python": python, "accelerator": "none"}
        return own | dict(self.facts)

    def environment(self) -> markers.Environment:
        """Return the marker environment of the machine."""
        major, minor = self.target.python
        full = f"{major}.{minor}.{self.patch}"
        facts = {fact: value for fact, value in self.stated().items() if fact not in ("arch", "python")}
        return {
            **markers.LINUX,
            "platform_machine": MACHINES.get(self.target.arch, self.target.arch),
            "python_version": f"{major}.{minor}",
            "python_full_version": full,
            "implementation_version": full,
            "platform_release": "",
            "platform_version": "",
            "extras": members(facts.items()),
        }

    def __str__(self) -> str:
        """Name the machine as a person would."""
        major, minor = self.target.python
        build = "t" if self.target.free_threaded else ""
        facts = "".join(f", {fact}={value}" for fact, value in self.facts)
        return f"linux/{self.target.arch} ({self.target.libc}), Python {major}.{minor}{build}{facts}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One component on a machine: the artifact it gets (`None`: nothing fits), why, and the rest."""

    component: Component
    artifact: Artifact | None
    reason: str
    rejected: tuple[tuple[str, str], ...] = ()


def choose(lock: Lock, machine: Machine) -> tuple[Chosen, ...]:
    """Choose an artifact for every component that belongs to ``machine``; what fits nowhere has none."""
    environment = machine.environment()
    return tuple(
        _choose(component, machine.target)
        for component in lock.components
        if not component.marker or markers.evaluate(markers.parse(component.marker), environment)
    )


def insist(chosen: tuple[Chosen, ...], machine: Machine) -> None:
    """Raise `CliError` (78) where a component has no artifact for the machine."""
    lacking = [one.component for one in chosen if one.artifact is None]
    if lacking:
        names = ", ".join(f"{component.name} {component.version}" for component in lacking[:5])
        more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
        raise CliError(
            NOT_PROMISED, f"nothing fits {machine}: {names}{more}",
            "name this platform in PLATFORMS of the Cirfile and build again",
        )  # fmt: skip


def _choose(component: Component, target: Target) -> Chosen:
    ranked: list[tuple[Rank, Artifact]] = []
    unfit: list[tuple[str, str]] = []
    for artifact in component.artifacts:
        wheel = wheels.parse(artifact.name)
        rank = wheels.rank(wheel, target)
        if rank is None:
            unfit.append((artifact.name, _why_not(wheel, target)))
        else:
            ranked.append((rank, artifact))
    if not ranked:
        return Chosen(component, None, "nothing fits", tuple(unfit))
    ranked.sort(key=lambda pair: (pair[0], pair[1].name))
    best = ranked[0][1]
    others = tuple((artifact.name, "less specific") for _, artifact in ranked[1:])
    reason = "the only one that fits" if not others else f"the most specific of {len(ranked)} that fit"
    return Chosen(component, best, reason, (*others, *unfit))


def _why_not(wheel: wheels.Wheel, target: Target) -> str:
    """Say in a few words why a wheel does not run there: architecture first, then libc, then Python."""
    machine = MACHINES.get(target.arch, target.arch)
    if not any(tag == "any" or tag.endswith(f"_{machine}") for tag in wheel.platforms):
        return "for another architecture"
    libc = {"glibc": "manylinux", "musl": "musllinux"}[target.libc]
    if not any(tag.startswith((libc, "any", "linux_")) for tag in wheel.platforms):
        return "for another libc"
    return f"for Python {'.'.join(wheel.pythons)} ({'.'.join(wheel.abis)})"
