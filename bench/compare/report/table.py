"""The Markdown table."""

from __future__ import annotations

from bench.compare import phases
from bench.compare.report.figures import Figures, Spread
from bench.compare.report.promises import GOALS, PAPER, Result, results

METHOD = """\
Applications are ours; the paper's (arXiv 2604.10411) are not public. Systems are measured in turn within each round, \
after a warm-up round that does not count; the page cache is dropped before cold phases; figures are medians \
(lowest to highest), ratios medians of the ratios round by round. Processor time, memory, disk and received \
bytes are the whole machine's during the phase. A deployment is pull, create and start until the first useful \
line, of an image the host has never seen, but for the warm one. What was not measured is said to be missing."""
SIZES = (
    ("own", ("own",)),
    ("with what all its images share", ("shared", "own")),
    ("whole", ("base", "shared", "own")),
)


def table(figures: Figures) -> str:
    """Everything the page shows, as text."""
    described = ", ".join(f"{key} {value}" for key, value in figures.machine.items())
    parts = ["# Comparison with stock builders", METHOD, f"Machine: {described}."]
    parts += ["## Beside the paper", _promises(results(figures, PAPER))]
    parts += ["## Goals", _promises(results(figures, GOALS))]
    for link in figures.plan.links:
        for scenario in figures.plan.scenarios:
            parts += [f"## {scenario}, {link}", _rows(rows_of_times(figures, scenario, link))]
    parts += ["## Bytes in the registry", _sizes(figures), "## Files kept, and their lines", _kept(figures)]
    parts += [
        "## Failed",
        _list([f"{k.scenario}, {k.system}, {k.phase}: {one_line(e)}" for k, e in figures.failures()]),
    ]
    parts += ["## Missing", _list(gaps(figures))]
    return "\n\n".join(parts) + "\n"


def gaps(figures: Figures) -> list[str]:
    """What was not measured."""
    found = figures.missing()
    if len(figures.plan.links) < 2:
        found.append("bandwidth curves: only one link was measured")
    return found


def cell(figures: Figures, scenario: str, system: str, phase: str, link: str, metric: str = "") -> str:
    """A median with its spread; or that it failed, is missing, or does not exist."""
    if not figures.plan.wanted(system, phase, link):
        return "-"
    if figures.failure(scenario, system, phase, link):
        return "failed"
    found = figures.spread(scenario, system, phase, link, metric)
    return "missing" if found is None else shown(found)


def shown(found: Spread) -> str:
    """Median (lowest to highest)."""
    if found.count == 1:
        return f"{found.median:.2f}"
    return f"{found.median:.2f} ({found.low:.2f}-{found.high:.2f})"


def bytes_shown(size: float | None) -> str:
    """Bytes as people read them."""
    if size is None:
        return "missing"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(size) >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} B"


def one_line(text: str) -> str:
    """The beginning of a message that may have many lines."""
    words = " ".join(text.split())
    return words if len(words) <= 240 else f"{words[:160]} ... {words[-70:]}"


def verdict(result: Result) -> str:
    """Of a promise."""
    if result.value is None:
        return "missing"
    return "met" if result.met else "missed"


def rows_of_times(figures: Figures, scenario: str, link: str) -> list[list[str]]:
    """Seconds of every phase and system, titles first."""
    systems = figures.plan.systems
    planned = {p for p in phases.TITLES if any(figures.plan.wanted(system, p, link) for system in systems)}
    return [
        ["seconds", *systems.values()],
        *(
            [title, *(cell(figures, scenario, system, phase, link) for system in systems)]
            for phase, title in phases.TITLES.items()
            if phase in planned
        ),
    ]


def _sizes(figures: Figures) -> str:
    systems, every = figures.plan.systems, figures.plan.scenarios
    rows = [["bytes", *systems.values()]]
    for what, kinds in SIZES:
        for name, chosen in (*((name, (name,)) for name in every), (f"all {len(every)}", every)):
            sizes = (bytes_shown(figures.size(system, chosen, kinds)) for system in systems)
            rows.append([f"{name}, {what}", *sizes])
    return _rows(rows)


def _kept(figures: Figures) -> str:
    systems = figures.plan.systems
    rows = [["files, lines", *systems.values()]]
    for scenario in figures.plan.scenarios:
        known = [figures.plan.kept.get(system, {}).get(scenario) for system in systems]
        rows.append([scenario, *("missing" if k is None else f"{k[0]}, {k[1]}" for k in known)])
    return _rows(rows)


def _promises(found: list[Result]) -> str:
    rows = [["what", "promised", "application", "measured", ""]]
    rows += [[r.what, r.promised, r.scenario, r.text, verdict(r)] for r in found]
    return _rows(rows)


def _rows(rows: list[list[str]]) -> str:
    first, *others = ([text.replace("|", "\\|") for text in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in (first, ["---"] * len(first), *others))


def _list(lines: list[str]) -> str:
    return "\n".join(f"* {line}" for line in lines) or "Nothing."
