"""The job script of the guide, run as it stands there; only `srun` is played, by a script that starts 16 processes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.twin.apptainer.conftest import Account

GUIDE = Path(__file__).resolve().parents[3] / "docs/hpc.md"
SRUN = """#!/bin/bash
# Starts the command once for each task, each with its number, and fails if one fails.
for task in $(seq 0 15); do SLURM_PROCID=$task "$@" > "out.$task" & started+=($!); done
status=0
for one in "${started[@]}"; do wait "$one" || status=$?; done
exit $status
"""


def script() -> str:
    """The job script of the guide."""
    text = GUIDE.read_text()
    (block,) = (part for part in text.split("```bash\n")[1:] if part.startswith("#!/bin/bash"))
    return block.partition("```")[0]


def test_the_job_of_the_guide(account: Account, sif: Path, place: Path) -> None:
    """The layer is made on the login node, all tasks run from it, each with what Slurm tells it."""
    (place / "train.sif").symlink_to(sif)
    (place / "job.sh").write_text(script())
    (place / "srun").write_text(SRUN)
    (place / "srun").chmod(0o755)
    made = account.cir("materialize", "--store", str(place / "cir"), str(place / "train.sif"))
    assert made.returncode == 0, made.stderr
    search = f"{place}:/usr/local/bin:/usr/bin:/bin"
    env = {"LAYER": made.stdout.strip(), "PATH": search, "CIR_OFFLINE": "1"}
    done = account.run("bash", "job.sh", env=env, cwd=place)
    assert done.returncode == 0, done.stderr
    said = [json.loads((place / f"out.{task}").read_text()) for task in range(16)]
    assert [answer["env"]["SLURM_PROCID"] for answer in said] == [str(task) for task in range(16)]
    assert all(answer["argv"] == ["--data", f"{place}/data.csv"] for answer in said)
    assert all(answer["greeting"] == "hello" for answer in said)
