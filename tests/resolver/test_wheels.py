"""Wheel ranking, against `packaging.tags` where that knows the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging import tags

from cirfile.wheels import Target, fits, parse, pythons, rank

_X86 = Target("amd64", "glibc", (3, 12), (2, 36))
_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}


def _supported(target: Target) -> list[str]:
    """All tags of `target`, best first, as packaging makes them."""
    machine, (major, minor) = _MACHINE[target.arch], target.libc_version or (2, 36)
    if target.libc == "glibc":
        platforms = []
        for low in range(minor, 4, -1):
            platforms.append(f"manylinux_{major}_{low}_{machine}")
            legacy = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
            if (major, low) in legacy:
                platforms.append(f"{legacy[major, low]}_{machine}")
    else:
        platforms = [f"musllinux_{major}_{low}_{machine}" for low in range(minor, -1, -1)]
    platforms.append(f"linux_{machine}")
    version = "".join(map(str, target.python))
    abi = f"cp{version}" + ("t" if target.free_threaded else "")
    ours = tags.cpython_tags(target.python, [abi], platforms)
    generic = tags.compatible_tags(target.python, f"cp{version}", platforms)
    return [str(tag) for tag in (*ours, *generic)]


_TARGETS = [
    _X86,
    Target("arm64", "glibc", (3, 11), (2, 31)),
    Target("amd64", "musl", (3, 13), (1, 2)),
    Target("amd64", "glibc", (3, 13), (2, 36), free_threaded=True),
]


@pytest.mark.parametrize(
    "target", _TARGETS, ids=lambda t: f"{t.arch}-{t.libc}-{t.python[1]}{t.free_threaded}"
)
def test_every_supported_tag_fits_and_the_order_is_that_of_packaging(target: Target) -> None:
    names = [f"a-1-{tag}.whl" for tag in _supported(target)]
    ranks = [rank(parse(name), target) for name in names]
    assert None not in ranks
    assert [r for r in ranks if r] == sorted(r for r in ranks if r)


@given(
    python=st.sampled_from(
        ["cp310", "cp311", "cp312", "cp313", "cp37", "py3", "py2", "py310", "py313", "pp310"]
    ),
    abi=st.sampled_from(["cp310", "cp311", "cp312", "cp313", "cp313t", "abi3", "none", "pypy310_pp73"]),
    platform=st.sampled_from(
        [
            "any",
            "manylinux1_x86_64",
            "manylinux2014_aarch64",
            "manylinux_2_17_x86_64",
            "manylinux_2_36_x86_64",
            "manylinux_2_39_x86_64",
            "manylinux_2_28_aarch64",
            "musllinux_1_2_x86_64",
            "musllinux_1_3_x86_64",
            "linux_x86_64",
            "win_amd64",
            "macosx_11_0_arm64",
            "manylinux_2_17_i686",
        ]
    ),
    target=st.sampled_from(_TARGETS),
)
def test_fits_exactly_what_packaging_supports(python: str, abi: str, platform: str, target: Target) -> None:
    tag = f"{python}-{abi}-{platform}"
    assert fits(parse(f"a-1-{tag}.whl"), target) == (tag in set(_supported(target)))


def test_any_libc_version_where_none_is_given() -> None:
    wheel = parse("a-1-cp312-cp312-manylinux_2_39_x86_64.whl")
    assert not fits(wheel, _X86)
    assert fits(wheel, Target("amd64", "glibc", (3, 12)))


def test_the_higher_build_number_wins() -> None:
    low, high = (rank(parse(f"a-1-{build}-py3-none-any.whl"), _X86) for build in ("2", "10abc"))
    assert low is not None
    assert high is not None
    assert high < low


@pytest.mark.parametrize(
    "name", ["a.whl", "a-1-py3-none.whl", "a-1-py3-none-any.zip", "a b-1-py3-none-any.whl", ""]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a wheel"):
        parse(name)


@given(st.text(max_size=60))
def test_any_name_is_a_wheel_or_refused(name: str) -> None:
    try:
        wheel = parse(name)
    except ValueError:
        return
    assert rank(wheel, _X86) is None or pythons(wheel) is not None
