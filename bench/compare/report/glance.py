"""The tables that most readers want: systems down, applications across, the best of each column marked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from bench.compare import phases
from bench.compare.report.figures import Figures
from bench.compare.report.promises import engine_of, is_one_file
from bench.compare.report.rows import APART, BEYOND_BASE, Cell, Rows, absent, bytes_shown, is_apart, text

#: Values by system and application, of one thing.
_Values = Mapping[str, Mapping[str, float | None]]
_GLANCE = (
    ("Build, nothing cached, seconds", phases.BUILD_COLD),
    ("Deployment, base present, seconds", phases.DEPLOY_BASE),
    ("Deployment, components shared, seconds", phases.DEPLOY_SHARED),
)
#: Words below the tables of an overview.
_LEGEND = (
    "Bold: the lowest of those that run on the same engine, where all of them were measured in one sitting. "
    "An image beyond its base: what a registry stores for it that is not the base's; CIR's shim layer and "
    "that with uv, which all images of the system share, count. Apptainer's files have their base inside, so they are "
    "not in that table."
)
#: More of them, where times are marked as of another sitting.
_APART_LEGEND = (
    f" {APART} Measured in another sitting than CIR on the same engine: the machine may have been faster or slower "
    "then, so hold it against nothing closely. Tables of different phases may be of different sittings, too: those of "
    "each application below say which by letters."
)


def overview(figures: Figures) -> list[tuple[str, Rows]]:
    """Sizes, builds and deployments, each with its title."""
    systems, scenarios = figures.plan.systems, figures.plan.scenarios
    layered = [system for system in systems if not is_one_file(system)]
    sizes = {s: {name: figures.size(s, [name], BEYOND_BASE) for name in scenarios} for s in layered}
    shown = _glance(figures, sizes, bytes_shown, phases.PUSH, timed=False)
    made = [("Image in the registry, beyond its base", shown)]
    for title, phase in _GLANCE:
        times = {s: {name: _median(figures, name, s, phase) for name in scenarios} for s in systems}
        made.append((title, _glance(figures, times, "{:.2f}".format, phase, timed=True)))
    return made


def _median(figures: Figures, scenario: str, system: str, phase: str) -> float | None:
    found = figures.spread(scenario, system, phase, figures.main)
    return None if found is None else found.median


def _glance(
    figures: Figures, values: _Values, shown: Callable[[float], str], phase: str, *, timed: bool
) -> Rows:
    rows = [text("", *figures.plan.scenarios)]
    for system in values:
        row = [Cell(figures.plan.systems[system])]
        for name in figures.plan.scenarios:
            value = values[system][name]
            if value is None:
                row.append(absent(figures, name, system, phase, figures.main))
            else:
                beside = [
                    s for s in values if not (timed and is_apart(figures, name, s, phase, figures.main))
                ]
                mark = "" if system in beside else f" {APART}"
                row.append(
                    Cell(shown(value) + mark, "best" if _is_best(values, beside, system, name) else "")
                )
        rows.append(row)
    return rows


def _is_best(values: _Values, beside: Collection[str], system: str, scenario: str) -> bool:
    """Whether a system is the best on its engine, where more than one was measured there, and all of one sitting."""
    on_engine = [other for other in values if engine_of(other) == engine_of(system)]
    rivals = [values[other][scenario] if other in beside else None for other in on_engine]
    known = [value for value in rivals if value is not None]
    return len(known) == len(rivals) > 1 and values[system][scenario] == min(known)


def legend(figures: Figures) -> str:
    """Words below the tables of an overview."""
    plan = figures.plan
    marked = any(
        is_apart(figures, scenario, system, phase, link)
        for system, planned in plan.phases.items()
        for phase in planned
        for scenario in plan.scenarios
        for link in plan.links
    )
    return _LEGEND + _APART_LEGEND * marked
