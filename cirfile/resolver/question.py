"""A manifest as the input files of uv: what to resolve, and for which environments.

Order is removed here: requirements are sorted and said once, so that the same set of requirements
gives the same lock however it was written. The order of indexes has a meaning and stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as PythonRequirement

from cirfile.hierarchy import included
from cirfile.manifest import Conditions, Manifest, Requirement
from cirfile.promise import WORLD_VARIABLE, Promise, PromiseError, promise, world_name
from cirfile.resolver.errors import INVALID, ResolverError
from cirfile.wheels import MACHINES

ECOSYSTEM = "pypi"


@dataclass(frozen=True, slots=True)
class Question:
    """Texts of the files uv reads, its index options, and the promise its answer is held against.

    ``unneeded`` lists requirements whose condition no promised platform fulfils.
    """

    requirements: str
    constraints: str
    project: str
    index_options: tuple[str, ...]
    promise: Promise
    as_of: str
    unneeded: tuple[str, ...]


def question(manifest: Manifest) -> Question:
    """Translate the ``pypi`` part of a manifest. Raise `ResolverError` (65) where it can't be asked."""
    asked = manifest.of(ECOSYSTEM)
    narrowed = tuple(r for r in manifest.constraints if r.ecosystem == ECOSYSTEM)
    try:
        given = promise(manifest.platforms, [r.when for r in (*asked, *narrowed)])
    except PromiseError as error:
        raise ResolverError(INVALID, str(error), "correct the PLATFORMS line of the Cirfile") from None
    needed = [(r, line) for r in asked if (line := _line(r, given)) is not None]
    kept = {r for r, _ in needed}
    return Question(
        requirements=_lines(line for _, line in needed),
        constraints=_lines(line for r in narrowed if (line := _line(r, given)) is not None),
        project=_project(given),
        index_options=tuple(_index_options(manifest)),
        promise=given,
        as_of=(manifest.pin.date or "") if manifest.pin.mode == "as-of" else "",
        unneeded=tuple(sorted({r.text for r in asked if r not in kept})),
    )


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in sorted(set(lines)))


def _line(requirement: Requirement, given: Promise) -> str | None:
    """Return a requirement with its condition as a marker; `None` where no promised platform fulfils it."""
    try:
        parsed = PythonRequirement(requirement.text)
    except InvalidRequirement as error:
        raise ResolverError(
            INVALID,
            f"`{requirement.text}` is no Python requirement: {str(error).splitlines()[0]}",
            "write it as PEP 508 has it, e.g. `REQUIRE pypi 'pandas[parquet]>=2.2'`",
        ) from None
    if parsed.url:
        raise ResolverError(
            INVALID,
            f"`{parsed.name}` is required by address, which can't be locked for every platform",
            "require it by name from an index; COPY what is part of the application",
        )
    conditions = _conditions(requirement.when, given)
    if "" in conditions:
        return None
    own = [str(parsed.marker)] if parsed.marker else []
    marker = " and ".join(f"({part})" for part in [*own, *conditions])
    parsed.marker = None
    return f"{parsed} ; {marker}" if marker else str(parsed)


def _conditions(when: Conditions, given: Promise) -> list[str]:
    """Return the markers of a ``--when``, all of which must hold; an empty one stands for never."""
    parts: list[str] = []
    facts: dict[str, tuple[str, ...]] = {}
    for fact, values in when:
        if fact == "arch":
            machines = [MACHINES[value] for value in values if value in given.arches]
            parts.append(_either(f"platform_machine == '{machine}'" for machine in machines))
        elif fact == "python":
            parts.append(_either(f"python_full_version == '{minor}.*'" for minor in _minors(values, given)))
        else:
            facts[fact] = values
    if facts:
        worlds = [
            world
            for world in given.worlds()
            if all(set(values).intersection(included(fact, world[fact])) for fact, values in facts.items())
        ]
        parts.append(_either(_world(world) for world in worlds))
    return parts


def _minors(values: Sequence[str], given: Promise) -> list[str]:
    """Return the promised minor versions of Python that a condition names.

    Markers have no variable for the build of an interpreter (``3.13`` or ``3.13t``), so a condition can't tell
    them apart where both are promised.
    """
    found = []
    for minor in dict.fromkeys(value.removesuffix("t") for value in values):
        major, _, number = minor.partition(".")
        promised = given.builds((int(major), int(number)))
        meant = tuple(threaded for threaded in promised if f"{minor}{'t' * threaded}" in values)
        if meant and meant != promised:
            raise ResolverError(
                INVALID,
                f"`--when=python={','.join(values)}` means one of two promised builds of Python {minor}, and a lock "
                "can't tell them apart",
                f"promise one of `python={minor}` and `python={minor}t`, or name both in the condition",
            )
        if meant:
            found.append(minor)
    return found


def _world(world: Mapping[str, str]) -> str:
    return f"{WORLD_VARIABLE} == '{world_name(world)}'"


def _either(parts: Iterable[str]) -> str:
    return " or ".join(parts)


def _index_options(manifest: Manifest) -> Iterable[str]:
    for index in manifest.indexes:
        if index.ecosystem == ECOSYSTEM:
            if "@" in index.url.partition("://")[2].partition("/")[0]:
                raise ResolverError(
                    INVALID,
                    f"the address of the index {redacted(index.url)} holds credentials",
                    "remove them and pass them as a secret: `--secret id=cir_netrc,src=$HOME/.netrc`",
                )
            yield "--default-index" if index.role == "default" else "--index"
            yield index.url


def redacted(url: str) -> str:
    """Return ``url`` with its user and password replaced."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}***@{host.rpartition('@')[2]}{slash}{path}" if "@" in host else url


def _project(given: Promise) -> str:
    """Write the ``pyproject.toml`` that tells uv which environments to resolve for, and which need a wheel.

    The settings: https://docs.astral.sh/uv/reference/settings/ (``environments``,
    ``required-environments``). That they are there also keeps uv from looking for settings elsewhere.
    """
    needed = [f"sys_platform == 'linux' and platform_machine == '{MACHINES[arch]}'" for arch in given.arches]
    common = "implementation_name == 'cpython' and platform_python_implementation == 'CPython'"
    limits = [common, *_python_limits(given), *_world_limits(given)]
    environments = [" and ".join([base, *limits]) for base in needed]
    return "\n".join(
        (
            "[project]",
            'name = "cir-question"',
            'version = "0"',
            f"requires-python = {json.dumps(given.requires_python)}",
            "[tool.uv]",
            f"environments = {_toml_list(environments)}",
            f"required-environments = {_toml_list(needed)}",
            "",
        )
    )


def _toml_list(values: Sequence[str]) -> str:
    """TOML's basic strings are JSON's, for the printable ASCII that markers are made of."""
    return "[" + ", ".join(json.dumps(value) for value in values) + "]"


def _python_limits(given: Promise) -> Iterable[str]:
    if given.minors:
        minors = (f"python_full_version == '{major}.{minor}.*'" for major, minor in given.minors)
        yield f"({_either(minors)})"


def _world_limits(given: Promise) -> Iterable[str]:
    if given.facts:
        yield f"({_either(_world(world) for world in given.worlds())})"
