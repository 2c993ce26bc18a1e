"""Manifests and locks: the same value gives the same bytes, and the bytes give the value back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirfile.codec import CodecError, decode_lock, decode_manifest, encode_lock, encode_manifest
from cirfile.imageconfig import Healthcheck, ImageConfig, from_oci, to_oci
from cirfile.layout import LABEL_MANIFEST, SHIM, with_shim
from cirfile.lock import Artifact, Component, Lock
from cirfile.manifest import FACTS, Index, LockReference, Manifest, Pin, Requirement, Setup

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
#: Fields that must not be empty.
SOME = TEXT.filter(bool)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
CONDITIONS = st.dictionaries(st.sampled_from(FACTS), TEXTS, max_size=3).map(
    lambda d: tuple(sorted(d.items()))
)
REQUIREMENTS = st.lists(st.builds(Requirement, SOME, SOME, CONDITIONS, TEXTS), max_size=3).map(tuple)
MANIFESTS = st.builds(
    Manifest,
    requirements=REQUIREMENTS,
    constraints=REQUIREMENTS,
    indexes=st.lists(st.builds(Index, SOME, SOME, SOME), max_size=2).map(tuple),
    platforms=CONDITIONS,
    pin=st.builds(Pin, st.sampled_from(["lock", "latest", "as-of"]), st.none() | TEXT.filter(bool)),
    setup=st.lists(st.builds(Setup, TEXTS, SOME), max_size=2).map(tuple),
    locks=st.lists(st.builds(LockReference, SOME, SOME, SOME), max_size=2).map(tuple),
)
ARTIFACTS = st.builds(Artifact, SOME, SOME, st.just("0f" * 32), st.integers(0, 2**40))
COMPONENTS = st.builds(
    Component,
    SOME,
    SOME,
    st.lists(ARTIFACTS, max_size=2).map(tuple),
    marker=TEXT,
    index=TEXT,
    dependencies=TEXTS,
)
LOCKS = st.builds(Lock, SOME, st.lists(COMPONENTS, max_size=3).map(tuple), TEXT, TEXT, TEXT)


@given(MANIFESTS)
def test_manifests_come_back(manifest: Manifest) -> None:
    data = encode_manifest(manifest)
    assert decode_manifest(data) == manifest
    assert encode_manifest(decode_manifest(data)) == data


@given(LOCKS)
def test_locks_come_back(lock: Lock) -> None:
    data = encode_lock(lock)
    assert decode_lock(data) == lock
    assert encode_lock(decode_lock(data)) == data


def test_bytes_are_canonical() -> None:
    data = encode_manifest(Manifest(requirements=(Requirement("pypi", "é"),)))
    requirement = '{"ecosystem":"pypi","requirement":"é"}'
    assert data.decode() == f'{{"cir":1,"pin":{{"mode":"lock"}},"requirements":[{requirement}]}}\n'


REQUIREMENT = {"ecosystem": "pypi", "requirement": "a"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "no `cir` field"),
        ({}, "no `cir` field"),
        ({"cir": 2}, "version 2"),
        ({"cir": 1, "requirements": {}}, "`manifest.requirements` should be a list"),
        ({"cir": 1, "requirements": ["a"]}, r"`manifest.requirements\[0\]` should be an object"),
        (
            {"cir": 1, "requirements": [{"ecosystem": "pypi"}]},
            r"requirements\[0\].requirement` should be a string",
        ),
        ({"cir": 1, "requirements": [{**REQUIREMENT, "when": []}]}, "when` should be an object"),
        ({"cir": 1, "requirements": [{**REQUIREMENT, "hashes": [1]}]}, "hashes` should be a list of strings"),
        ({"cir": 1, "pin": {"mode": True}}, "`manifest.pin.mode` should be a string"),
    ],
    ids=range(12),
)
def test_what_is_no_manifest(fields: object, message: str) -> None:
    data = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    with pytest.raises(CodecError, match=message):
        decode_manifest(data)


@pytest.mark.parametrize(
    ("artifact", "message"),
    [
        ({"sha256": "0" * 63}, "64 hexadecimal"),
        ({"sha256": "G" * 64}, "64 hexadecimal"),
        ({"size": -1}, "negative"),
        ({"size": True}, "an integer"),
    ],
)
def test_what_is_no_lock(artifact: dict[str, object], message: str) -> None:
    whole = {"name": "a", "url": "u", "sha256": "0" * 64, "size": 1} | artifact
    fields = {
        "cir-lock": 1,
        "ecosystem": "pypi",
        "components": [{"name": "a", "version": "1", "artifacts": [whole]}],
    }
    with pytest.raises(CodecError, match=message):
        decode_lock(json.dumps(fields).encode())


def test_requirements_by_ecosystem() -> None:
    pypi, deb = Requirement("pypi", "a"), Requirement("deb", "b")
    assert Manifest((pypi, deb)).of("deb") == (deb,)


def test_image_configuration_comes_back() -> None:
    config = ImageConfig(
        user="1:2", env=(("A", "b=c"),), entrypoint=("e",), cmd=("c",), working_dir="/w",
        labels=(("l", "v"),), exposed_ports=("1/tcp",), volumes=("/v",), stop_signal="9", shell=("s",),
        on_build=("RUN x",), healthcheck=Healthcheck(("NONE",), 1, 2, 3, 4, 5), args_escaped=True,
    )  # fmt: skip
    assert from_oci(to_oci(config)) == config
    assert from_oci(None) == ImageConfig()
    assert to_oci(ImageConfig()) == {}


def test_shim_goes_before_everything() -> None:
    config = ImageConfig(
        env=(("A", "1"), ("PATH", "/x"), ("B", "2")), entrypoint=("app",), labels=(("z", "1"),)
    )
    made = with_shim(config, "sha256:0")
    assert made.entrypoint == (SHIM, "app")
    assert [name for name, _ in made.env] == ["A", "PATH", "B"]
    assert dict(made.env)["PATH"].endswith(":/x")
    assert dict(made.labels)[LABEL_MANIFEST] == "sha256:0"
    assert dict(with_shim(ImageConfig(), "").env)["PATH"].endswith("/bin")
