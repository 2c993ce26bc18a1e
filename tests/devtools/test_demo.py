"""`./dev demo` from what a clone holds: the table, the JSON, and whether the figures can be true."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devtools import demo, paths
from devtools.engines.api import Engines

pytestmark = [pytest.mark.engines, pytest.mark.slow]

MB = 10**6


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a commit of this checkout would hold, and nothing else."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=paths.CHECKOUT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (paths.CHECKOUT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(paths.CHECKOUT / name, folder / name, follow_symlinks=False)
    return folder


def test_demo(clone: Path, tmp_path: Path) -> None:
    """One command; its table on stdout is the JSON in words, and every figure is one that can be."""
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [str(clone / "dev"), "demo", "--engines", "--json", str(file)],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(file.read_text())
    assert done.stdout == demo.table(demo.Figures(**found)) + "\n"
    assert [re.split(r"\s{2,}", line)[0] for line in done.stdout.splitlines()] == [
        "platform chosen", "build, dependencies resolved", "build again", "app layer (this image alone)",
        "base and shim (shared)", "dependencies fetched at start", "cold start to first line",
        "warm start to first line", "the application said",
    ]  # fmt: skip
    assert found["docker"] == "engines"
    assert re.match(r"amd64, x86-64\S*, glibc.*, Python 3\.11, accelerator \w+$", found["platform"])
    assert re.fullmatch(r"forest 0\.9\d\d, xgboost 0\.9\d\d", found["said"])
    assert 0 < found["rebuild_s"] < found["build_s"] < 60
    assert 0 < found["app_layer_bytes"] < 0.1 * MB
    assert 20 * MB < found["shared_bytes"] < 100 * MB
    assert 50 * MB < found["fetched_bytes"] < 500 * MB
    assert 0.2 < found["warm_start_s"] < found["cold_start_s"] < 120
    first, second = done.stderr.split("dev: build again", 1)
    assert not re.search(r"\[lock\] .*\n#\d+ CACHED", first), "the dependencies were resolved"
    assert re.search(r"\[lock\] .*\n#\d+ CACHED", second), "nothing had to be resolved again"
    volumes = Engines.ensure().run(["docker", "volume", "ls", "-q"]).stdout.split()
    assert demo.VOLUME not in volumes, "the demo's store is taken away"


def test_demo_that_cannot_write_its_figures(clone: Path, tmp_path: Path) -> None:
    """A folder that is not there is told before anything is built."""
    environment = os.environ | {"CIR_DEV_CACHE": "/proc/none"}
    argv = [str(clone / "dev"), "demo", "--engines", "--json", str(tmp_path / "none/figures.json")]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr == f"dev: error: {tmp_path}/none is no folder: the figures cannot be written there\n"
