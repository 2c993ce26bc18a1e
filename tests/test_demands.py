"""Hashes in a requirements file are held, not only accepted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cirfile.codec import decode_manifest, encode_manifest
from cirfile.demands import DemandError, demanded
from cirfile.manifest import Index, Manifest, Requirement
from cirfile.parser import parse
from cirfile.planner import plan
from cirfile.request import Request
from cirfile.resolver import ResolverError, resolve
from cirfile.source import Source
from tests.support.index import Index as Server
from tests.support.wheels import Wheel, sha256


def manifest(url: str, *hashes: str) -> Manifest:
    """One requirement with hashes, from one index, for one platform."""
    platforms = (("arch", ("amd64",)), ("python", ("3.11",)))
    requirement = Requirement("pypi", "Al.pha==1.0", hashes=hashes)
    return Manifest((requirement,), indexes=(Index("pypi", url, "default"),), platforms=platforms)


def test_demands_are_held(tmp_path: Path) -> None:
    """Of two builds only the one with the demanded hash is locked; with neither, nothing is."""
    slow = Wheel("al-pha", "1.0").write(tmp_path)
    fast = Wheel("al-pha", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64").write(tmp_path)
    with Server(tmp_path) as server:
        both = resolve(manifest(server.url)).lock.components[0].artifacts
        assert {artifact.name for artifact in both} == {slow.name, fast.name}
        one = resolve(manifest(server.url, f"sha256:{sha256(slow)}")).lock.components[0].artifacts
        assert [artifact.name for artifact in one] == [slow.name]
        with pytest.raises(ResolverError, match="hash that the requirements demand") as caught:
            resolve(manifest(server.url, "sha256:" + "0" * 64))
    assert caught.value.code == 65


def test_only_sha256() -> None:
    """A demand that cannot be held is refused, not forgotten."""
    with pytest.raises(DemandError, match=r"Al\.pha==1\.0"):
        demanded(manifest("http://index.example.com", "md5:" + "0" * 32))


def test_names_are_normalised_and_hashes_gathered() -> None:
    """Requirements and constraints of one project share their hashes."""
    one = Requirement("pypi", "Foo_Bar>1", hashes=("sha256:" + "A" * 64,))
    two = Requirement("pypi", "foo-bar<9", hashes=("sha256:" + "b" * 64, "sha512:" + "c" * 128))
    found = demanded(Manifest((one,), constraints=(two,)))
    assert found.hashes == {"foo-bar": frozenset({"a" * 64, "b" * 64})}


def test_require_hashes_demands_one_of_every_package(tmp_path: Path) -> None:
    """As pip has it, a dependency that is not listed with a hash is an error, not whatever the index serves."""
    top = Wheel("al-pha", "1.0", requires=("beta",)).write(tmp_path)
    below = Wheel("beta", "2.0").write(tmp_path)
    with Server(tmp_path) as server:
        asked = replace(manifest(server.url, f"sha256:{sha256(top)}"), require_hashes=True)
        assert decode_manifest(encode_manifest(asked)) == asked
        with pytest.raises(
            ResolverError, match=r"`beta` 2\.0 is needed, and no requirement gives a hash"
        ) as caught:
            resolve(asked)
        listed = Requirement("pypi", "beta", hashes=(f"sha256:{sha256(below)}",))
        locked = resolve(replace(asked, requirements=(*asked.requirements, listed))).lock
    assert caught.value.code == 65
    assert [component.name for component in locked.components] == ["al-pha", "beta"]


@pytest.mark.parametrize("option", ["--require-hashes", "-r other.txt"])
def test_require_hashes_of_a_file_is_in_the_manifest(option: str) -> None:
    files = {"requirements.txt": f"{option}\nsix\n", "other.txt": "--require-hashes\n"}
    request = Request(read=lambda path: files[path])
    text = "FROM debian:12\nREQUIRE pypi -r requirements.txt\n"
    assert plan(parse(Source("Cirfile", text)), request).manifest.require_hashes
    assert not plan(
        parse(Source("Cirfile", "FROM debian:12\nREQUIRE pypi six\n")), request
    ).manifest.require_hashes
