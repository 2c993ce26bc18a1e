"""PEP 751 lock files (``pylock.toml``) to `cirfile.lock.Lock`, narrowed to the promised platforms.

The format: https://packaging.python.org/en/latest/specifications/pylock-toml/. Standard library only,
so that the shim can carry it. What changes on the way:

- artifacts that fit no promised platform are dropped, so are source archives: nothing is built;
- markers are rewritten to the shortest one that holds on the same promised platforms, and conditions
  on facts become members of ``extras`` (``'accelerator=cuda' in extras``), see `cirfile.promise`;
- completeness is checked: every component needs a wheel wherever it is needed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from cirfile import markers, wheels
from cirfile.demands import Demands, acceptable
from cirfile.lock import Artifact, Component, Lock
from cirfile.markers import Marker, MarkerError
from cirfile.promise import WORLD_VARIABLE, Cell, Grid, Minor, Promise, literals

#: Exit codes a caller may use for the two kinds of failure (``sysexits.h``).
INVALID = 65
NOT_PROMISED = 78

_SHOWN = 6


class PylockError(Exception):
    """No lock can be made of this file: what is wrong, the way out, and the exit code it deserves."""

    def __init__(self, message: str, hint: str = "", code: int = INVALID) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


@dataclass(frozen=True, slots=True)
class Relations:
    """What a resolver knows beyond the file.

    ``needs`` holds ``(child, parent)`` pairs of names, ``indexes`` the index of a ``(name, version)``.
    """

    needs: frozenset[tuple[str, str]] = frozenset()
    indexes: Mapping[tuple[str, str], str] | None = None


@dataclass(frozen=True, slots=True)
class _Package:
    """One ``[[packages]]`` table, read and checked; ``cells`` are where it is part of the environment.

    ``dropped`` are wheels that fit none of them, kept to tell what exists instead.
    """

    name: str
    version: str
    index: str
    artifacts: tuple[tuple[Artifact, wheels.Wheel], ...]
    source_only: bool
    marker: str
    cells: frozenset[Cell] = frozenset()
    dropped: tuple[wheels.Wheel, ...] = ()


def read(
    text: str,
    promise: Promise,
    relations: Relations | None = None,
    *,
    demands: Demands | None = None,
    as_of: str = "",
    resolver: str = "",
) -> Lock:
    """Return the lock for the promised platforms; files without a demanded hash are left out.

    Raise `PylockError` where ``text`` is no pylock file or no file of a component has a demanded hash
    (65), or where a component has no wheel on a platform that was promised (78).
    """
    document = _document(text)
    packages = [_demanded(_package(table), demands or Demands()) for table in _tables(document, "packages")]
    parsed = {p.marker: _marker(p) for p in packages}
    newest = max((m for p in packages for _, w in p.artifacts for m in wheels.pythons(w)), default=(3, 0))
    grid = Grid(promise, literals(m for m in parsed.values() if m is not None), newest)
    placed = _place(packages, parsed, grid)
    _check_complete(placed, grid)
    relations = relations or Relations()
    components = [_component(package, placed, parsed, grid, relations) for package in placed]
    return Lock(
        ecosystem="pypi",
        components=tuple(sorted(components, key=lambda c: (c.name, c.version, c.marker))),
        requires_python=promise.requires_python,
        as_of=as_of,
        resolver=resolver,
    )


def covered_pythons(lock: Lock, promise: Promise) -> tuple[Minor, ...]:
    """Return the minor versions of Python on which every component of ``lock`` has a wheel."""
    packages = [
        _Package(
            name=c.name,
            version=c.version,
            index=c.index,
            artifacts=tuple((artifact, wheels.parse(artifact.name)) for artifact in c.artifacts),
            source_only=False,
            marker=c.marker,
        )
        for c in lock.components
    ]
    parsed = {p.marker: _marker(p) for p in packages}
    newest = max((m for p in packages for _, w in p.artifacts for m in wheels.pythons(w)), default=(3, 0))
    grid = Grid(promise, literals(m for m in parsed.values() if m is not None), newest)
    missing = _missing(_place(packages, parsed, grid), grid)
    return tuple(minor for minor in grid.minors if minor not in missing)


def _document(text: str) -> Mapping[str, Any]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PylockError(f"the lock file is not TOML: {error}") from None
    version = document.get("lock-version")
    if not isinstance(version, str) or version.split(".")[0] != "1":
        raise PylockError(f"this is no pylock file of version 1: `lock-version` is {version!r}")
    return document


def _tables(fields: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    tables = fields.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise PylockError(f"`{key}` of the lock file should be a list of tables")
    return tables


def _text(fields: Mapping[str, Any], key: str, where: str) -> str:
    value = fields.get(key, "")
    if not isinstance(value, str):
        raise PylockError(f"`{key}` of {where} should be a string")
    return value


def _package(table: Mapping[str, Any]) -> _Package:
    name = _text(table, "name", "a package")
    version = _text(table, "version", f"package `{name}`")
    if not name:
        raise PylockError("a package of the lock file has no name")
    for kind in ("vcs", "directory", "archive"):
        if kind in table:
            raise PylockError(
                f"`{name}` comes from a {kind}, not from a package index",
                "require it by name from an index; COPY what is part of the application",
            )
    found = [_artifact(wheel, name) for wheel in _tables(table, "wheels")]
    return _Package(
        name,
        version,
        _text(table, "index", f"package `{name}`"),
        tuple(sorted(found, key=lambda pair: (pair[0].name, pair[0].url))),
        "sdist" in table and not found,
        _text(table, "marker", f"package `{name}`"),
    )


def _demanded(package: _Package, demands: Demands) -> _Package:
    if not demands.cover(package.name):
        raise PylockError(
            f"`{package.name}` {package.version} is needed, and no requirement gives a hash of it, which "
            "`--require-hashes` demands of every package",
            "list it with its hashes, as `uv pip compile --generate-hashes` writes them",
        )
    kept = tuple(pair for pair in package.artifacts if acceptable(package.name, pair[0], demands))
    if package.artifacts and not kept:
        raise PylockError(
            f"no file of `{package.name}` {package.version} has a hash that the requirements demand",
            "compare the `--hash` options with the index: they belong to another version, or somebody changed a file",
        )
    return replace(package, artifacts=kept)


def _artifact(table: Mapping[str, Any], package: str) -> tuple[Artifact, wheels.Wheel]:
    where = f"a wheel of `{package}`"
    url = _text(table, "url", where)
    if not url:
        raise PylockError(f"{where} has no address", "use an index that is reached over http or https")
    name = _text(table, "name", where) or unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    hashes, size = table.get("hashes"), table.get("size", 0)
    digest = hashes.get("sha256") if isinstance(hashes, dict) else None
    if not isinstance(digest, str) or len(digest) != 64 or digest.lower().strip("0123456789abcdef"):
        raise PylockError(
            f"`{name}` has no SHA-256: the index does not tell one",
            "use an index that publishes SHA-256 hashes (PEP 503, PEP 691)",
        )
    if not isinstance(size, int) or size < 0:
        raise PylockError(f"`size` of {where} should be a number of bytes")
    try:
        wheel = wheels.parse(name)
    except ValueError as error:
        raise PylockError(str(error)) from None
    return Artifact(name, _without_credentials(url), digest.lower(), size), wheel


def _without_credentials(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise PylockError("a wheel has a malformed address") from None
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _marker(package: _Package) -> Marker | None:
    if not package.marker:
        return None
    try:
        return markers.parse(package.marker)
    except MarkerError as error:
        raise PylockError(f"the marker of `{package.name}` can't be read: {error}") from None


def _place(packages: Iterable[_Package], parsed: Mapping[str, Marker | None], grid: Grid) -> list[_Package]:
    """Find the cells each package belongs to, and drop packages and artifacts that belong to none."""
    environments = {cell: grid.environment(cell) for cell in grid.cells}
    everywhere = frozenset(grid.cells)
    cells = {
        text: everywhere
        if marker is None
        else frozenset(c for c, e in environments.items() if markers.evaluate(marker, e, unknown=True))
        for text, marker in parsed.items()
    }
    placed = []
    for package in packages:
        where = cells[package.marker]
        if where:
            libcs = grid.promise.kept_libcs
            targets = {target for cell in where for libc in libcs for target in grid.targets(cell, libc)}
            kept = tuple(pair for pair in package.artifacts if any(wheels.fits(pair[1], t) for t in targets))
            dropped = tuple(pair[1] for pair in package.artifacts if pair not in kept)
            placed.append(replace(package, artifacts=kept, cells=where, dropped=dropped))
    return placed


def _component(
    package: _Package,
    placed: Iterable[_Package],
    parsed: Mapping[str, Marker | None],
    grid: Grid,
    relations: Relations,
) -> Component:
    needed = {
        other.name
        for other in placed
        if (other.name, package.name) in relations.needs and other.cells & package.cells
    }
    return Component(
        name=package.name,
        version=package.version,
        artifacts=tuple(artifact for artifact, _ in package.artifacts),
        marker=_shortest(package, parsed[package.marker], grid),
        index=(relations.indexes or {}).get((package.name, package.version), package.index),
        dependencies=tuple(sorted(needed)),
    )


def _shortest(package: _Package, marker: Marker | None, grid: Grid) -> str:
    """Rewrite a marker, unless it asks for something the grid does not know (a kernel release)."""
    if marker is None:
        return ""
    if all(markers.evaluate(marker, grid.environment(cell), unknown=False) for cell in package.cells):
        return grid.marker(package.cells)
    if grid.promise.facts:
        raise PylockError(
            f"`{package.name}` is needed under `{package.marker}`, which can't be combined with --when on "
            + ", ".join(fact for fact, _ in grid.promise.facts),
            f"remove --when, or ask its authors not to test `{WORLD_VARIABLE}` or the kernel release",
        )
    return package.marker


def _missing(placed: Iterable[_Package], grid: Grid) -> dict[Minor, list[str]]:
    """Return, for each minor version of Python that is not covered, what is missing there."""
    missing: dict[Minor, dict[str, None]] = {}
    for package in placed:
        for cell in sorted(package.cells):
            for libc in grid.promise.required_libcs:
                for target in grid.targets(cell, libc):
                    if not any(wheels.fits(wheel, target) for _, wheel in package.artifacts):
                        line = f"{package.name} {package.version} on {describe(target)}: {_offer(package)}"
                        missing.setdefault(grid.minor(cell), {})[line] = None
    return {minor: list(lines) for minor, lines in missing.items()}


def describe(target: wheels.Target) -> str:
    """Name a wheel target as a person would: ``linux/arm64 (glibc), Python 3.12``."""
    build = "t" if target.free_threaded else ""
    return f"linux/{target.arch} ({target.libc}), Python {target.python[0]}.{target.python[1]}{build}"


def _offer(package: _Package) -> str:
    """Say what exists instead."""
    if package.source_only:
        return "only a source archive exists"
    tags = sorted(
        {
            f"{'.'.join(wheel.pythons)}-{'.'.join(wheel.abis)}-{'.'.join(wheel.platforms)}"
            for wheel in (*(wheel for _, wheel in package.artifacts), *package.dropped)
        }
    )
    if not tags:
        return "no wheel exists"
    more = f" and {len(tags) - _SHOWN} more" if len(tags) > _SHOWN else ""
    return "wheels exist for " + ", ".join(tags[:_SHOWN]) + more


def _check_complete(placed: list[_Package], grid: Grid) -> None:
    """Insist on a wheel in every cell; where Python is not promised, one minor version must have all."""
    missing = _missing(placed, grid)
    promised = bool(grid.promise.minors)
    if not missing or (not promised and len(missing) < len(grid.minors)):
        return
    if promised:
        lines = [line for minor in sorted(missing) for line in missing[minor]]
        first = f"{len(lines)} promised platform(s) lack a wheel" if len(lines) > 1 else "a wheel is missing"
    else:
        nearest = min(missing, key=lambda minor: (len(missing[minor]), minor))
        lines = missing[nearest]
        first = f"no Python from {grid.minors[0][0]}.{grid.minors[0][1]} on has every wheel"
    shown = "".join(f"\n  {line}" for line in lines[:_SHOWN])
    more = f"\n  and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    raise PylockError(
        f"{first}:{shown}{more}",
        "require another version, promise less with `PLATFORMS`, or require it only where it exists "
        "with `REQUIRE --when=arch=…`",
        NOT_PROMISED,
    )
