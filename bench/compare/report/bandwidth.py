"""The section on bandwidth: curves over the links, with the points where ours crosses another's."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise

from bench.compare import phases
from bench.compare.report import parts, rows
from bench.compare.report.figures import Figures, crossovers
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
    for number, system in enumerate(figures.plan.systems):
        points = {
            rate: _median(figures, scenario, system, phase, link) for link, rate in figures.plan.links.items()
        }
        known = {rate: value for rate, value in points.items() if value is not None}
        if sum(rate > 0 for rate in known) > 1:
            drawn[system] = Curve(number, {rate: v for rate, v in known.items() if rate > 0}, known.get(0))
    if not drawn:
        return f'<h4>{escape(title)}</h4><p class="missing">missing</p>'
    marks: list[tuple[float, float]] = []
    said: list[str] = []
    for ours, peer in _compared(figures):
        if ours in drawn and peer in drawn:
            curve = drawn[ours].points
            for rate in crossovers(curve, drawn[peer].points):
                marks.append((rate, _between(curve, rate)))
                said.append(
                    f"{figures.plan.systems[ours]} and {figures.plan.systems[peer]} at {rate:.0f} Mbit/s"
                )
    crossed = f"Crossovers: {'; '.join(said)}." if said else "No crossovers between the shaped links."
    names = {figures.plan.systems[system]: curve.colour for system, curve in drawn.items()}
    chart = parts.figure(names, parts.curves(list(drawn.values()), marks), f"Seconds over Mbit/s. {crossed}")
    return f"<h4>{escape(title)}</h4>{chart}"


def _median(figures: Figures, scenario: str, system: str, phase: str, link: str) -> float | None:
    found = figures.spread(scenario, system, phase, link)
    return None if found is None else found.median


def _compared(figures: Figures) -> list[tuple[str, str]]:
    """CIR on Docker with every stock system, CIR on others with its own peer."""
    ours = {first for first, _ in PAIRS}
    return [
        *((DOCKER[0], system) for system in figures.plan.systems if system not in ours),
        *(pair for pair in PAIRS if pair != DOCKER),
    ]


def _between(points: dict[float, float], rate: float) -> float:
    """A curve's value between its points."""
    rates = sorted(points)
    left, right = next((a, b) for a, b in pairwise(rates) if a <= rate <= b)
    share = math.log(rate / left) / math.log(right / left)
    return points[left] + share * (points[right] - points[left])
