"""Locks are kept by their question; what is kept and damaged is made again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from buildah_plugin.locks import Locker
from buildah_plugin.talk import Talk
from cirfile import codec, locking
from cirfile.cli.errors import CliError
from cirfile.lock import Lock
from cirfile.manifest import Index as PackageIndex
from cirfile.manifest import Manifest, Pin, Requirement
from tests.support.index import Index
from tests.support.wheels import Wheel


def test_kept_until_asked_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheels, cache = tmp_path / "wheels", tmp_path / "locks"
    wheels.mkdir()
    Wheel("greeting", files={"greeting.py": ""}).write(wheels)
    with Index(wheels) as index:
        manifest = Manifest(
            requirements=(Requirement("pypi", "greeting"),),
            indexes=(PackageIndex("pypi", index.url, "default"),),
            platforms=(("arch", ("amd64",)), ("python", ("3.11",))),
        )
        locker = Locker(cache, {"PATH": "/usr/bin:/bin"}, tmp_path / "none", Talk())
        first = locker.locks(manifest)
    assert [component.name for component in codec.decode_lock(first["pypi"]).components] == ["greeting"]
    # The index is gone now: only what was kept can answer.
    assert locker.locks(manifest) == first
    assert "unchanged" in capsys.readouterr().err
    (kept,) = cache.iterdir()
    kept.write_bytes(first["pypi"][:50])
    with pytest.raises(CliError) as caught:
        locker.locks(manifest)
    assert caught.value.code == 69


def test_answers_of_before_facts_included_others_are_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A condition on `x86-64-v2` had no answer where v3 is promised; without conditions nothing has changed."""
    for when, taken in (((), True), ((("microarch", ("x86-64-v2",)),), False)):
        manifest = Manifest(
            (Requirement("pypi", "greeting", when),),
            indexes=(PackageIndex("pypi", "http://127.0.0.1:9/", "default"),),
            platforms=(("arch", ("amd64",)), ("microarch", ("x86-64-v3",)), ("python", ("3.11",))),
        )
        old = hashlib.sha256(b"pypi" + locking.question(manifest)).hexdigest()
        (tmp_path / f"{old}.json").write_bytes(codec.encode_lock(Lock("pypi", (), ">=3.11")))
        locker = Locker(tmp_path, {"PATH": "/usr/bin:/bin"}, tmp_path / "none", Talk())
        if taken:
            assert codec.decode_lock(locker.locks(manifest)["pypi"]).components == ()
        else:
            with pytest.raises(CliError):
                locker.locks(manifest)
        assert ("unchanged" in capsys.readouterr().err) == taken


def test_nothing_to_lock(tmp_path: Path) -> None:
    """Without requirements, or resolved at deployment, nobody is asked."""
    wanted = (Requirement("pypi", "numpy"), Requirement("deb", "libgomp1"))
    for manifest in (Manifest(requirements=wanted[1:]), Manifest(requirements=wanted, pin=Pin("latest"))):
        assert locking.wanted(manifest) == ()
        assert Locker(tmp_path, {}, tmp_path, Talk()).locks(manifest) == {}
