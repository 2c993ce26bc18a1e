"""What the pages say of the comparison with other builders, from its committed samples, while there are any."""

from __future__ import annotations

from pathlib import Path

from bench.compare import phases
from bench.compare.report import causes, rows
from bench.compare.report.figures import Figures
from bench.compare.report.promises import GOALS, PAPER
from bench.compare.report.table import markdown
from bench.compare.report.write import reports
from bench.compare.samples import read

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
SAMPLES = RESULTS / "compare.jsonl"
README = ROOT / "README.md"
#: Whom the README shows, in its words.
SHOWN = {
    "cir": "CIR",
    "docker": "the best Dockerfile we could write",
    "uv-run": "`uv run` with a volume as its cache",
}
#: What stands between these in the README is written by `readme`.
BEGIN = "<!-- figures: begin; written by `python -m docs.generate` from bench/results/compare.jsonl -->"
END = "<!-- figures: end -->"

_NOT_YET = """\
See [docs/performance.md](docs/performance.md): every figure beside the stock frontend's, measured in the same run by
`./dev bench`."""
_README = """\
{systems}, all on Docker; seconds and bytes, medians of {rounds} rounds on {machine}; registry and \
package index behind a link of {link}. Deployment is pull, create and start until the first \
useful line.

{table}

{marked}Of {all} goals, all against the best Dockerfile, {met} are met{unsteady}; \
those that are missed are listed with their gaps and causes in the \
[report](bench/results/compare.md) ([page with charts](bench/results/compare.html)), beside the paper's figures. \
{others}{rerun}"""
_MARKED = f"{rows.APART} Measured in another sitting than CIR, where the machine may have been faster or slower.\n\n"
_RERUN = "`./dev bench` measures it again; more in [docs/performance.md](docs/performance.md)."
_TIMES = (
    ("build, nothing cached", phases.BUILD_COLD),
    ("deployment, base present", phases.DEPLOY_BASE),
    ("deployment, components shared", phases.DEPLOY_SHARED),
)


def figures() -> Figures | None:
    """Those of the committed samples."""
    return Figures.of(read(SAMPLES.read_text().splitlines())) if SAMPLES.exists() else None


def files() -> dict[Path, str]:
    """The README with its figures, and the report of the committed samples."""
    found = {README: readme()}
    if (known := figures()) is not None:
        found |= {RESULTS / name: text for name, text in reports(known, causes.read(RESULTS)).items()}
    return found


def readme() -> str:
    """Return the README with the present figures between its markers.

    :raises ValueError: when it has no markers
    """
    before, begin, rest = README.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{README} has no `{BEGIN}` and `{END}`")
    return f"{before}{begin}\n{summary(figures())}\n{end}{after}"


def summary(known: Figures | None) -> str:
    """The README's section: ours and the best Dockerfile, for every application."""
    if known is None:
        return _NOT_YET
    results = [result for goal in GOALS for result in goal.results(known) if result.exists]
    met = [result for result in results if result.state == "met"]
    unsteady = sum(not result.steady for result in met)
    found = markdown(_side_by_side(known))
    described = [f"{known.machine[name]} {name}" for name in ("cores", "memory") if name in known.machine]
    return _README.format(
        systems=" / ".join(words for name, words in SHOWN.items() if name in known.plan.systems), met=len(met),
        rounds=known.plan.rounds, machine=", ".join(described), link=known.main, table=found, all=len(results),
        unsteady=f", {unsteady} of them not in every round" if unsteady else "", others=_others(known), rerun=_RERUN,
        marked=_MARKED if rows.APART in found else "",
    )  # fmt: skip


def _others(known: Figures) -> str:
    titles = [title for name, title in known.plan.systems.items() if name not in SHOWN]
    quoted = ", ".join(f'"{title}"' for title in titles)
    return f"The report also measures: {quoted}. " if titles else ""


def _side_by_side(known: Figures) -> rows.Rows:
    systems = [name for name in SHOWN if name in known.plan.systems]
    made = [rows.text("application", "image, beyond its base", *(title for title, _ in _TIMES))]
    for scenario in known.plan.scenarios:
        sizes = [known.size(system, [scenario], rows.BEYOND_BASE) for system in systems]
        cells = [" / ".join("missing" if size is None else rows.bytes_shown(size) for size in sizes)]
        for _, phase in _TIMES:
            each = (rows.time(known, scenario, system, phase, known.main, spread=False) for system in systems)
            cells.append(" / ".join(cell.text for cell in each))
        made.append(rows.text(scenario, *cells))
    return made


def _fewer(known: Figures) -> str:
    """How many rounds the phases have that take minutes."""
    return "".join(f"; {count} of {phases.TITLES[name]}" for name, count in known.plan.fewer.items())


def section() -> list[str]:
    """What the page of figures says of it, as paragraphs."""
    if (known := figures()) is None:
        return []
    return [
        "## Beside other builders",
        "`./dev bench`: whole lives of images on Docker, Buildah and Apptainer, and `uv run` in a container "
        "([report](../bench/results/compare.md), [page with charts](../bench/results/compare.html)). "
        f"Medians of {known.plan.rounds} rounds{_fewer(known)}.",
        "Figures of one row may be of different sittings, where the machine was faster or slower; both sides of a "
        "ratio are of one. In brackets: the lowest and the highest round.",
        "Beside the paper's figures (arXiv 2604.10411):",
        markdown(rows.promised(known, PAPER, peers=True)),
        "Against our goals, CIR on Docker and the best Dockerfile on Docker:",
        markdown(rows.promised(known, GOALS, peers=False)),
    ]
