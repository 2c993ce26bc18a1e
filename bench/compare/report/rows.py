"""The tables of the report, as rows of cells: the page and the Markdown file show the same ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.compare import phases
from bench.compare.report.causes import Causes
from bench.compare.report.figures import Figures, Spread, sitting
from bench.compare.report.promises import DOCKER, PAIRS, Promise, Result, engine_of, pairs
from bench.compare.samples import Key
from bench.compare.systems.names import TITLES as SYSTEMS


@dataclass(frozen=True)
class Cell:
    """Text, and what it stands for: `met`, `missed`, `failed`, `missing`, or `best` of its column."""

    text: str
    state: str = ""


Rows = list[list[Cell]]
#: Marks a time that was not measured together with ours.
APART = "\u2020"
BEYOND_BASE = ("shared", "own")
#: What of an image is counted.
SIZES = (
    ("Own layers", ("own",)),
    ("Own layers and those that all images of the system share", BEYOND_BASE),
    ("Whole images", ("base", *BEYOND_BASE)),
)
#: Metrics beside time, the words for them, and the phases they are shown for.
_MATTER = (phases.BUILD_COLD, phases.DEPLOY_BASE)
OWN_BYTES = (
    "Own bytes: what no other image has, beside the peer's largest layer, that of the dependencies; CIR's shim "
    "layer (one for all images on a host or in a registry) is not among them, but in the whole images, which have"
    " their base, too."
)
_TAKEN = (
    ("cpu", "processor seconds", _MATTER),
    ("peak", "peak memory", _MATTER),
    ("received", "received", (*_MATTER, phases.DEPLOY_ABSENT, phases.DEPLOY_SHARED)),
    ("elsewhere", "received elsewhere", (phases.BUILD_COLD,)),
    ("sent", "sent", (phases.PUSH,)),
    ("disk", "disk", (phases.DEPLOY_BASE,)),
)


def text(*words: str) -> list[Cell]:
    """A row of plain text."""
    return [Cell(word) for word in words]


def is_apart(figures: Figures, scenario: str, system: str, phase: str, link: str) -> bool:
    """Whether a system was measured in another sitting than ours on its engine."""
    ours = next((ours for ours, _ in PAIRS if engine_of(ours) == engine_of(system)), system)
    return figures.apart(scenario, (ours, phase), (system, phase), link)


def promised(figures: Figures, promises: Iterable[Promise], *, peers: bool) -> Rows:
    """Promises down, applications across; with ``peers`` for every pair of systems, else for Docker's alone."""
    rows = [text("figure", "promised", *(["against"] if peers else []), *figures.plan.scenarios)]
    for promise in promises:
        for pair, name in pairs(figures).items() if peers else {DOCKER: ""}.items():
            found = promise.results(figures, pair)
            if pair == DOCKER or any(result.value is not None for result in found):
                row = text(promise.what, promise.text, *([name] if peers else []))
                rows.append([*row, *(Cell(_result(result), result.state) for result in found)])
    return rows


def _result(result: Result) -> str:
    if result.value is None:
        return result.text
    return " ".join(word for word in (result.text, result.rounds, result.verdict) if word)


def missed(
    figures: Figures, promises: Iterable[Promise], causes: Causes, *, peers: bool = False
) -> list[tuple[str, list[str]]]:
    """Goals that were missed: what, where and by how much; then the causes that were found."""
    made: list[tuple[str, list[str]]] = []
    for promise in promises:
        for pair, peer in pairs(figures).items() if peers else {DOCKER: PAIRS[DOCKER]}.items():
            gaps = [result for result in promise.results(figures, pair) if result.state == "missed"]
            if gaps:
                where = "; ".join(f"{result.scenario} {result.text}, {result.gap}" for result in gaps)
                against = f" against {peer}" if peers else ""
                goal = f"{promise.what}{against}, {promise.text} promised: {where}."
                made.append((goal, _causes(promise.key, peer, [gap.scenario for gap in gaps], causes)))
    return made


def _causes(key: str, peer: str, scenarios: Iterable[str], causes: Causes) -> list[str]:
    """What was found, each with the applications that it is about."""
    found: dict[str, list[str]] = {}
    for scenario in scenarios:
        for each in causes.of(key, scenario, peer):
            found.setdefault(f"{each.cause} Found: {each.found}", []).append(scenario)
    said = [f"Cause ({', '.join(names)}): {cause}" for cause, names in found.items()]
    left = [scenario for scenario in scenarios if not causes.of(key, scenario, peer)]
    return said + ([f"Cause ({', '.join(left)}): not found yet."] if left else [])


def times(figures: Figures, scenario: str) -> Rows:
    """Seconds of every phase and system over the main link."""
    systems = figures.plan.systems
    rows = [text("seconds", *systems.values())]
    for phase, title in phases.TITLES.items():
        if any(figures.plan.wanted(scenario, system, phase, figures.main) for system in systems):
            cells = (time(figures, scenario, system, phase, figures.main) for system in systems)
            rows.append([Cell(title), *cells])
    return rows


def swept(figures: Figures, scenario: str) -> Rows:
    """Seconds over the other links, of systems and phases that are measured there."""
    plan = figures.plan
    systems = [system for system in plan.systems if system in plan.swept]
    rows = [text("seconds", *(plan.systems[system] for system in systems))]
    for phase, title in phases.TITLES.items():
        for link in list(plan.links)[1:]:
            if any(plan.wanted(scenario, system, phase, link) for system in systems):
                cells = (time(figures, scenario, system, phase, link) for system in systems)
                rows.append([Cell(f"{title}, {link}"), *cells])
    return rows


def taken(figures: Figures, scenario: str) -> Rows:
    """What the phases that matter most take of the machine."""
    systems = figures.plan.systems
    rows = [text("the machine's", *systems.values())]
    for metric, name, shown_for in _TAKEN:
        for phase in shown_for:
            if not any(figures.plan.wanted(scenario, system, phase, figures.main) for system in systems):
                continue
            row = [Cell(f"{name}: {phases.TITLES[phase]}")]
            for system in systems:
                found = figures.spread(scenario, system, phase, figures.main, metric)
                number = found and (f"{found.median:.2f}" if metric == "cpu" else bytes_shown(found.median))
                row.append(Cell(number) if number else absent(figures, scenario, system, phase, figures.main))
            rows.append(row)
    return rows


def sizes(figures: Figures, kinds: Iterable[str]) -> Rows:
    """Bytes in the registry for one application and all, for one platform and two."""
    systems, every = figures.plan.systems, figures.plan.scenarios
    wanted = tuple(kinds)
    rows = [text("", *systems.values())]
    for name in (*every, ""):
        for phase, words in ((phases.PUSH, "one platform"), (phases.PUSH_PLATFORMS, "two platforms")):
            if any(phase in planned for planned in figures.plan.phases.values()):
                chosen = (name,) if name else figures.plan.having(phase)
                found = {system: figures.size(system, chosen, wanted, phase) for system in systems}
                bound = {s: not name and figures.is_bound(s, chosen, phase) for s in systems}
                row = [Cell(f"{name or f'all {len(chosen)}'}, {words}")]
                for system, size in found.items():
                    row.append(
                        absent(figures, chosen[0], system, phase, figures.main)
                        if size is None
                        else Cell("at most " * bound[system] + bytes_shown(size))
                    )
                rows.append(row)
    return rows


def kept(figures: Figures) -> Rows:
    """Files a maintainer keeps, and their lines."""
    systems = figures.plan.systems
    rows = [text("files, lines", *systems.values())]
    for scenario in figures.plan.scenarios:
        known = [figures.plan.kept.get(system, {}).get(scenario) for system in systems]
        cells = (Cell("missing", "missing") if k is None else Cell(f"{k[0]}, {k[1]}") for k in known)
        rows.append([Cell(scenario), *cells])
    return rows


def machine(figures: Figures) -> Rows:
    """The machine that the samples are from, and versions of everything that took part."""
    return [text("machine and versions", ""), *(text(*item) for item in figures.machine.items())]


def runs(figures: Figures) -> Rows:
    """Which samples were taken together: those of one day, machine and version of CIR, systems in turn.

    The pace is that of the machine in the first of their runs.
    """
    together: dict[tuple[str, ...], set[Key]] = {}
    paces: dict[tuple[str, ...], str] = {}
    for described, keys in figures.runs:
        names = {key.system for key in keys}
        systems = ", ".join(title for name, title in figures.plan.systems.items() if name in names)
        known = (described.get(what, "unknown") for what in ("date", "processor", "boot", "kernel", "cir"))
        which = (figures.named_sittings.get(sitting(described), ""), *known, systems)
        together.setdefault(which, set()).update(keys)
        paces.setdefault(which, described.get("pace", "unknown"))
    made = [
        text(
            "sitting",
            "taken together on",
            "processor",
            "boot",
            "kernel",
            "commit of CIR",
            "systems",
            "pace",
            "links",
            "samples",
        )
    ]
    for which, all_keys in together.items():
        links = ", ".join(link for link in figures.plan.links if any(key.link == link for key in all_keys))
        made.append(text(*which, paces[which], links, str(len(all_keys))))
    return made


def failed(figures: Figures) -> list[str]:
    """Every sample that failed, with what it said."""
    return [
        f"{key.scenario}, {figures.plan.systems.get(key.system, key.system)}, "
        f"{phases.TITLES.get(key.phase, key.phase)}, {key.link}: {one_line(error)}"
        for key, error in figures.failures()
    ]


def gaps(figures: Figures) -> list[str]:
    """What was not measured."""
    found = figures.missing() + _unmetered(figures)
    left_out = [title for name, title in SYSTEMS.items() if name not in figures.plan.systems]
    found += [f"{title}: not measured" for title in left_out]
    if len([rate for rate in figures.plan.links.values() if rate > 0]) < 2:
        found.append("bandwidth curves: they need two shaped links, and fewer were measured")
    return found


def _unmetered(figures: Figures) -> list[str]:
    """What samples of before do not say of the machine, though their time was taken."""
    found: dict[str, list[str]] = {}
    for metric, name, shown_for in _TAKEN:
        for phase in shown_for:
            for system, title in figures.plan.systems.items():
                for scenario in figures.plan.scenarios:
                    cell = (scenario, system, phase, figures.main)
                    if figures.spread(*cell) and not figures.spread(*cell, metric):
                        gap = f"{title}, {figures.main}: {name} of {phases.TITLES[phase]}, of samples without it"
                        found.setdefault(gap, []).append(scenario)
    return [f"{', '.join(scenarios)}: {gap}" for gap, scenarios in found.items()]


def time(figures: Figures, scenario: str, system: str, phase: str, link: str, *, spread: bool = True) -> Cell:
    """A median, with its spread where that is wanted; or why there is none."""
    found = figures.spread(scenario, system, phase, link)
    if found is None:
        return absent(figures, scenario, system, phase, link)
    if not spread:
        return Cell(f"{found.median:.2f}{f' {APART}' * is_apart(figures, scenario, system, phase, link)}")
    letters = figures.letters(scenario, system, phase, link)
    return Cell(f"{shown(found)}{f' {letters}' if letters else ''}")


def absent(figures: Figures, scenario: str, system: str, phase: str, link: str) -> Cell:
    """Why a cell has no figure: it does not exist, failed, or was not measured."""
    if not figures.plan.wanted(scenario, system, phase, link):
        return Cell("-")
    word = "failed" if figures.failure(scenario, system, phase, link) else "missing"
    return Cell(word, word)


def shown(found: Spread) -> str:
    """Median (lowest to highest)."""
    if found.count == 1:
        return f"{found.median:.2f}"
    return f"{found.median:.2f} ({found.low:.2f}-{found.high:.2f})"


def bytes_shown(size: float) -> str:
    """Bytes as people read them."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(size) >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} B"


def one_line(words: str) -> str:
    """The beginning of a message that may have many lines."""
    line = " ".join(words.split())
    return line if len(line) <= 240 else f"{line[:160]} ... {line[-70:]}"
