"""The page in a real browser: it opens, needs nothing else, and fits a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bench.compare import phases
from bench.compare.report.causes import Causes
from bench.compare.report.figures import Figures
from bench.compare.report.page import page
from bench.compare.samples import read
from bench.compare.scenario import Scenario
from tests.bench.conftest import measure, systems
from tests.bench.fake import FakeNetwork

NONE = Causes({})


def test_the_page_names_no_other_resource(tmp_path: Path, apps: list[Scenario]) -> None:
    made = page(measure(tmp_path / "samples.jsonl", apps, systems()), NONE)
    assert not re.search(r"src=|href=(?!\"#)|url\(|@import|<script|https?:", made)


def test_the_crossover_is_said(tmp_path: Path, apps: list[Scenario]) -> None:
    """On the slow link ours takes five seconds more, on the fast one five less; time goes with that of a byte."""
    ours, peer, other = systems()
    network = FakeNetwork()
    ours = replace(ours, slow={phases.DEPLOY_BASE: 15.0}, network=network)
    chosen = [ours, peer, other]
    every = [system.name for system in chosen]
    figures = measure(tmp_path / "samples.jsonl", apps, chosen, swept=every, network=network)
    made = page(figures, NONE)
    assert (
        "Crossovers: CIR on Docker and Docker, expert&#x27;s Dockerfile at 167 Mbit/s; "
        "CIR on Docker and Another at 167 Mbit/s." in made
    )
    assert made.count('<circle class="mark"') == 4


def test_curves_of_different_days_have_no_crossover(tmp_path: Path, apps: list[Scenario]) -> None:
    ours, peer, _ = systems()
    network = FakeNetwork()
    ours = replace(ours, slow={phases.DEPLOY_BASE: 15.0}, network=network)
    samples = tmp_path / "samples.jsonl"
    for chosen in (ours, peer):
        measure(samples, apps, [chosen], swept=[chosen.name], network=network)
    days = iter((2, 3))
    lines = [
        json.dumps({"machine": {"date": f"2026-01-0{next(days)}"}}) if '{"machine"' in line else line
        for line in samples.read_text().splitlines()
    ]
    made = page(Figures.of(read(lines)), NONE)
    assert "Not compared with Docker, expert&#x27;s Dockerfile: the points are of several sittings." in made
    assert "rossovers" not in made


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's browser, installed where it is missing."""
    if not shutil.which("chromium"):
        subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
        argv = ["apt-get", "install", "-yq", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
        subprocess.run(argv, check=True, capture_output=True)
    return "chromium"


def browse(chromium: str, folder: Path, file: Path, *flags: str) -> str:
    argv = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}",
        *flags, file.as_uri(),
    ]  # fmt: skip
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.slow
@pytest.mark.engines
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_opens(tmp_path: Path, apps: list[Scenario], chromium: str, width: int) -> None:
    file, picture = tmp_path / "compare.html", tmp_path / "page.png"
    file.write_text(page(measure(tmp_path / "samples.jsonl", apps, systems(broken=phases.PUSH)), NONE))
    # What the browser laid out is written into the title by a script that only this test adds.
    probe = tmp_path / "probe.html"
    script = (
        "<script>onload=()=>{const d=document.documentElement;"
        "document.title=[d.scrollWidth<=innerWidth,document.querySelectorAll('svg polyline').length,"
        "[...document.querySelectorAll('.track')].every(t=>t.scrollWidth<=t.clientWidth+1)].join()}</script>"
    )
    probe.write_text(file.read_text().replace("</head>", f"{script}</head>"))
    size = f"--window-size={width},4000"
    dumped = browse(chromium, tmp_path / "profile", probe, size, "--dump-dom", "--virtual-time-budget=2000")
    found = re.search(r"<title>(.*?)</title>", dumped)
    assert found
    assert found[1] == "true,8,true"  # two applications, two deployments, two systems
    browse(chromium, tmp_path / "profile", file, size, f"--screenshot={picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
