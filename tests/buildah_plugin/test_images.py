"""Which image of an index is taken, and where images go."""

from __future__ import annotations

from itertools import permutations

import pytest

from buildah_plugin import outputs
from buildah_plugin.images import _choose
from buildah_plugin.settings import Output
from cirfile.cli.errors import CliError
from cirfile.platforms import parse_platform


@pytest.mark.parametrize(
    ("there", "asked", "taken"),
    [
        (("amd64", "amd64/v2"), "amd64", "amd64"),
        (("amd64", "amd64/v2"), "amd64/v2", "amd64/v2"),
        (("amd64", "amd64/v2", "amd64/v3"), "amd64/v4", "amd64/v3"),
        (("amd64", "amd64/v3"), "amd64/v2", "amd64"),
        (("amd64/v3", "amd64/v2"), "amd64", "amd64/v2"),
        (("arm/v5", "arm/v6", "arm64"), "arm/v7", "arm/v6"),
        (("arm64/v8", "arm64/v9"), "arm64", "arm64/v8"),
    ],
)
def test_the_image_made_for_most_of_a_platform(there: tuple[str, ...], asked: str, taken: str) -> None:
    """As containerd chooses, whatever the order of the index."""
    for order in permutations(there):
        manifests = []
        for name in order:
            architecture, _, variant = name.partition("/")
            described = {"os": "linux", "architecture": architecture, "variant": variant}
            manifests.append({"digest": name, "platform": described})
        assert _choose(manifests, parse_platform(f"linux/{asked}"), "base") == taken


def test_a_higher_variant_does_not_run() -> None:
    manifests = [{"digest": "x", "platform": {"os": "linux", "architecture": "amd64", "variant": "v3"}}]
    with pytest.raises(CliError, match="is not there for linux/amd64/v2") as caught:
        _choose(manifests, parse_platform("linux/amd64/v2"), "base")
    assert caught.value.code == 78


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("type=image", ["a"], (Output("storage", ""),)),
        ("type=image,name=app:1", [], (Output("storage", "app:1"),)),
        ('type=image,"name=a:1,b:1"', ["c"], (Output("storage", "a:1"), Output("storage", "b:1"))),
        ("type=registry", ["r/a"], (Output("push", "r/a"),)),
        ("type=image,name=r/b,push=true", ["r/a"], (Output("push", "r/b"),)),
    ],
)
def test_outputs(text: str, tags: list[str], expected: tuple[Output, ...]) -> None:
    assert outputs.output(text, tags) == expected


@pytest.mark.parametrize("text", ["type=registry", "type=image,push=true"])
def test_a_push_needs_a_name(text: str) -> None:
    with pytest.raises(CliError, match="a push needs a name") as caught:
        outputs.output(text, [])
    assert caught.value.code == 64
