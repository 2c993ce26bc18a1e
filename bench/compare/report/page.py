"""The page: one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from bench.compare import phases
from bench.compare.report import bandwidth, glance, parts, rows
from bench.compare.report.causes import Causes
from bench.compare.report.figures import Figures
from bench.compare.report.method import does, method
from bench.compare.report.parts import Bar
from bench.compare.report.promises import GOALS, PAPER
from bench.compare.report.rows import bytes_shown

_STYLE = Path(__file__).with_name("style.css")
_TITLE = "CIR beside stock builders"
#: What the bars of a life are stacked of: name, phase, metric.
_LIFE = (
    ("build", phases.BUILD_COLD, "seconds"),
    ("push", phases.PUSH, "seconds"),
    ("pull", phases.DEPLOY_BASE, "pull"),
    ("create and start", phases.DEPLOY_BASE, "start"),
)
_KINDS = (("own layers", "own"), ("shared by all images of the system", "shared"), ("base", "base"))
_PLATFORMS = (("one platform", phases.PUSH), ("two platforms", phases.PUSH_PLATFORMS))


def page(figures: Figures, causes: Causes) -> str:
    """The whole page."""
    sections = {
        "At a glance": _overview(figures),
        "Beside the paper": _paper(figures, causes),
        "Goals": _goals(figures, causes),
        "Applications": "".join(_application(figures, name) for name in figures.plan.scenarios),
        "Bytes in the registry": _sizes(figures),
        "Bandwidth": "".join(bandwidth.section(figures)),
        "Failed": parts.listed(rows.failed(figures)),
        "Missing": parts.listed(rows.gaps(figures)),
        "Method": _method(figures),
    }
    names = {title: title.lower().replace(" ", "-") for title in sections}
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for title, name in names.items())
    text = "\n".join(
        f'<section id="{names[title]}"><h2>{escape(title)}</h2>{body}</section>' for title, body in sections.items()
    )  # fmt: skip
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    style = f"<title>{_TITLE}</title><style>{_STYLE.read_text()}</style>"
    top = f"<h1>{_TITLE}</h1>{_lead(figures)}<nav>{links}</nav>"
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}{style}</head><body>\n{top}\n{text}\n</body></html>\n'
    )


def _lead(figures: Figures) -> str:
    plan, known = figures.plan, figures.machine
    counts = f"Applications: {len(plan.scenarios)}, systems: {len(plan.systems)}, rounds: {plan.rounds}"
    where = ", ".join(known[name] for name in ("processor", "memory", "date") if name in known)
    links = f"Link: {figures.main}, where no other is named."
    return parts.paragraph(f"{counts}. {where + '. ' if where else ''}{links} Medians.")


def _overview(figures: Figures) -> str:
    tables = "".join(
        f"<h3>{escape(title)}</h3>{parts.table(found)}" for title, found in glance.overview(figures)
    )
    return tables + parts.paragraph(glance.legend(figures))


def _paper(figures: Figures, causes: Causes) -> str:
    said = (
        "The paper's (arXiv 2604.10411) own figures are for applications that are not public: 95 % smaller, "
        "40-60 % faster deployment, 77-86 % faster builds than Docker, Buildah and Apptainer. "
        f"{rows.OWN_BYTES} Deployment begins with the base present, the build with nothing cached."
    )
    found = parts.table(rows.promised(figures, PAPER, peers=True))
    return parts.paragraph(said) + found + _missed(rows.missed(figures, PAPER, causes, peers=True))


def _goals(figures: Figures, causes: Causes) -> str:
    said = "CIR on Docker against the best Dockerfile on Docker."
    found = parts.table(rows.promised(figures, GOALS, peers=False))
    return parts.paragraph(said) + found + _missed(rows.missed(figures, GOALS, causes))


def _missed(missed: Iterable[tuple[str, list[str]]]) -> str:
    items = "".join(
        f"<li><b>Missed:</b> {parts.words(goal)}{parts.listed(lines)}</li>" for goal, lines in missed
    )
    return f'<ul class="gaps">{items}</ul>' if items else ""


def _application(figures: Figures, scenario: str) -> str:
    """Stacked bars, and all tables folded."""
    tables = parts.table(rows.times(figures, scenario)) + parts.table(rows.taken(figures, scenario))
    kept = parts.table([row for row in rows.kept(figures) if row[0].text in ("files, lines", scenario)])
    folded = parts.folded(f"All phases of {scenario}", tables + kept)
    return f"<h3>{escape(scenario)}</h3>{_life(figures, scenario)}{folded}"


def _life(figures: Figures, scenario: str) -> str:
    """From nothing to the first useful line, stacked, for each system."""
    made: list[Bar] = []
    for system, title in figures.plan.systems.items():
        failed = next(
            (n for n, phase, _ in _LIFE if figures.failure(scenario, system, phase, figures.main)), ""
        )
        found = [figures.spread(scenario, system, phase, figures.main, metric) for _, phase, metric in _LIFE]
        lengths = tuple(spread.median if spread else 0.0 for spread in found)
        absent = [name for (name, _, _), spread in zip(_LIFE, found, strict=True) if spread is None]
        state = "failed" if failed else "missing" if absent else ""
        letters = {figures.letters(scenario, system, phase, figures.main) for _, phase, _ in _LIFE}
        several = f", sittings {', '.join(sorted(letters))}" if len(letters) > 1 else ""
        whole = f"{sum(lengths):.1f} s{several}"
        text = f"{failed} failed" if failed else f"{', '.join(absent)} missing" if absent else whole
        made.append(Bar(title, text, lengths, state))
    caption = (
        "Build with nothing cached, push, and deployment with the base present; seconds, medians. A bar whose parts "
        "are of several sittings names them: the machine was not as fast in each."
    )
    return parts.figure([name for name, _, _ in _LIFE], parts.bars(made), caption)


def _sizes(figures: Figures) -> str:
    every = list(figures.plan.scenarios)
    two = any(phases.PUSH_PLATFORMS in planned for planned in figures.plan.phases.values())
    body = ""
    for words, phase in _PLATFORMS[: 2 if two else 1]:
        there = list(figures.plan.having(phase))
        body += f"<h3>All {len(there)} applications, {words}</h3>{_bars_of_sizes(figures, there, phase)}"
    for name in every:
        bars = "".join(
            f"<h4>{words}</h4>{_bars_of_sizes(figures, [name], phase)}"
            for words, phase in _PLATFORMS[: 2 if two else 1]
            if name in figures.plan.having(phase)
        )
        body += parts.folded(name, bars)
    tables = "".join(
        f"<h4>{escape(title)}</h4>{parts.table(rows.sizes(figures, kinds))}" for title, kinds in rows.SIZES
    )
    return body + parts.folded("All figures", tables)


def _bars_of_sizes(figures: Figures, scenarios: list[str], phase: str) -> str:
    made: list[Bar] = []
    for system, title in figures.plan.systems.items():
        if phase not in figures.plan.phases[system]:
            continue
        found = [figures.size(system, scenarios, [kind], phase) for _, kind in _KINDS]
        known = [size for size in found if size is not None]
        whole = len(known) == len(found)
        bound = len(scenarios) > 1 and figures.is_bound(system, scenarios, phase)
        text = f"{'at most ' * bound}{bytes_shown(sum(known))}" if whole else "missing"
        made.append(Bar(title, text, tuple(map(float, known)) if whole else (), "" if whole else "missing"))
    caption = "Unique blobs: what several images have is counted once, where they were pushed in one sitting."
    return parts.figure([what for what, _ in _KINDS], parts.bars(made), caption)


def _method(figures: Figures) -> str:
    said = "".join(f"<p><b>{escape(what)}.</b> {parts.words(text)}</p>" for what, text in method(figures))
    systems = "".join(
        f"<h4>{escape(row[0])}</h4><ul>"
        + "".join(f"<li><b>{name}:</b> {parts.words(text)}</li>" for name, text in zip(first[1:], row[1:], strict=True))
        + "</ul>"
        for first, *others in [does(figures)]
        for row in others
    )  # fmt: skip
    tables = parts.table(rows.runs(figures)) + parts.table(rows.machine(figures))
    return said + parts.folded("What each system does", systems) + tables
