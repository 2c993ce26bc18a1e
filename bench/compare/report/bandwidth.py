"""The section on bandwidth: curves over the links, with the points where ours crosses another's."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from bench.compare import phases
from bench.compare.report import parts, rows
from bench.compare.report.figures import Figures, Spread, crossovers
from bench.compare.report.parts import Curve
from bench.compare.report.promises import DOCKER, PAIRS

_DRAWN = (phases.DEPLOY_BASE, phases.DEPLOY_SHARED)


def section(figures: Figures) -> list[str]:
    """Both deployments of every application, and all phases of the links that are not the main one."""
    if len([rate for rate in figures.plan.links.values() if rate > 0]) < 2:
        return ['<p class="missing">missing: curves need two shaped links, and fewer were measured</p>']
    body = []
    for scenario in figures.plan.scenarios:
        charts = "".join(f"<div>{_chart(figures, scenario, phase)}</div>" for phase in _DRAWN)
        folded = parts.folded(f"Other links, {scenario}", parts.table(rows.swept(figures, scenario)))
        body.append(f'<h3>{escape(scenario)}</h3><div class="pair">{charts}</div>{folded}')
    return body


def _chart(figures: Figures, scenario: str, phase: str) -> str:
    title = phases.TITLES[phase]
    drawn: dict[str, Curve] = {}
    spreads: dict[str, dict[float, Spread]] = {}
    for number, system in enumerate(figures.plan.systems):
        points = {
            rate: figures.spread(scenario, system, phase, link) for link, rate in figures.plan.links.items()
        }
        known = spreads[system] = {rate: found for rate, found in points.items() if found is not None}
        if sum(rate > 0 for rate in known) > 1:
            unshaped = known[0].median if 0 in known else None
            drawn[system] = Curve(number, {r: s.median for r, s in known.items() if r > 0}, unshaped)
    if not drawn:
        return f'<h4>{escape(title)}</h4><p class="missing">missing</p>'
    marks: list[tuple[float, float]] = []
    crossings: list[str] = []
    apart: list[str] = []
    for ours, peer in _compared(figures):
        if ours in drawn and peer in drawn:
            if not _is_one_sitting(figures, scenario, phase, (ours, peer)):
                apart.append(figures.plan.systems[peer])
                continue
            for rate in crossovers(spreads[ours], spreads[peer]):
                marks.append((rate, drawn[ours].at(rate)))
                crossings.append(
                    f"{figures.plan.systems[ours]} and {figures.plan.systems[peer]} at {rate:.0f} Mbit/s"
                )
    names = {figures.plan.systems[system]: curve.colour for system, curve in drawn.items()}
    chart = parts.figure(
        names, parts.curves(list(drawn.values()), marks), f"Seconds over Mbit/s. {_caption(crossings, apart)}"
    )
    return f"<h4>{escape(title)}</h4>{chart}"


def _caption(crossings: list[str], apart: list[str]) -> str:
    """Where curves cross, and which cannot be held against each other."""
    said = [f"Crossovers: {'; '.join(crossings)}."] if crossings else []
    if apart:
        said.append(f"Not compared with {' and '.join(apart)}: the points are of several sittings.")
    return " ".join(said) or "No crossovers between the shaped links."


def _is_one_sitting(figures: Figures, scenario: str, phase: str, systems: Iterable[str]) -> bool:
    """Whether curves can be held against each other: in another sitting the machine may be another."""
    links = [link for link, rate in figures.plan.links.items() if rate > 0]
    found = {figures.sittings(scenario, system, phase, link) for system in systems for link in links}
    return len(found - {frozenset()}) == 1


def _compared(figures: Figures) -> list[tuple[str, str]]:
    """CIR on Docker with every stock system, CIR on others with its own peer."""
    ours = {first for first, _ in PAIRS}
    return [
        *((DOCKER[0], system) for system in figures.plan.systems if system not in ours),
        *(pair for pair in PAIRS if pair != DOCKER),
    ]
