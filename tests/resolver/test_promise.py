"""The grid of promised platforms: its cells, and that a rewritten marker means the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirfile.manifest import Conditions
from cirfile.markers import evaluate, parse
from cirfile.members import condition
from cirfile.promise import DEFAULT_ARCHES, Grid, PromiseError, literals, promise

_TWO_BY_TWO = promise((("arch", ("amd64", "arm64")), ("python", ("3.11", "3.12"))))


def _rewrite(text: str, platforms: Conditions, conditions: list[Conditions]) -> str:
    given_promise = promise(platforms, conditions)
    marker = parse(text)
    grid = Grid(given_promise, literals([marker]))
    return grid.marker(frozenset(c for c in grid.cells if evaluate(marker, grid.environment(c))))


@pytest.mark.parametrize(
    ("text", "shortest"),
    [
        ("sys_platform == 'linux'", ""),
        ("sys_platform == 'linux' and python_version >= '3.9'", ""),
        ("platform_machine == 'x86_64' and sys_platform == 'linux'", "platform_machine == 'x86_64'"),
        ("platform_machine != 'aarch64'", "platform_machine == 'x86_64'"),
        ("python_version < '3.12'", "python_full_version < '3.12'"),
        ("python_full_version < '3.11.3'", "python_full_version < '3.11.3'"),
        ("python_full_version <= '3.11.3'", "python_full_version < '3.11.4'"),
        (
            "python_full_version >= '3.11.2' and python_version < '3.12'",
            "python_full_version >= '3.11.2' and python_full_version < '3.12'",
        ),
        (
            "platform_machine == 'x86_64' or python_version == '3.12'",
            "platform_machine == 'x86_64' or platform_machine == 'aarch64' and python_full_version >= '3.12'",
        ),
        ("platform_version == 'cir accelerator=cuda libc=glibc'", "'accelerator=cuda' in extras"),
    ],
)
def test_markers_get_as_short_as_the_promise_allows(text: str, shortest: str) -> None:
    platforms: Conditions = (
        ("accelerator", ("cuda", "none")),
        ("arch", ("amd64", "arm64")),
        ("libc", ("glibc",)),
        ("python", ("3.11", "3.12")),
    )
    conditions: list[Conditions] = []
    if "cir " in text:
        conditions = [(("accelerator", ("cuda",)), ("libc", ("glibc",)))]
    assert _rewrite(text, platforms, conditions) == shortest


def test_a_value_nobody_promised_is_told_by_the_others() -> None:
    condition = (("microarch", ("x86-64-v3",)),)
    assert promise((), [condition]).facts == (("microarch", ("other", "x86-64-v3")),)
    text = "platform_version == 'cir microarch=other'"
    assert _rewrite(text, (("python", ("3.12",)),), [condition]) == "'microarch=x86-64-v3' not in extras"


_LEVELS = ("microarch", ("x86-64-v2", "x86-64-v3", "x86-64-v4"))


@pytest.mark.parametrize(
    "platforms",
    [
        (("python", ("3.12",)),),
        (("python", ("3.12",)), ("microarch", ("x86-64-v2", "x86-64-v4"))),
        (("python", ("3.12",)), ("accelerator", ("cuda", "none"))),
        (("python", ("3.12",)), _LEVELS, ("accelerator", ("cuda", "cuda:13.0", "none", "rocm"))),
    ],
)
@given(st.data())
def test_markers_of_values_that_include_others(platforms: Conditions, data: st.DataObject) -> None:
    """A platform has the members of all values that its own includes, and its marker alone holds for it."""
    conditions: list[Conditions] = [(_LEVELS, ("accelerator", ("cuda", "cuda:12.6", "cuda:13.0")))]
    grid = Grid(promise(platforms, conditions), ())
    holds = frozenset(data.draw(st.sets(st.sampled_from(grid.cells), min_size=1)))
    marker = parse(grid.marker(holds)) if len(holds) < len(grid.cells) else None
    told = (cell for cell in grid.cells if marker is None or evaluate(marker, grid.environment(cell)))
    assert frozenset(told) == holds


def test_the_marker_of_a_lower_value_needs_that_no_higher_one_is_there() -> None:
    v2, v3, v4 = _LEVELS[1]
    assert condition("microarch", [v2], [v2, v3]) == (
        "'microarch=x86-64-v2' in extras and 'microarch=x86-64-v3' not in extras", False,
    )  # fmt: skip
    assert condition("microarch", [v2, v3], [v2, v3, v4])[0].count("not in") == 1
    assert condition("microarch", [v3, v4], [v2, v3, v4]) == ("'microarch=x86-64-v3' in extras", False)


@settings(max_examples=150)
@given(st.data())
def test_a_rewritten_marker_holds_in_the_same_cells(data: st.DataObject) -> None:
    platforms: Conditions = (("arch", ("amd64", "arm64", "s390x")), ("python", ("3.10", "3.12", "3.13")))
    conditions: list[Conditions] = [(("accelerator", ("cuda", "rocm")), ("microarch", ("x86-64-v3",)))]
    points = [(3, 12, 4), (3, 10, 1)]
    grid = Grid(promise(platforms, conditions), points)
    holds = frozenset(data.draw(st.sets(st.sampled_from(grid.cells), min_size=1)))
    text = grid.marker(holds)
    if not text:
        assert holds == frozenset(grid.cells)
        return
    marker = parse(text)
    assert frozenset(c for c in grid.cells if evaluate(marker, grid.environment(c))) == holds


@pytest.mark.parametrize(
    ("python", "requires"),
    [
        ((), ">=3.11"),
        (("3.12",), ">=3.12,<3.13"),
        (("3.13", "3.10"), ">=3.10,<3.14"),
        (("3.13t",), ">=3.13,<3.14"),
    ],
)
def test_the_range_of_python(python: tuple[str, ...], requires: str) -> None:
    platforms: Conditions = (("python", python),) if python else ()
    assert promise(platforms).requires_python == requires


def test_free_threaded_builds_only_where_promised() -> None:
    both = promise((("python", ("3.13", "3.13t")),))
    assert [t.free_threaded for t in both.targets("amd64", "glibc", (3, 13))] == [False, True]
    assert [t.free_threaded for t in promise(()).targets("amd64", "glibc", (3, 13))] == [False]


def test_defaults() -> None:
    given_promise = promise(())
    assert given_promise.arches == DEFAULT_ARCHES
    assert given_promise.required_libcs == ("glibc",)
    assert given_promise.kept_libcs == ("glibc", "musl")


@pytest.mark.parametrize(
    ("platforms", "named"),
    [((("arch", ("vax",)),), "vax"), ((("python", ("2.7",)),), "2.7"), ((("libc", ("newlib",)),), "newlib")],
)
def test_what_does_not_exist_is_refused(platforms: Conditions, named: str) -> None:
    with pytest.raises(PromiseError, match=named):
        promise(platforms)


def test_the_environment_of_a_cell() -> None:
    grid = Grid(_TWO_BY_TWO, [])
    assert len(grid.cells) == 4
    environment = grid.environment(grid.cells[0])
    assert environment["platform_machine"] == "x86_64"
    assert environment["python_full_version"] == "3.11.0"
    assert environment["python_version"] == "3.11"
    assert environment["extras"] == frozenset()
