"""The report as Markdown: tables and words."""

from __future__ import annotations

from collections.abc import Iterable

from bench.compare.report import glance, rows
from bench.compare.report.causes import Causes
from bench.compare.report.figures import Figures
from bench.compare.report.method import does, method
from bench.compare.report.promises import GOALS, PAPER
from bench.compare.report.rows import Rows


def table(figures: Figures, causes: Causes) -> str:
    """Everything the page shows but for its charts."""
    parts = ["# Comparison with stock builders", f"Link: {figures.main}, where no other is named."]
    parts += ["## At a glance"]
    for title, found in glance.overview(figures):
        parts += [f"### {title}", markdown(found)]
    parts += [glance.legend(figures)]
    parts += ["## Beside the paper", markdown(rows.promised(figures, PAPER, peers=True)), rows.OWN_BYTES]
    parts += _missed(rows.missed(figures, PAPER, causes, peers=True))
    parts += ["## Goals", "CIR on Docker against the best Dockerfile on Docker."]
    parts += [
        markdown(rows.promised(figures, GOALS, peers=False)),
        *_missed(rows.missed(figures, GOALS, causes)),
    ]
    for scenario in figures.plan.scenarios:
        parts += [
            f"## {scenario}",
            markdown(rows.times(figures, scenario)),
            markdown(rows.taken(figures, scenario)),
        ]
    parts += ["## Bytes in the registry"]
    for title, kinds in rows.SIZES:
        parts += [f"### {title}", markdown(rows.sizes(figures, kinds))]
    parts += ["## Other links", *_swept(figures)]
    parts += ["## Files kept, and their lines", markdown(rows.kept(figures))]
    parts += ["## Failed", _list(rows.failed(figures)), "## Missing", _list(rows.gaps(figures))]
    parts += ["## Method", *(f"**{what}.** {words}" for what, words in method(figures))]
    parts += [
        markdown([rows.text(*row) for row in does(figures)]),
        markdown(rows.runs(figures)),
        markdown(rows.machine(figures)),
    ]
    return "\n\n".join(parts) + "\n"


def _missed(missed: Iterable[tuple[str, list[str]]]) -> list[str]:
    lines = []
    for goal, found in missed:
        lines += [f"* Missed: {goal}", *(f"  * {cause}" for cause in found)]
    return ["\n".join(lines)] if lines else []


def _swept(figures: Figures) -> list[str]:
    if len(figures.plan.links) < 2:
        return ["Only one link was measured."]
    parts = []
    for scenario in figures.plan.scenarios:
        parts += [f"### {scenario}", markdown(rows.swept(figures, scenario))]
    return parts


def markdown(found: Rows) -> str:
    """One table."""
    first, *others = ([_cell(cell) for cell in row] for row in found)
    return "\n".join(f"| {' | '.join(row)} |" for row in (first, ["---"] * len(first), *others))


def _cell(cell: rows.Cell) -> str:
    words = cell.text.replace("|", "\\|")
    return f"**{words}**" if cell.state == "best" else words


def _list(lines: list[str]) -> str:
    return "\n".join(f"* {line}" for line in lines) or "Nothing."
