"""An account with one user id and one group id only, and a user namespace that maps nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.index import Index
from tests.support.restrict import NO_RANGES
from tests.twin.apptainer.conftest import CIRFILE, PROBE, Account
from tests.twin.apptainer.test_build import content_of

#: The caller as it is; already in a namespace of its own with one id, as itself and as that namespace's root.
INSIDE: dict[str, Sequence[str]] = {
    "no ranges": (),
    "one id": ("unshare", "--user", "--map-current-user"),
    "one id, root": ("unshare", "--user", "--map-root-user"),
}


@pytest.fixture(scope="module")
def context(account: Account, index: Index) -> Path:
    """The probe, with files of other owners and of set-id programs, which one id cannot make."""
    folder = account.owned(account.folder / "few-context")
    lines = "COPY --chown=daemon:staff --chmod=4755 probe.py /opt/other/\nCOPY --chown=12345 probe.py /var/local/\n"
    (folder / "Cirfile").write_text(CIRFILE.format(index=index.url) + lines)
    (folder / "probe.py").write_text(PROBE)
    return folder


@pytest.mark.parametrize("inside", INSIDE)
def test_one_id(inside: str, account: Account, context: Path, shim_ref: str, place: Path) -> None:
    """Built, materialized, run with one id; the tree in the file is the one that an account with ranges gets."""
    prefix = INSIDE[inside]
    env = {"CIR_SHIM": shim_ref}
    usual, few, store = place / "usual.sif", place / "few.sif", place / "store"
    ids = account.restricted(NO_RANGES, *prefix, "unshare", "-r", "cat", "/proc/self/uid_map").stdout.split()
    assert ids[2::3] == ["1"], "one id, or this shows nothing"
    words = ("build", "--engine", "apptainer", "-o")
    assert account.cir(*words, str(usual), str(context), env=env).returncode == 0
    for step in (
        (*words, str(few), str(context)),
        ("materialize", "--store", str(store), str(few)),
    ):
        done = account.restricted(NO_RANGES, *prefix, *account.cir_words(*step), env=env)
        assert done.returncode == 0, done.stderr
    start = account.cir_words("run", "--store", str(store), str(few), "x")
    done = account.restricted(NO_RANGES, *prefix, *start)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["greeting"], said["argv"], said["child"]) == ("hello", ["x"], "hello\n")
    trees = []
    for sif in (usual, few):
        folder = account.owned(place / f"tree-{sif.stem}")
        tree = content_of(account, sif, folder)
        # Apptainer notes the time of the build in its own folder.
        trees.append({path: entry for path, entry in tree.items() if not path.startswith(".singularity.d/")})
    assert trees[0] == trees[1]
    assert trees[0]["opt/other/probe.py"][1] & 0o777 == 0o755
