"""Keys: what changes them and what does not."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cirfile.lock import Artifact
from cirfile.manifest import Setup
from shim.facts import Facts, Interpreter
from shim.key import layer_key
from shim.provider import Choice, Selection

PYTHON = Interpreter("/usr/bin/python3.11", (3, 11, 2))
FACTS = Facts("amd64", "glibc", (2, 36), PYTHON, microarch="x86-64-v3")

words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
artifacts = st.builds(Artifact, words, words, digests, st.integers(0, 10**10))
choices = st.builds(Choice, words, words, artifacts)
selections = st.builds(Selection, st.sampled_from(["pypi", "deb"]), st.lists(choices, max_size=5).map(tuple))


@given(st.lists(selections, max_size=3), st.randoms())
def test_order_does_not_matter(chosen: list[Selection], chance: Random) -> None:
    shuffled = [Selection(s.ecosystem, tuple(chance.sample(s.choices, len(s.choices)))) for s in chosen]
    chance.shuffle(shuffled)
    assert layer_key(shuffled, FACTS) == layer_key(chosen, FACTS)


@given(choices, choices)
def test_what_is_chosen_matters(one: Choice, two: Choice) -> None:
    def content(choice: Choice) -> tuple[str, ...]:
        return choice.name, choice.version, choice.artifact.name, choice.artifact.sha256

    keys = [layer_key([Selection("pypi", (choice,))], FACTS) for choice in (one, two)]
    assert (keys[0] == keys[1]) == (content(one) == content(two))


@given(choices, words, words)
def test_where_it_comes_from_does_not_matter(choice: Choice, url: str, reason: str) -> None:
    moved = replace(choice, artifact=replace(choice.artifact, url=url), reason=reason, index=url)
    assert layer_key([Selection("pypi", (choice,))], FACTS) == layer_key([Selection("pypi", (moved,))], FACTS)


def test_facts_that_matter() -> None:
    chosen = [Selection("pypi", ())]
    same = [
        replace(FACTS, libc_version=(2, 31)),
        replace(FACTS, microarch=""),
        replace(FACTS, accelerator="cuda:13.0"),
        replace(FACTS, python=replace(PYTHON, version=(3, 11, 9))),
    ]
    other = [
        replace(FACTS, arch="arm64"),
        replace(FACTS, libc="musl"),
        replace(FACTS, python=replace(PYTHON, version=(3, 12, 2))),
        replace(FACTS, python=replace(PYTHON, path="/usr/local/bin/python3.11")),
        replace(FACTS, python=replace(PYTHON, abiflags="t")),
        replace(FACTS, python=replace(PYTHON, implementation="pypy")),
    ]
    key = layer_key(chosen, FACTS)
    assert {layer_key(chosen, facts) for facts in same} == {key}
    assert len({key} | {layer_key(chosen, facts) for facts in other}) == 1 + len(other)


def test_setup_matters() -> None:
    steps = [(), (Setup(("a", "b")),), (Setup(("a b",)),), (Setup(("a", "b"), "/x"),)]
    assert len({layer_key([], FACTS, setup) for setup in steps}) == len(steps)


def test_python_matters_only_to_python_packages() -> None:
    chosen = [Selection("deb", ())]
    assert layer_key(chosen, FACTS) == layer_key(chosen, replace(FACTS, python=None))
