"""What is asked for a lock holds all that can change the answer, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from cirfile import codec
from cirfile.demands import demanded
from cirfile.locking import question
from cirfile.manifest import Index, LockReference, Manifest, Pin, Requirement, Setup
from cirfile.resolver.question import question as asked_of_uv

MANIFEST = Manifest(
    requirements=(
        Requirement("pypi", "numpy", hashes=("sha256:" + "0" * 64,)),
        Requirement("pypi", "alpha>=1", (("arch", ("amd64",)),)),
        Requirement("deb", "libgomp1"),
    ),
    constraints=(Requirement("pypi", "zeta<3"), Requirement("pypi", "beta<2")),
    indexes=(
        Index("pypi", "https://a.test/simple", "default"), Index("pypi", "https://b.test/simple", "extra"),
        Index("pypi", "https://c.test/simple", "extra"), Index("cran", "https://d.test", "default"),
    ),
    platforms=(("arch", ("amd64", "arm64")), ("python", ("3.12",))),
    workdir="/app",
)  # fmt: skip
FIRST, SECOND, LIBRARY = MANIFEST.requirements

SAME: list[dict[str, Any]] = [
    {"workdir": "/other"},
    {"setup": (Setup(("make",), "/app"),)},
    {"locks": (LockReference("pypi", "/.cir/lock/pypi.json", "0" * 64),)},
    {"requirements": (LIBRARY, SECOND, FIRST)},
    {"requirements": (FIRST, SECOND, Requirement("cran", "dplyr"))},
    {"constraints": tuple(reversed(MANIFEST.constraints))},
    {"constraints": (*MANIFEST.constraints, Requirement("deb", "libgomp1"))},
    {"indexes": MANIFEST.indexes[:3]},
]
OTHER: list[dict[str, Any]] = [
    {"requirements": (FIRST,)},
    {"requirements": (FIRST, replace(SECOND, text="alpha>=2"))},
    {"requirements": (FIRST, replace(SECOND, when=()))},
    {"requirements": (replace(FIRST, hashes=()), SECOND)},
    {"constraints": MANIFEST.constraints[:1]},
    {"indexes": MANIFEST.indexes[:2]},
    {"indexes": (MANIFEST.indexes[0], MANIFEST.indexes[2], MANIFEST.indexes[1])},
    {"indexes": (replace(MANIFEST.indexes[0], role="extra"), *MANIFEST.indexes[1:])},
    {"platforms": (("arch", ("amd64",)), ("python", ("3.12",)))},
    {"platforms": (("arch", ("amd64", "arm64")), ("python", ("3.13",)))},
    {"pin": Pin("as-of", "2026-11-20")},
    {"require_hashes": True},
]


@pytest.mark.parametrize("change", SAME, ids=str)
def test_what_cannot_change_the_lock_is_not_asked(change: dict[str, Any]) -> None:
    other = replace(MANIFEST, **change)
    assert question(other) == question(MANIFEST)
    # So says what the resolver makes of a manifest, too.
    assert asked_of_uv(other) == asked_of_uv(MANIFEST)
    assert demanded(other) == demanded(MANIFEST)


@pytest.mark.parametrize("change", OTHER, ids=str)
def test_what_can_change_the_lock_is_asked(change: dict[str, Any]) -> None:
    assert question(replace(MANIFEST, **change)) != question(MANIFEST)


def test_the_resolver_reads_from_the_question_what_the_manifest_says() -> None:
    read = codec.decode_manifest(question(MANIFEST))
    assert asked_of_uv(read) == asked_of_uv(MANIFEST)
    assert demanded(read) == demanded(MANIFEST)


def test_every_field_was_thought_of() -> None:
    """A field that is new belongs into one of the lists above."""
    named = {name for change in (*SAME, *OTHER) for name in change}
    assert named == {field.name for field in fields(Manifest)}
