"""Golden plans: what a Cirfile means, kept letter for letter in ``testdata/cases``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cirfile.report import plan_json
from tests.cirfile.cases import folders, golden, plan_of


@pytest.mark.parametrize("folder", folders("cases"), ids=lambda folder: folder.name)
def test_plan(folder: Path, update: bool) -> None:
    text = json.dumps(plan_json(plan_of(folder)), indent=2, ensure_ascii=False, sort_keys=True)
    golden(folder / "plan.json", text + "\n", update)
