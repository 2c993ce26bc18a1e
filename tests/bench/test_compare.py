"""The harness: what a known system takes is what the report says; failures, gaps and resumption."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench.compare import machine, phases
from bench.compare.report import causes, glance, promises, rows
from bench.compare.report.causes import Causes
from bench.compare.report.figures import Figures, Spread, crossovers
from bench.compare.report.page import page
from bench.compare.report.parts import Curve
from bench.compare.report.promises import GOALS, PAPER, Result
from bench.compare.report.table import table
from bench.compare.report.write import write
from bench.compare.samples import Key, Log, Plan, Sample, read
from bench.compare.scenario import Copy, Scenario, find
from tests.bench.conftest import LINKS, measure, systems
from tests.bench.fake import Fake, FakeNetwork

GOLDEN = Path(__file__).with_name("known.md")
SWEPT = {phases.BUILD_COLD, phases.DEPLOY_BASE, phases.DEPLOY_SHARED}
SCENARIOS = Path(__file__).resolve().parents[2] / "bench" / "scenarios"
NONE = Causes({})


def result(figures: Figures, key: str, scenario: str, pair: tuple[str, str] = ("cir", "docker")) -> Result:
    promise = next(promise for promise in (*PAPER, *GOALS) if promise.key == key)
    return next(each for each in promise.results(figures, pair) if each.scenario == scenario)


@pytest.mark.parametrize(("free", "after"), [(10**12, 0), (10**9, 2)])
def test_images_of_a_phase_go_between_rounds_where_the_disk_is_full(
    tmp_path: Path, apps: list[Scenario], free: int, after: int
) -> None:
    chosen = systems()
    measure(tmp_path / "samples.jsonl", apps[:1], chosen, free=free)
    done = [phase for _, phase, _ in chosen[1].done]
    first = done.index(phases.DEPLOY_SHARED)
    last = len(done) - 1 - done[::-1].index(phases.DEPLOY_SHARED)
    assert sum(first < place <= last for place in chosen[1].tidied) == after
    assert sum(first < place <= last for place in chosen[1].forgotten) == after


def test_builds_of_an_application_go_when_it_is_done(tmp_path: Path, apps: list[Scenario]) -> None:
    chosen = systems()
    measure(tmp_path / "samples.jsonl", apps, chosen)
    each = len(chosen[1].done) // len(apps)
    assert chosen[1].forgotten == [each * number for number in range(1, len(apps) + 1)]


def test_a_known_system_gives_the_known_report(tmp_path: Path, apps: list[Scenario], update: bool) -> None:
    made = table(measure(tmp_path / "samples.jsonl", apps, systems()), NONE)
    if update:
        GOLDEN.write_text(made)
    assert made == GOLDEN.read_text()


def test_the_known_figures(tmp_path: Path, apps: list[Scenario]) -> None:
    """Worked out by hand from the times in conftest: three rounds that take one second more each."""
    figures = measure(tmp_path / "samples.jsonl", apps, systems())
    link = "500 Mbit/s"
    assert figures.spread("a", "docker", phases.BUILD_COLD, link) == Spread(21.0, 20.0, 22.0, 3)
    assert figures.spread("a", "docker", phases.DEPLOY_BASE, link, "pull") == Spread(2.75, 2.5, 3.0, 3)
    pair = (("cir", phases.BUILD_COLD), ("docker", phases.BUILD_COLD))
    assert figures.ratio("a", *pair, link) == Spread(2 / 21, 1 / 20, 3 / 22, 3)
    assert figures.size("docker", ["a", "b"], ["base", "own"]) == 280_000_000  # the base counts once
    assert figures.size("docker", ["a"], ["base", "own"], phases.PUSH_PLATFORMS) == 350_000_000
    assert figures.size("docker", ["a", "b"], ["base", "own"], phases.PUSH_PLATFORMS) == 550_000_000
    smaller = result(figures, "paper-whole", "a")
    assert smaller.value == pytest.approx(1 - 80_010_000 / 180_000_000)
    assert (smaller.text, smaller.state, smaller.gap) == ("55.55 %", "missed", "39.45 points short")
    shared = result(figures, "deploy-shared", "b")
    assert shared.value == pytest.approx(1 - 2 / 11)
    assert (shared.text, shared.state, shared.gap) == ("81.81 %", "missed", "3.18 points short")
    assert result(figures, "bytes", "a").state == "met"
    ratio = (1 / 60 + 2 / 61) / 2  # it has two rounds, so the median is their mean
    assert result(figures, "platforms", "a").value == pytest.approx(1 / ratio)
    assert figures.missing() == []


def test_a_system_that_fails_half_way_is_shown_as_such(tmp_path: Path, apps: list[Scenario]) -> None:
    figures = measure(tmp_path / "samples.jsonl", apps, systems(broken=phases.PUSH))
    link = "500 Mbit/s"
    assert figures.rounds("a", "other", phases.PUSH, link) == {0: 6.0}
    assert figures.spread("a", "other", phases.PUSH, link) is None, "a median would hide the failure"
    assert {(key.system, key.phase, key.round) for key, _ in figures.failures()} == {("other", "push", 1)}
    assert figures.missing() == [], "what failed is not missing"
    for text in (table(figures, NONE), page(figures, NONE)):
        assert "no space left on device" in text
    assert "| push | 1.50 (0.50-2.50) | 7.00 (6.00-8.00) | failed |" in table(figures, NONE)
    assert '<span>Another</span><span class="failed">push failed</span>' in page(figures, NONE)


def test_a_failure_of_ours_is_no_figure(tmp_path: Path, apps: list[Scenario]) -> None:
    ours, peer, _ = systems()
    broken = type(ours)(ours.name, ours.title, ours.seconds, ours.own, phases.DEPLOY_BASE)
    figures = measure(tmp_path / "samples.jsonl", apps, [broken, peer])
    assert result(figures, "paper-deploy", "a").state == "missing"
    assert result(figures, "paper-build", "a").state == "met"


def test_what_is_missing_is_said_to_be_missing(tmp_path: Path, apps: list[Scenario]) -> None:
    samples = tmp_path / "samples.jsonl"
    measure(samples, apps, systems())
    kept = [
        line
        for line in samples.read_text().splitlines()
        if not all(word in line for word in ('"docker"', '"push"', '"b"', '"500 Mbit/s"', '"sample"'))
    ]
    figures = Figures.of(read(kept))
    assert figures.missing() == ["b: Docker, expert's Dockerfile, 500 Mbit/s: 0 of 3 rounds of push"]
    assert figures.missing()[0] in table(figures, NONE)


def test_every_builder_is_held_against_its_own(tmp_path: Path, apps: list[Scenario]) -> None:
    ours, peer, _ = systems()
    twin = [
        replace(ours, name="cir-buildah", title="CIR on Buildah"),
        replace(peer, name="buildah", title="Buildah"),
    ]
    figures = measure(tmp_path / "samples.jsonl", apps, [ours, peer, *twin])
    assert result(figures, "paper-build", "a", ("cir-buildah", "buildah")).value == pytest.approx(1 - 2 / 21)
    made = table(figures, NONE)
    assert (
        "| build faster | 77-86 % | Buildah | 90.47 % (86 to 95 %) met | 90.47 % (86 to 95 %) met |" in made
    )
    assert "Apptainer |" not in made.split("## Goals")[0], "it was not measured"


def test_slower_and_larger_are_said_as_such(tmp_path: Path, apps: list[Scenario]) -> None:
    ours, peer, _ = systems()
    figures = measure(
        tmp_path / "samples.jsonl", apps, [replace(ours, seconds=peer.seconds, own=peer.own * 2), peer]
    )
    assert result(figures, "paper-deploy", "a").text == "0.00 %"
    slow = replace(ours, seconds={**peer.seconds, phases.DEPLOY_BASE: 21.0}, own=peer.own * 3)
    figures = measure(tmp_path / "slow.jsonl", apps, [slow, peer])
    assert result(figures, "paper-deploy", "a").text == "2.00 times as long"
    assert result(figures, "paper-bytes", "a").text == "3.00 times as large"
    assert result(figures, "paper-deploy", "a").gap == "140.00 points short"


def test_the_best_is_that_of_an_engine(tmp_path: Path, apps: list[Scenario]) -> None:
    """Engines are measured apart from each other; where one of a pair is missing, there is no best."""
    ours, peer, _ = systems()
    twin = [replace(ours, name="cir-buildah"), replace(peer, name="buildah")]
    figures = measure(tmp_path / "samples.jsonl", apps, [ours, peer, *twin])
    (_, table_of_builds) = glance.overview(figures)[1]
    assert [row[1].state for row in table_of_builds[1:]] == ["best", "", "best", ""]
    left = {key: s for key, s in figures.samples.items() if (key.system, key.scenario) != ("buildah", "a")}
    (_, table_of_builds) = glance.overview(replace(figures, samples=left))[1]
    assert [row[1].state for row in table_of_builds[1:]] == ["best", "", "", "missing"]
    assert [row[2].state for row in table_of_builds[1:]] == ["best", "", "best", ""]


def in_sittings(samples: Path, *machines: dict[str, str]) -> Figures:
    """The figures of a file as if its runs had been on these machines."""
    found = iter(machines)
    lines = samples.read_text().splitlines()
    return Figures.of(
        read(json.dumps({"machine": next(found)}) if '{"machine"' in line else line for line in lines)
    )


@pytest.mark.parametrize("what", ["date", "processor", "boot"])
def test_what_is_of_another_sitting_is_no_rival_and_marked(
    tmp_path: Path, apps: list[Scenario], what: str
) -> None:
    """The machine may have been faster in one of them, or another; sizes do not care."""
    samples = tmp_path / "samples.jsonl"
    for chosen in (systems()[:1], systems()[1:]):
        measure(samples, apps, chosen)
    figures = in_sittings(samples, {what: "1"}, {what: "2"})
    sizes, builds, *_ = (found for _, found in glance.overview(figures))
    assert [row[1].state for row in sizes[1:]] == ["best", "", ""]
    assert [row[1].state for row in builds[1:]] == ["", "", ""], "the others are no rivals of ours"
    assert [row[1].text for row in builds[1:]] == ["2.00", "21.00 \u2020", "21.00 \u2020"]
    assert "\u2020 Measured in another sitting" in table(figures, NONE)
    assert "\u2020 Measured in another sitting" in page(figures, NONE)


def test_without_a_rival_of_the_same_sitting_there_is_no_best(tmp_path: Path, apps: list[Scenario]) -> None:
    """The one of another sitting may be the better one; in the tables of an application letters say which it was."""
    samples = tmp_path / "samples.jsonl"
    for chosen in (systems()[:2], systems()[2:]):
        measure(samples, apps, chosen)
    figures = in_sittings(samples, {"boot": "1"}, {"boot": "2"})
    (_, builds) = glance.overview(figures)[1]
    assert [row[1].state for row in builds[1:]] == ["", "", ""]
    assert builds[3][1].text.endswith("\u2020")
    cells = rows.times(figures, "a")[1]
    assert [cell.text[-3:] for cell in cells[1:]] == [") a", ") a", ") b"]
    assert [row[0].text for row in rows.runs(figures)[1:]] == ["a", "b"]


def test_what_is_shared_and_was_pushed_in_several_sittings_is_a_bound(
    tmp_path: Path, apps: list[Scenario]
) -> None:
    """Bases and shared layers were made anew in each, so they may be counted twice; of one image they are not."""
    samples = tmp_path / "samples.jsonl"
    for app in apps:
        measure(samples, [app], systems())
    figures = in_sittings(samples, {"boot": "1"}, {"boot": "2"})
    shown = {row[0].text: row[1].text for row in rows.sizes(figures, ("own",))[1:]}
    assert shown["all 2, one platform"] == "at most 20.0 kB"
    assert shown["a, one platform"] == "10.0 kB"
    together = in_sittings(samples, {"boot": "1"}, {"boot": "1"})
    assert ["all 2, one platform", "20.0 kB"] in [
        [cell.text for cell in row[:2]] for row in rows.sizes(together, ("own",))
    ]


def test_a_life_of_several_sittings_names_them(tmp_path: Path, apps: list[Scenario]) -> None:
    samples = tmp_path / "samples.jsonl"
    for kept in (phases.BUILD_COLD, ""):
        figures = measure(samples, apps, systems())
        if kept:
            lines = samples.read_text().splitlines(keepends=True)
            samples.write_text("".join(x for x in lines if '"sample"' not in x or f'"{kept}"' in x))
    figures = in_sittings(samples, {"boot": "1"}, {"boot": "2"})
    assert re.search(r"[0-9] s, sittings a, b<", page(figures, NONE))


def test_a_verdict_that_rounds_do_not_share_says_so(tmp_path: Path, apps: list[Scenario]) -> None:
    """Deployments of 5.5, 6.5 and 7.5 seconds beside 10, 11 and 12; builds of 1, 2 and 3 beside 20, 21 and 22."""
    ours, peer, _ = systems()
    slower = replace(ours, seconds=ours.seconds | {phases.DEPLOY_BASE: 5.5})
    figures = measure(tmp_path / "samples.jsonl", apps, [slower, peer])
    found = result(figures, "deploy-base", "a")
    assert (found.rounds, found.state) == ("(38 to 45 %)", "met")
    assert found.verdict == "met, not in every round"
    found = result(figures, "build-cold", "a")
    assert (found.rounds, found.verdict) == ("(7.3 to 20.0)", "met, not in every round")
    found = result(figures, "paper-bytes", "a")
    assert (found.rounds, found.verdict) == ("", "met")
    assert "| 40.90 % (38 to 45 %) met, not in every round |" in table(figures, NONE)


def test_a_metric_that_samples_lack_is_a_gap(tmp_path: Path, apps: list[Scenario]) -> None:
    figures = measure(tmp_path / "samples.jsonl", apps, systems())
    assert not [gap for gap in rows.gaps(figures) if "processor seconds" in gap]
    without = {
        key: replace(sample, values={m: v for m, v in sample.values.items() if m != "cpu"})
        for key, sample in figures.samples.items()
    }
    found = rows.gaps(replace(figures, samples=without))
    assert (
        "a, b: CIR on Docker, 500 Mbit/s: processor seconds of build, nothing cached, of samples without it"
        in found
    )


def test_one_sitting_may_go_past_midnight(tmp_path: Path, apps: list[Scenario]) -> None:
    """The machine was not started again; a sample that does not say so may be of another machine."""
    samples = tmp_path / "samples.jsonl"
    for chosen in (systems()[:1], systems()[1:]):
        measure(samples, apps, chosen)
    days = ({"date": "2026-01-02", "boot": "1"}, {"date": "2026-01-03", "boot": "1"})
    assert result(in_sittings(samples, *days), "paper-deploy", "a").value is not None
    unsaid = (days[0], {"date": "2026-01-02"})
    assert result(in_sittings(samples, *unsaid), "paper-deploy", "a").text == "not in one sitting"


@pytest.mark.parametrize(
    ("system", "engine"),
    [("cir", "docker"), ("docker-usual", "docker"), ("uv-run", "docker"), ("cir-buildah", "buildah"),
     ("apptainer", "apptainer"), ("apptainer-usual", "apptainer"), ("cir-apptainer", "apptainer")],
)  # fmt: skip
def test_engines(system: str, engine: str) -> None:
    assert promises.engine_of(system) == engine
    assert promises.is_one_file(system) == (engine == "apptainer")


@pytest.mark.parametrize("what", ["date", "processor", "boot"])
def test_no_ratio_of_different_sittings(tmp_path: Path, apps: list[Scenario], what: str) -> None:
    """Sizes are the same wherever they were taken."""
    samples = tmp_path / "samples.jsonl"
    for chosen in (systems()[:1], systems()[1:]):
        measure(samples, apps, chosen)
    figures = in_sittings(samples, {what: "1"}, {what: "2"})
    for goal in ("paper-deploy", "build-cold", "build-same", "build-code"):
        assert result(figures, goal, "a").text == "not in one sitting"
        assert result(figures, goal, "a").state == "missing"
    assert result(figures, "paper-bytes", "a").state == "met"


def test_figures_of_the_paper_have_causes_for_each_peer(tmp_path: Path, apps: list[Scenario]) -> None:
    ours, peer, _ = systems()
    twin = [replace(ours, name="cir-buildah"), replace(peer, name="buildah")]
    figures = measure(tmp_path / "samples.jsonl", apps, [ours, peer, *twin])
    known = [
        {"cause": "Its base.", "found": "sizes"},
        {"cause": "Another one.", "found": "here", "against": ["Buildah"]},
    ]
    (tmp_path / causes.NAME).write_text(json.dumps({"paper-whole": known}))
    made = table(figures, causes.read(tmp_path))
    docker, buildah = (
        made.partition(f"* Missed: image smaller, whole against {name}, ")[2]
        for name in ("Docker", "Buildah")
    )
    assert docker.partition("\n* Missed")[0].endswith("  * Cause (a, b): Its base. Found: sizes")
    assert buildah.partition("\n\n")[0].endswith("  * Cause (a, b): Another one. Found: here")


def test_a_missed_goal_says_why(tmp_path: Path, apps: list[Scenario]) -> None:
    figures = measure(tmp_path / "samples.jsonl", apps, systems())
    known = {"deploy-shared": [{"cause": "The start.", "found": "by us, with perf", "applications": ["a"]}]}
    (tmp_path / causes.NAME).write_text(
        json.dumps(known | {"build-cold": [{"cause": "Unseen.", "found": "by nobody"}]})
    )
    found = causes.read(tmp_path)
    made = table(figures, found)
    goal = "* Missed: deployment faster, components shared, 500 Mbit/s, at least 85 % promised: "
    assert goal + "a 81.81 %, 3.18 points short; b 81.81 %, 3.18 points short." in made
    assert "  * Cause (a): The start. Found: by us, with perf\n  * Cause (b): not found yet.\n" in made
    assert "Unseen" not in made, "that goal is met"
    assert "The start. Found: by us, with perf" in page(figures, found)


@pytest.mark.parametrize("text", ['{"nothing": []}', "[]", '{"bytes": [{"cause": "x"}]}', "{"])
def test_causes_that_cannot_be_read_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / causes.NAME).write_text(text)
    with pytest.raises(ValueError, match=r"causes\.json"):
        causes.read(tmp_path)


def test_our_own_causes_can_be_read() -> None:
    causes.read(SCENARIOS.parent / "results")


def test_the_report_is_two_files(tmp_path: Path, apps: list[Scenario]) -> None:
    samples = tmp_path / "samples.jsonl"
    measure(samples, apps, systems())
    made = write(read(samples.read_text().splitlines()), tmp_path / "new")
    assert [path.name for path in made] == ["compare.html", "compare.md"]
    assert all(path.stat().st_size > 5000 for path in made)


def test_samples_are_taken_once_and_in_turn(tmp_path: Path, apps: list[Scenario]) -> None:
    samples = tmp_path / "samples.jsonl"
    first = systems()[:2]
    measure(samples, apps[:1], first, rounds=1)
    taken = [
        json.loads(line)["sample"]["key"] for line in samples.read_text().splitlines() if "sample" in line
    ]
    cold = [(k["system"], k["link"], k["round"]) for k in taken if k["phase"] == phases.BUILD_COLD]
    fast, slow = LINKS
    assert cold == [
        ("docker", fast, -1), ("cir", fast, -1),
        ("cir", fast, 0), ("docker", fast, 0), ("cir", slow, 0), ("docker", slow, 0),
    ]  # fmt: skip
    assert {key["phase"] for key in taken if key["link"] == slow} == SWEPT
    assert not [key for key in taken if key["round"] < 0 and key["phase"] == phases.DEPLOY_SHARED]
    again = systems()[:2]
    whole = samples.read_text()
    samples.write_text(whole[:-20])  # the run was killed while it wrote
    measure(samples, apps[:1], again, rounds=2)
    done = [item for system in again for item in system.done]
    # One round more of each system, some phases on the slow link, too.
    new = sum(len(system.phases) + len(SWEPT) for system in first)
    second = [key for key in read(samples.read_text().splitlines()).samples if key.key.round == 1][:2]
    assert [(s.key.system, s.key.link) for s in second] == [("docker", slow), ("cir", slow)]
    assert len(done) == new + 1
    lost = taken[-1]
    assert [item for item in done if item[2] != 1] == [(lost["system"], lost["phase"], lost["round"])]
    keys = [sample.key for sample in read(samples.read_text().splitlines()).samples]
    assert len(keys) == len(set(keys)) == len(taken) + new


def test_what_the_mirror_missed_is_a_failure(tmp_path: Path, apps: list[Scenario]) -> None:
    network = FakeNetwork(missing=["/files/a/a-1-py3-none-any.whl"])
    figures = measure(tmp_path / "samples.jsonl", apps[:1], systems()[:1], rounds=1, network=network)
    errors = {error for _, error in figures.failures()}
    assert errors == {"MissedError: the index mirror did not have /files/a/a-1-py3-none-any.whl"}
    assert all(key.round >= 0 for key, _ in figures.failures()), "warm-up fills the mirror"


def test_what_the_mirror_missed_once_is_filled(tmp_path: Path, apps: list[Scenario]) -> None:
    """The sample is taken again, and counts as it is then."""
    network = FakeNetwork(missing=["/simple/a/"], fills=True)
    ours = systems()[0]
    figures = measure(tmp_path / "samples.jsonl", apps[:1], [ours], rounds=1, network=network)
    assert figures.failures() == []
    assert figures.missing() == []
    first = [item for item in ours.done if item[1:] == (phases.BUILD_COLD, 0)]
    assert len(first) == 3 + 1, "missed, filled, taken; and once on the other link"


def test_phases_that_take_minutes_have_fewer_rounds(tmp_path: Path, apps: list[Scenario]) -> None:
    ours = systems()[0]
    ours.seconds[phases.BUILD_PLATFORMS] = 100.0
    figures = measure(tmp_path / "samples.jsonl", apps[:1], [ours])
    assert figures.rounds("a", "cir", phases.BUILD_PLATFORMS, "500 Mbit/s") == {0: 100.0, 1: 101.0}
    assert figures.plan.wanted("a", "cir", phases.BUILD_PLATFORMS, "500 Mbit/s") == 2
    assert figures.plan.wanted("a", "cir", phases.BUILD_COLD, "100 Mbit/s") == 3
    assert figures.plan.wanted("a", "cir", phases.PUSH, "100 Mbit/s") == 0
    assert figures.missing() == []


def test_phases_that_are_alike_are_measured_once(tmp_path: Path, apps: list[Scenario]) -> None:
    """The figures have them all, failures are listed once, and the method says which are meant."""
    seconds = {phases.BUILD_SAME: 5.0, phases.BUILD_CODE: 5.0, phases.PUSH: 1.0}
    alike = {phases.BUILD_SAME: phases.BUILD_CODE}
    chosen = [
        Fake("cir", "CIR", seconds, 1),
        Fake("sif", "One file", seconds, 1, phases.BUILD_CODE, alike=alike),
    ]
    whole = [chosen[0], replace(chosen[1], broken="", done=[])]
    link = "500 Mbit/s"
    figures = measure(tmp_path / "samples.jsonl", apps[:1], whole)
    assert {phase for _, phase, _ in whole[1].done} == {phases.BUILD_CODE, phases.PUSH}
    assert figures.rounds("a", "sif", phases.BUILD_SAME, link) == {0: 5.0, 1: 6.0, 2: 7.0}
    assert figures.missing() == []
    assert "for all of it: One file, build, nothing changed as build, code changed." in table(figures, NONE)
    broken = measure(tmp_path / "broken.jsonl", apps[:1], chosen)
    assert broken.failure("a", "sif", phases.BUILD_SAME, link)
    assert [key.phase for key, _ in broken.failures()] == [phases.BUILD_CODE]


def test_an_application_for_one_platform_has_no_gap(tmp_path: Path, apps: list[Scenario]) -> None:
    """A phase that does not exist for it is neither taken nor missed, and no sum waits for it."""
    (apps[1].folder / "Cirfile").write_text("FROM base\nPLATFORMS libc=glibc arch=amd64\n")
    figures = measure(tmp_path / "samples.jsonl", apps, systems())
    link = "500 Mbit/s"
    assert figures.rounds("a", "docker", phases.BUILD_PLATFORMS, link)
    assert not figures.rounds("b", "docker", phases.BUILD_PLATFORMS, link)
    assert figures.missing() == []
    assert result(figures, "platforms", "a").state == "met"
    assert result(figures, "platforms", "b").text == "one platform"
    made = table(figures, NONE)
    assert "| all 2, one platform |" in made
    assert "| all 1, two platforms |" in made
    assert "| b, two platforms | - | - | - |" in made
    shown = page(figures, NONE)
    assert "<h3>All 1 applications, two platforms</h3>" in shown
    assert "missing" not in shown.partition("<h3>All 1 applications")[2].partition("<details")[0]


def test_a_broken_line_is_named() -> None:
    with pytest.raises(ValueError, match="line 2 is no line of samples"):
        read(['{"machine": {}}', '{"sample": {"key": {}}}'])


def test_runs_of_parts_are_one_record() -> None:
    """Applications, systems and links of each run, in the order they came; the main link, versions, all files."""
    first = Plan(
        scenarios=("b",), systems={"cir": "CIR"}, phases={"cir": ("push",)}, links={"100": 100.0}, rounds=5,
        fewer={"push": 2}, kept={"cir": {"b": (2, 7)}},
    )  # fmt: skip
    second = Plan(
        scenarios=("a", "b"), systems={"docker": "Docker", "cir": "CIR!"},
        phases={"cir": ("cold", "push"), "docker": ("cold",)},
        links={"500": 500.0, "100": 100.0}, rounds=1, swept={"cir": ("cold",)}, kept={"cir": {"a": (1, 1)}},
        lacking={"a": ("push",)}, alike={"docker": {"push": "cold"}},
    )  # fmt: skip
    lines = [
        {"machine": {"cores": "2", "docker": "28"}}, {"plan": asdict(first)},
        {"machine": {"docker": "29", "buildah": "1"}}, {"plan": asdict(second)},
    ]  # fmt: skip
    record = read(json.dumps(line) for line in lines)
    assert record.machine == {"cores": "2", "docker": "29", "buildah": "1"}
    assert record.plan
    expected = Plan(
        scenarios=("b", "a"), systems={"cir": "CIR!", "docker": "Docker"},
        phases={"cir": ("push", "cold"), "docker": ("cold",)}, links={"500": 500.0, "100": 100.0}, rounds=5,
        swept={"cir": ("cold",)}, fewer={"push": 2}, kept={"cir": {"b": (2, 7), "a": (1, 1)}}, lacking={"a": ("push",)},
        alike={"docker": {"push": "cold"}},
    )  # fmt: skip
    assert json.loads(json.dumps(asdict(record.plan))) == json.loads(json.dumps(asdict(expected)))
    assert record.plan.main == "500"
    assert record.plan.joined(record.plan) == record.plan


def test_what_was_taken_together_is_told(tmp_path: Path, apps: list[Scenario]) -> None:
    """A run that was continued the same day is one line, and one that took nothing is none."""
    samples = tmp_path / "samples.jsonl"
    for chosen, rounds in ((systems()[:2], 3), (systems()[:2], 4), (systems()[:2], 4), (systems()[2:], 4)):
        measure(samples, apps, chosen, rounds)
    same = {"processor": "A", "kernel": "6", "cir": "abc", "boot": "b"}
    days = [
        same | {"date": f"2026-01-0{day}", "pace": f"0.{pace} s"}
        for day, pace in ((2, 5), (2, 6), (2, 7), (3, 8))
    ]
    figures = in_sittings(samples, *days)
    assert len(figures.runs) == 3
    first, second = ([cell.text for cell in row[1:]] for row in rows.runs(figures)[1:])
    assert first[:5] == ["2026-01-02", "A", "b", "6", "abc"]
    assert first[5:8] == ["CIR on Docker, Docker, expert's Dockerfile", "0.5 s", ", ".join(LINKS)]
    assert second[:8] == ["2026-01-03", "A", "b", "6", "abc", "Another", "0.8 s", "500 Mbit/s"]
    assert int(first[8]) + int(second[8]) == len(figures.samples)
    assert f"| {' | '.join(second)} |" in table(figures, NONE)


def test_a_log_keeps_what_it_has(tmp_path: Path) -> None:
    log = Log(tmp_path / "new" / "samples.jsonl")
    key = Key("a", "cir", "push", "unshaped", 0)
    log.add(Sample(key, {"seconds": 1.5}, (("sha256:x", 7, "own"),)))
    again = Log(tmp_path / "new" / "samples.jsonl")
    assert key in again
    assert not again.failed(key)
    assert read((tmp_path / "new" / "samples.jsonl").read_text().splitlines()).samples[0].blobs[0][1] == 7


def test_crossovers() -> None:
    """Time goes with the time a byte takes: 8 s and 2 s at 100 and 400 Mbit/s are 4 s at 200."""

    def known(values: dict[float, float], spread: float = 0.1) -> dict[float, Spread]:
        return {rate: Spread(value, value - spread, value + spread, 5) for rate, value in values.items()}

    flat = known({100: 4.0, 400: 4.0})
    assert crossovers(known({100: 8.0, 400: 2.0}), flat) == [pytest.approx(200)]
    assert crossovers(known({100: 3.0, 400: 1.0}), flat) == []
    assert crossovers(known({100: 8.0, 400: 3.9}), flat) == [], "which one is faster at 400 is not known"
    assert Curve(0, {100: 8.0, 400: 2.0}).at(200) == pytest.approx(4.0)


def test_a_folder_that_lacks_a_file_is_named(tmp_path: Path, apps: list[Scenario]) -> None:
    (apps[0].folder / "verify").unlink()
    with pytest.raises(ValueError, match="a has no verify"):
        find(apps[0].folder.parent)
    with pytest.raises(ValueError, match="no scenario `c`; there are a, b"):
        find(apps[0].folder.parent, ["c"])


def test_changes(tmp_path: Path) -> None:
    copy = Copy(find(SCENARIOS, ["sklearn"])[0], tmp_path / "copy")
    before = (copy.folder / "requirements.txt").read_text()
    copy.add_dependency(0)
    assert (copy.folder / "requirements.txt").read_text() == before + "tabulate==0.9.0\n"
    copy.add_dependency(1)
    assert (copy.folder / "requirements.txt").read_text() == before + "tabulate==0.8.10\n"
    copy.restore_requirements()
    assert (copy.folder / "requirements.txt").read_text() == before
    with pytest.raises(ValueError, match="100 rounds need one each"):
        copy.add_dependency(99)


def test_a_scenario_that_cannot_be_prepared_is_left_out(tmp_path: Path, apps: list[Scenario]) -> None:
    def prepare(scenario: Scenario) -> None:
        if scenario.name == "a":
            raise RuntimeError("no such requirement")

    samples, ours = tmp_path / "samples.jsonl", systems()[:1]
    with pytest.raises(RuntimeError, match=r"not measured, since the index mirror lacks what they need: a$"):
        measure(samples, apps, ours, rounds=1, prepare=prepare)
    figures = Figures.of(read(samples.read_text().splitlines()))
    assert figures.failures() == []
    assert {key.scenario for key in figures.samples} == {"b"}


def test_a_machine_is_told_apart_from_others_of_its_name() -> None:
    first, second = machine.describe(), machine.describe()
    assert first["boot"] == second["boot"]
    assert float(first["pace"].removesuffix(" s")) > 0
