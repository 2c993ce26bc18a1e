"""The page: one HTML file that needs no other."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise
from pathlib import Path

from bench.compare import phases
from bench.compare.report import parts
from bench.compare.report.figures import Figures, crossovers
from bench.compare.report.parts import Bar
from bench.compare.report.promises import GOALS, OURS, PAPER, Promise, results
from bench.compare.report.table import METHOD, bytes_shown, cell, gaps, one_line, rows_of_times, verdict

_STYLE = Path(__file__).with_name("style.css")
#: What the bars of a life are stacked of: name, phase, metric.
_LIFE = (
    ("build", phases.BUILD_COLD, "seconds"),
    ("push", phases.PUSH, "seconds"),
    ("pull", phases.DEPLOY_BASE, "pull"),
    ("create and start", phases.DEPLOY_BASE, "start"),
)
_KINDS = (("own layers", "own"), ("shared by all images of the system", "shared"), ("base", "base"))
#: Metrics beside time, with the number of bytes, or seconds, they are shown as.
_TAKEN = (("cpu", "processor seconds"), ("memory", "peak memory"), ("received", "received"), ("disk", "disk"))


def page(figures: Figures) -> str:
    """The whole page."""
    described = ", ".join(f"{key} {value}" for key, value in figures.machine.items())
    body = ["<h1>CIR beside stock builders</h1>", _p(METHOD), _p(f"Machine: {described}.")]
    body += [
        "<h2>Beside the paper's figures</h2>",
        _p("The paper's as reported in its abstract and by reviews."),
    ]
    body += [_promises(figures, PAPER), "<h2>Goals</h2>", _promises(figures, GOALS)]
    for link in figures.plan.links:
        for scenario in figures.plan.scenarios:
            body += [f"<h2>{escape(scenario)}, {escape(link)}</h2>", _life(figures, scenario, link)]
            body += [parts.table(rows_of_times(figures, scenario, link)), _taken(figures, scenario, link)]
    body += ["<h2>Bytes in the registry</h2>", *(_sizes(figures, [name]) for name in figures.plan.scenarios)]
    body += [_sizes(figures, list(figures.plan.scenarios)), "<h2>Bandwidth</h2>", *_bandwidth(figures)]
    body += [
        "<h2>Failed</h2>",
        _list([f"{k.scenario}, {k.system}, {k.phase}: {e}" for k, e in figures.failures()]),
    ]
    body += ["<h2>Missing</h2>", _list(gaps(figures))]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    style = f"<title>CIR beside stock builders</title><style>{_STYLE.read_text()}</style>"
    text = "\n".join(body)
    return f'<!doctype html>\n<html lang="en"><head>{head}{style}</head><body>\n{text}\n</body></html>\n'


def _p(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _list(lines: list[str]) -> str:
    return (
        f"<ul>{''.join(f'<li>{escape(one_line(line))}</li>' for line in lines)}</ul>"
        if lines
        else _p("Nothing.")
    )


def _promises(figures: Figures, promises: tuple[Promise, ...]) -> str:
    rows = [["what", "promised", "application", "measured", ""]]
    rows += [[r.what, r.promised, r.scenario, r.text, verdict(r)] for r in results(figures, promises)]
    return parts.table(rows)


def _life(figures: Figures, scenario: str, link: str) -> str:
    """From nothing to the first useful line, stacked, for each system."""
    made: list[Bar] = []
    for system, title in figures.plan.systems.items():
        failed = next((n for n, phase, _ in _LIFE if figures.failure(scenario, system, phase, link)), "")
        found = [figures.spread(scenario, system, phase, link, metric) for _, phase, metric in _LIFE]
        lengths = tuple(spread.median if spread else 0.0 for spread in found)
        absent = [name for (name, _, _), spread in zip(_LIFE, found, strict=True) if spread is None]
        state = "failed" if failed else "missing" if absent else ""
        whole = f"{sum(lengths):.1f} s"
        text = f"{failed} failed" if failed else f"{', '.join(absent)} missing" if absent else whole
        made.append(Bar(title, text, lengths, state))
    caption = _caption(
        "Build with nothing cached, push, and deployment with the base present; seconds, medians."
    )
    return f"<figure>{parts.legend([name for name, _, _ in _LIFE])}{parts.bars(made)}{caption}</figure>"


def _caption(text: str) -> str:
    return f"<figcaption>{escape(text)}</figcaption>"


def _taken(figures: Figures, scenario: str, link: str) -> str:
    """What the two phases that matter most take of the machine."""
    rows = [["the machine's", *figures.plan.systems.values()]]
    for phase in (phases.BUILD_COLD, phases.DEPLOY_BASE):
        for metric, name in _TAKEN:
            row = [f"{name}: {phases.TITLES[phase]}"]
            for system in figures.plan.systems:
                found = figures.spread(scenario, system, phase, link, metric)
                number = found and (f"{found.median:.2f}" if metric == "cpu" else bytes_shown(found.median))
                row.append(number or cell(figures, scenario, system, phase, link))
            rows.append(row)
    kept = [figures.plan.kept.get(system, {}).get(scenario) for system in figures.plan.systems]
    rows.append(["files kept, lines", *("missing" if k is None else f"{k[0]}, {k[1]}" for k in kept)])
    return parts.table(rows)


def _sizes(figures: Figures, scenarios: list[str]) -> str:
    name = scenarios[0] if len(scenarios) == 1 else f"all {len(scenarios)} applications"
    made: list[Bar] = []
    for system, title in figures.plan.systems.items():
        found = [figures.size(system, scenarios, [kind]) for _, kind in _KINDS]
        known = [size for size in found if size is not None]
        whole = len(known) == len(found)
        text = bytes_shown(sum(known)) if whole else "missing"
        made.append(Bar(title, text, tuple(map(float, known)) if whole else (), "" if whole else "missing"))
    legend = parts.legend([what for what, _ in _KINDS])
    return f"<h3>{escape(name)}</h3><figure>{legend}{parts.bars(made)}</figure>"


def _bandwidth(figures: Figures) -> list[str]:
    """Deployment with the base present over the links' bandwidths, with the points where ours crosses another's."""
    links = {name: rate for name, rate in figures.plan.links.items() if rate > 0}
    if len(links) < 2:
        return ['<p class="missing">missing: curves need two shaped links, and fewer were measured</p>']
    body: list[str] = []
    for scenario in figures.plan.scenarios:
        series: dict[str, dict[float, float]] = {}
        for system in figures.plan.systems:
            found = {r: figures.spread(scenario, system, phases.DEPLOY_BASE, n) for n, r in links.items()}
            series[system] = {rate: spread.median for rate, spread in found.items() if spread}
        drawn = {system: points for system, points in series.items() if points}
        said: list[str] = []
        marks: list[tuple[float, float]] = []
        for system in (name for name in drawn if name != OURS and OURS in drawn):
            for rate in crossovers(drawn[OURS], drawn[system]):
                marks.append((rate, _between(drawn[OURS], rate)))
                said.append(f"{figures.plan.systems[system]}: {rate:.0f} Mbit/s")
        body.append(f"<h3>{escape(scenario)}</h3>")
        if drawn:
            legend = parts.legend([figures.plan.systems[system] for system in drawn])
            crossed = f"Crossovers with ours: {'; '.join(said) or 'none between the measured links'}."
            body.append(f"<figure>{legend}{parts.curves(drawn, marks)}{_caption(crossed)}</figure>")
        else:
            body.append('<p class="missing">missing</p>')
    return body


def _between(points: dict[float, float], rate: float) -> float:
    """A curve's value between its points."""
    rates = sorted(points)
    left, right = next((a, b) for a, b in pairwise(rates) if a <= rate <= b)
    share = math.log(rate / left) / math.log(right / left)
    return points[left] + share * (points[right] - points[left])
