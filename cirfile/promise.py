"""The platforms an image promises, as a finite grid on which every marker has a definite value.

A marker is a formula over an open world; a promise is a closed one: some architectures, some minor
versions of Python, some values of the facts that conditions speak of. On that grid two markers are
equal when they hold in the same cells, so the lock can store the shortest one.

Facts without a PEP 508 variable travel through a resolver as values of ``platform_version``, a
variable no dependency on Linux has a use for: the *world* ``cir accelerator=cuda`` is one value. In a
lock they become members of ``extras`` (`cirfile.members`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from cirfile import markers
from cirfile.hierarchy import includes
from cirfile.manifest import Conditions
from cirfile.members import OTHER, condition, members
from cirfile.wheels import MACHINES, Target

#: Promised where a Cirfile says nothing.
DEFAULT_ARCHES = ("amd64", "arm64")
LIBCS = ("glibc", "musl")
#: The oldest Python a lock is made for where the base does not tell its own: the oldest that still gets
#: security fixes. Each older one costs a second of locking, for versions of packages nobody else needs.
OLDEST_PYTHON = (3, 11)
#: The newest minor version that is sure to exist; the grid grows when an index knows newer ones.
NEWEST_PYTHON = (3, 14)
#: The variable that carries facts through a resolver, and how its values begin.
WORLD_VARIABLE = "platform_version"
_WORLD_PREFIX = "cir "
#: Markers that compare with `3.99` mean "never", not a version to lock for.
_NO_SUCH_MINOR = 50

Minor = tuple[int, int]
Cell = tuple[str, ...]
_PYTHON = re.compile(r"3\.(\d{1,3})(t?)", re.ASCII)


class PromiseError(ValueError):
    """A promised fact has a value nobody can lock for; the text names it."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a lock has to cover.

    ``pythons`` are minor versions, empty where the base decides; ``free_threaded`` are those promised
    as ``3.13t``. ``libcs`` is empty where not promised: then glibc must be complete and musl is kept
    as far as it goes. ``facts`` lists the facts conditions speak of, with every value to tell apart.
    """

    arches: tuple[str, ...] = DEFAULT_ARCHES
    libcs: tuple[str, ...] = ()
    pythons: tuple[Minor, ...] = ()
    free_threaded: tuple[Minor, ...] = ()
    facts: Conditions = ()

    @property
    def required_libcs(self) -> tuple[str, ...]:
        """The C libraries every component must have an artifact for."""
        return self.libcs or ("glibc",)

    @property
    def kept_libcs(self) -> tuple[str, ...]:
        """The C libraries whose artifacts are kept."""
        return self.libcs or LIBCS

    @property
    def oldest(self) -> Minor:
        """The oldest minor version of Python."""
        return min(self.minors, default=OLDEST_PYTHON)

    @property
    def minors(self) -> tuple[Minor, ...]:
        """All promised minor versions, with or without the global lock of the interpreter."""
        return tuple(sorted({*self.pythons, *self.free_threaded}))

    @property
    def requires_python(self) -> str:
        """The range of Python as PEP 440 writes it."""
        lower = f">={_dotted(self.oldest)}"
        if not self.minors:
            return lower
        major, minor = self.minors[-1]
        return f"{lower},<{_dotted((major, minor + 1))}"

    def worlds(self) -> tuple[Mapping[str, str], ...]:
        """Every combination of the values of ``facts``."""
        names = [fact for fact, _ in self.facts]
        return tuple(dict(zip(names, values, strict=True)) for values in product(*(v for _, v in self.facts)))

    def builds(self, minor: Minor) -> tuple[bool, ...]:
        """Return the promised builds of one Python: the usual one (False), the free-threaded one (True), or both."""
        usual = minor in self.pythons or not self.minors
        return ((False,) if usual else ()) + ((True,) if minor in self.free_threaded else ())

    def targets(self, arch: str, libc: str, minor: Minor) -> tuple[Target, ...]:
        """Return the wheel targets of one cell, one for each build of Python."""
        return tuple(Target(arch, libc, minor, free_threaded=build) for build in self.builds(minor))


def promise(platforms: Conditions, conditions: Iterable[Conditions] = ()) -> Promise:
    """Read the promise of a manifest; ``conditions`` are those of its requirements.

    Raise `PromiseError` for an architecture or a version of Python that does not exist.
    """
    promised = dict(platforms)
    arches = tuple(sorted(set(promised.get("arch", DEFAULT_ARCHES))))
    for arch in arches:
        if arch not in MACHINES:
            raise PromiseError(f"no wheel tag is known for the architecture `{arch}`")
    usual, threaded = _pythons(promised.get("python", ()))
    libcs = tuple(sorted(set(promised.get("libc", ()))))
    for libc in libcs:
        if libc not in LIBCS:
            raise PromiseError(f"no wheel is made for the C library `{libc}`")
    return Promise(arches, libcs, usual, threaded, _facts(promised, conditions))


def world_name(world: Mapping[str, str]) -> str:
    """Return the value of `WORLD_VARIABLE` that stands for one combination of facts."""
    return _WORLD_PREFIX + " ".join(f"{fact}={world[fact]}" for fact in sorted(world))


def _pythons(values: Iterable[str]) -> tuple[tuple[Minor, ...], tuple[Minor, ...]]:
    usual: set[Minor] = set()
    threaded: set[Minor] = set()
    for value in values:
        match = _PYTHON.fullmatch(value)
        if match is None:
            raise PromiseError(f"`{value}` is no minor version of Python 3 such as 3.12")
        (threaded if match[2] else usual).add((3, int(match[1])))
    return tuple(sorted(usual)), tuple(sorted(threaded))


def _facts(promised: Mapping[str, tuple[str, ...]], conditions: Iterable[Conditions]) -> Conditions:
    """Facts without a standard variable that a condition names, with all values that matter."""
    named: dict[str, set[str]] = {}
    for one in conditions:
        for fact, values in one:
            if fact not in ("arch", "python"):
                named.setdefault(fact, set()).update(values)
    grid: dict[str, set[str]] = {}
    for fact, asked in named.items():
        if fact not in promised:
            grid[fact] = asked | _UNPROMISED.get(fact, {OTHER})
            continue
        # A promised platform may have a higher value than the one it is promised for, and conditions may name that.
        higher = {value for value in asked if any(includes(fact, value, own) for own in promised[fact])}
        grid[fact] = higher.union(promised[fact])
    return tuple((fact, tuple(sorted(values))) for fact, values in sorted(grid.items()))


#: What a platform may be when nothing is promised about a fact.
_UNPROMISED: dict[str, set[str]] = {"libc": set(LIBCS), "accelerator": {"none"}}


def _dotted(release: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in release)


class Grid:
    """All cells of a promise: architecture, facts and interval of Python versions.

    ``literals`` are the Python versions that markers compare with: between two of them nothing
    changes, so one sample of each interval decides. A cell is a tuple with one value per dimension.
    """

    def __init__(
        self, given: Promise, literals: Iterable[tuple[int, ...]], newest: Minor = NEWEST_PYTHON
    ) -> None:
        self.promise = given
        points = {(*release, 0, 0)[:3] for release in literals}
        named = [point[:2] for point in points if point[0] == 3 and point[1] < _NO_SUCH_MINOR]
        last = max(newest, NEWEST_PYTHON, *named)
        self.minors = given.minors or tuple((3, minor) for minor in range(given.oldest[1], last[1] + 1))
        starts = {(*minor, 0) for minor in self.minors} | {p for p in points if p[:2] in set(self.minors)}
        self._pythons = tuple(_dotted(start) for start in sorted(starts))
        dimensions = [("arch", given.arches), *given.facts, ("python", self._pythons)]
        self._names = tuple(name for name, _ in dimensions)
        self._values = tuple(values for _, values in dimensions)
        self.cells: tuple[Cell, ...] = tuple(product(*self._values))

    def environment(self, cell: Cell) -> dict[str, str | frozenset[str]]:
        """Return the marker environment of a cell."""
        facts = dict(zip(self._names, cell, strict=True))
        arch, python = facts.pop("arch"), facts.pop("python")
        environment: dict[str, str | frozenset[str]] = {
            **markers.LINUX,
            "platform_machine": MACHINES[arch],
            "python_full_version": python,
            "implementation_version": python,
            "python_version": ".".join(python.split(".")[:2]),
            "extras": members(facts.items()),
        }
        if facts:
            environment[WORLD_VARIABLE] = world_name(facts)
        return environment

    def targets(self, cell: Cell, libc: str) -> tuple[Target, ...]:
        """Return the wheel targets of a cell with one C library; none where the cell has another."""
        facts = dict(zip(self._names, cell, strict=True))
        if facts.get("libc", libc) != libc:
            return ()
        return self.promise.targets(facts["arch"], libc, self.minor(cell))

    def minor(self, cell: Cell) -> Minor:
        """Return the minor version of Python of a cell."""
        major, minor, _ = cell[-1].split(".")
        return int(major), int(minor)

    def marker(self, holds: frozenset[Cell]) -> str:
        """Return the marker that holds exactly in the cells ``holds``; empty where it holds in all."""
        expression, _ = self._expand(lambda cell: cell in holds, ())
        return "" if expression == _TRUE else expression

    def _expand(self, holds: Callable[[Cell], bool], prefix: Cell) -> tuple[str, bool]:
        """Return the expression for the cells that begin with ``prefix``, and whether it is an ``or``."""
        depth = len(prefix)
        if depth == len(self._values):
            return (_TRUE if holds(prefix) else _FALSE), False
        branches: dict[str, list[str]] = {}
        alternative: dict[str, bool] = {}
        for value in self._values[depth]:
            expression, is_or = self._expand(holds, (*prefix, value))
            branches.setdefault(expression, []).append(value)
            alternative[expression] = is_or
        if len(branches) == 1:
            return next(iter(alternative.items()))
        parts = [
            self._branch(depth, values, expression, alternative[expression])
            for expression, values in branches.items()
            if expression != _FALSE
        ]
        return " or ".join(text for text, _ in parts), len(parts) > 1 or parts[0][1]

    def _branch(self, depth: int, values: list[str], rest: str, rest_is_or: bool) -> tuple[str, bool]:
        condition, is_or = self._condition(depth, values)
        if rest == _TRUE:
            return condition, is_or
        left = f"({condition})" if is_or else condition
        right = f"({rest})" if rest_is_or else rest
        return f"{left} and {right}", False

    def _condition(self, depth: int, values: list[str]) -> tuple[str, bool]:
        name = self._names[depth]
        if name == "python":
            return self._python_condition(values)
        if name == "arch":
            parts = [f"platform_machine == '{MACHINES[value]}'" for value in values]
            return " or ".join(parts), len(parts) > 1
        return condition(name, values, self._values[depth])

    def _python_condition(self, starts: list[str]) -> tuple[str, bool]:
        """Join neighbouring intervals; the ends of the grid need no bound."""
        positions = [self._pythons.index(start) for start in starts]
        runs: list[list[int]] = []
        for position in positions:
            if runs and runs[-1][1] + 1 == position:
                runs[-1][1] = position
            else:
                runs.append([position, position])
        parts = []
        for first, last in runs:
            bounds = [f"python_full_version >= '{_short(self._pythons[first])}'"] if first else []
            if last + 1 < len(self._pythons):
                bounds.append(f"python_full_version < '{_short(self._pythons[last + 1])}'")
            parts.append(" and ".join(bounds))
        return " or ".join(parts), len(parts) > 1


_TRUE, _FALSE = "true", "false"


def _short(version: str) -> str:
    return version.removesuffix(".0") if version.count(".") == 2 else version


def literals(parsed: Iterable[markers.Marker]) -> set[tuple[int, ...]]:
    """Return the points at which the Python comparisons of these markers may change their value."""
    points: set[tuple[int, ...]] = set()
    for marker in parsed:
        for atom in markers.atoms(marker):
            if atom.variable in markers.PYTHON_VARIABLES:
                points.update(_points(atom))
    return points


def _points(atom: markers.Atom) -> Iterable[tuple[int, ...]]:
    is_list = atom.op in ("in", "not in")
    texts = re.findall(r"\d+(?:\.\d+)+", atom.value) if is_list else [atom.value]
    for text in texts:
        release, _ = markers.version(text)
        exact = (*release, 0, 0)[:3]
        yield exact
        yield (*exact[:2], exact[2] + 1)
        yield (exact[0], exact[1] + 1, 0)
