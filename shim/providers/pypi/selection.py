"""From a lock and the facts of a base to one wheel a component: nothing is resolved, only chosen."""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from cirfile import markers
from cirfile.lock import Artifact, Component, Lock
from cirfile.members import members
from shim.errors import INVALID, NOT_PROMISED, ShimError
from shim.facts import Facts, Interpreter
from shim.provider import Choice, Selection
from shim.providers.pypi import names, tags

_REBUILD = "build the image again"


def select(lock: Lock, facts: Facts) -> Selection:
    """Choose the best wheel of every component that belongs to this environment.

    :raises ShimError: 78 where the base has no suitable Python or a component no suitable wheel,
        65 where the lock contradicts itself
    """
    python = _python(lock, facts)
    environment: markers.Environment = {**marker_environment(facts, python), "extras": stated(facts)}
    ranks = tags.ranks(facts, python)
    verdicts: dict[str, bool] = {"": True}
    chosen: dict[str, Choice] = {}
    missing: list[Component] = []
    for component in lock.components:
        if not _applies(component, environment, verdicts):
            continue
        if component.name in chosen:
            both = f"{chosen[component.name].version} and {component.version}"
            raise ShimError(INVALID, f"the lock selects {component.name} twice here: {both}", _REBUILD)
        choice = choose(component, ranks, facts)
        if choice is None:
            missing.append(component)
        else:
            chosen[component.name] = choice
    if missing:
        raise _nothing_fits(missing, facts, python)
    return Selection("pypi", tuple(chosen[name] for name in sorted(chosen)))


def choose(component: Component, ranks: dict[str, int], facts: Facts) -> Choice | None:
    """The wheel of a component with the best tag, the higher build number where tags are equal."""
    best: tuple[int, tuple[int, str], Artifact, str] | None = None
    unfit: list[tuple[Artifact, tuple[str, ...]]] = []
    fit: list[tuple[Artifact, str]] = []
    for artifact in component.artifacts:
        wheel = names.parse_wheel(artifact.name)
        found = [(ranks[tag], tag) for tag in wheel.tags if tag in ranks] if wheel else []
        if wheel is None or not found:
            unfit.append((artifact, wheel.tags if wheel else ()))
            continue
        rank, tag = min(found)
        fit.append((artifact, tag))
        if best is None or rank < best[0] or (rank == best[0] and wheel.build > best[1]):
            best = (rank, wheel.build, artifact, tag)
    if best is None:
        return None
    _, _, artifact, tag = best
    rejected = [(other.name, f"{reason} is less specific") for other, reason in fit if other is not artifact]
    rejected += [(other.name, _why_unfit(given, facts)) for other, given in unfit]
    reason = f"{tag} is the best of {len(fit)} that fit"
    return Choice(component.name, component.version, artifact, component.index, reason, tuple(rejected))


def marker_environment(facts: Facts, python: Interpreter) -> dict[str, str]:
    """The variables of PEP 508 markers for the base, not for the interpreter that runs this."""
    full = ".".join(str(part) for part in python.version)
    title = {"cpython": "CPython", "pypy": "PyPy"}.get(python.implementation, python.implementation)
    return {
        "extra": "",
        "implementation_name": python.implementation,
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": tags.machine(facts.arch),
        "platform_python_implementation": title,
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full,
        "python_version": python.tag,
        "sys_platform": "linux",
    }


def stated(facts: Facts) -> frozenset[str]:
    """Return what ``extras`` of a lock's markers holds here: facts that PEP 508 has no variable for."""
    known = (("libc", facts.libc), ("microarch", facts.microarch), ("accelerator", facts.accelerator))
    return members((fact, value) for fact, value in known if value)


def _python(lock: Lock, facts: Facts) -> Interpreter:
    python = facts.python
    if python is None:
        hint = "start from a base with Python, such as python:3.12-slim"
        raise ShimError(
            NOT_PROMISED, "the base image has no Python, and this image requires pypi packages", hint
        )
    full = ".".join(str(part) for part in python.version)
    try:
        fits = SpecifierSet(lock.requires_python).contains(full, prereleases=True)
    except InvalidSpecifier as error:
        raise ShimError(INVALID, f"the lock's requires-python cannot be read: {error}", _REBUILD) from None
    if not fits:
        message = f"the lock is for Python {lock.requires_python}, the base has {full} ({python.path})"
        raise ShimError(
            NOT_PROMISED, message, "use a base with such a Python, or build the image on this base"
        )
    return python


def _applies(component: Component, environment: markers.Environment, verdicts: dict[str, bool]) -> bool:
    """Evaluate a component's marker; many components share one, and evaluating is the slow part."""
    text = component.marker
    if text not in verdicts:
        try:
            verdicts[text] = markers.evaluate(markers.parse(text), environment)
        except markers.MarkerError as error:
            message = f"the lock's marker of {component.name} cannot be read: {error}"
            raise ShimError(INVALID, message, _REBUILD) from None
    return verdicts[text]


def _why_unfit(given: tuple[str, ...], facts: Facts) -> str:
    """Say in a few words why a wheel does not fit: the platform first, then libc, then Python."""
    if not given:
        return "not a wheel"
    platforms = {tag.rsplit("-", 1)[1] for tag in given}
    machine = tags.machine(facts.arch)
    accepted = set(tags.platforms(facts)) | {"any"}
    shown = ".".join(sorted(platforms))
    if platforms & accepted:
        return f"for {'.'.join(sorted({tag.rsplit('-', 1)[0] for tag in given}))}"
    if not any(platform.endswith(machine) for platform in platforms):
        return f"for {shown}, this is {machine}"
    return f"for {shown}, this base has {_libc(facts)}"


def _nothing_fits(missing: list[Component], facts: Facts, python: Interpreter) -> ShimError:
    shown = ", ".join(f"{component.name} {component.version}" for component in missing[:5])
    if len(missing) > 5:
        shown += f" and {len(missing) - 5} more"
    here = f"linux/{facts.arch}, {_libc(facts)}, {python.implementation} {python.tag}{python.abiflags}"
    available = sorted({_short(artifact.name) for artifact in missing[0].artifacts})
    offered = ", ".join(available[:6]) or "none"
    more = f" and {len(available) - 6} others" if len(available) > 6 else ""
    message = f"no wheel fits this machine ({here}): {shown}; {missing[0].name} has {offered}{more}"
    hint = "name this platform in PLATFORMS and build again, or use another base"
    if any(_asks_newer_libc(tag, facts) for name in available for tag in name.split("-")[-1].split(".")):
        hint = (
            f"use a base with a newer {facts.libc}, or require a version that has a wheel for {_libc(facts)}"
        )
    return ShimError(NOT_PROMISED, message, hint)


def _asks_newer_libc(platform: str, facts: Facts) -> bool:
    """Whether a wheel's platform is this one but for the version of its C library, which PLATFORMS cannot name."""
    kind = {"glibc": "manylinux", "musl": "musllinux"}.get(facts.libc)
    found = re.fullmatch(rf"{kind}_(\d+)_(\d+)_{re.escape(tags.machine(facts.arch))}", platform)
    return found is not None and (int(found[1]), int(found[2])) > facts.libc_version


def _short(filename: str) -> str:
    """The tag part of a wheel's file name, the whole name of anything else."""
    return "-".join(filename[:-4].split("-")[-3:]) if filename.endswith(".whl") else filename


def _libc(facts: Facts) -> str:
    return (
        facts.libc
        if facts.libc == "none"
        else f"{facts.libc} {facts.libc_version[0]}.{facts.libc_version[1]}"
    )
