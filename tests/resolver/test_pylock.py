"""pylock.toml to a lock: what is kept, what is rewritten, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirfile import pylock
from cirfile.codec import decode_lock, encode_lock
from cirfile.lock import Lock
from cirfile.manifest import Conditions
from cirfile.promise import promise
from cirfile.pylock import PylockError, Relations

_SHA = "ab" * 32
_PROMISE: Conditions = (("arch", ("amd64", "arm64")), ("python", ("3.11",)))


def _wheel(tag: str, name: str = "alpha", version: str = "1.0", extra: str = "") -> str:
    url = f"https://index.test/f/{name}-{version}-{tag}.whl"
    return f'{{ url = "{url}", size = 7, hashes = {{ sha256 = "{_SHA}" }}{extra} }}'


def _package(*wheels: str, name: str = "alpha", version: str = "1.0", more: str = "") -> str:
    return f'[[packages]]\nname = "{name}"\nversion = "{version}"\n{more}\nwheels = [{", ".join(wheels)}]\n'


def _read(*packages: str, platforms: Conditions = _PROMISE, relations: Relations | None = None) -> Lock:
    return pylock.read('lock-version = "1.0"\n' + "".join(packages), promise(platforms), relations)


_EVERYWHERE = [
    "cp311-cp311-manylinux_2_17_x86_64",
    "cp311-cp311-manylinux_2_17_aarch64",
    "cp311-cp311-musllinux_1_2_x86_64",
    "cp311-cp311-macosx_11_0_arm64",
    "cp311-cp311-win_amd64",
    "cp312-cp312-manylinux_2_17_x86_64",
    "cp311-cp311-manylinux_2_17_i686",
    "pp311-pypy311_pp73-manylinux_2_17_x86_64",
]


@pytest.mark.parametrize(
    ("platforms", "kept"),
    [
        (_PROMISE, [0, 1, 2]),
        ((*_PROMISE, ("libc", ("glibc",))), [0, 1]),
        ((("arch", ("amd64",)), ("python", ("3.11",))), [0, 2]),
        ((("arch", ("amd64",)), ("python", ("3.11", "3.12")), ("libc", ("glibc",))), [0, 5]),
        ((("arch", ("amd64",)),), [0, 2, 5]),
    ],
)
def test_only_wheels_for_promised_platforms_are_kept(platforms: Conditions, kept: list[int]) -> None:
    lock = _read(_package(*(_wheel(tag) for tag in _EVERYWHERE)), platforms=platforms)
    expected = sorted(f"alpha-1.0-{_EVERYWHERE[i]}.whl" for i in kept)
    assert [artifact.name for artifact in lock.components[0].artifacts] == expected


def test_the_whole_component() -> None:
    relations = Relations(frozenset({("beta", "alpha")}), {("alpha", "1.0"): "https://index.test/simple"})
    marker = "marker = \"sys_platform == 'linux' and platform_machine == 'x86_64'\""
    lock = _read(
        _package(_wheel("py3-none-any")),
        _package(_wheel("py3-none-any", name="beta"), name="beta", more=marker),
        relations=relations,
    )
    alpha, beta = lock.components
    assert (alpha.index, alpha.dependencies, alpha.marker) == ("https://index.test/simple", ("beta",), "")
    assert (beta.index, beta.dependencies, beta.marker) == ("", (), "platform_machine == 'x86_64'")
    artifact = alpha.artifacts[0]
    assert (artifact.sha256, artifact.size) == (_SHA, 7)
    assert lock.requires_python == ">=3.11,<3.12"
    assert decode_lock(encode_lock(lock)) == lock


def test_a_package_for_other_systems_is_dropped() -> None:
    more = "marker = \"sys_platform == 'win32'\""
    lock = _read(
        _package(_wheel("py3-none-any")), _package(_wheel("py3-none-any"), name="colorama", more=more)
    )
    assert [component.name for component in lock.components] == ["alpha"]


def test_a_marker_the_promise_can_not_decide_stays() -> None:
    marker = "platform_release >= '6.1' and sys_platform == 'linux'"
    lock = _read(_package(_wheel("py3-none-any"), more=f'marker = "{marker}"'))
    assert lock.components[0].marker == marker


def test_credentials_never_reach_the_lock() -> None:
    wheel = _wheel("py3-none-any").replace("https://", "https://me:secret@")
    lock = _read(_package(wheel))
    assert b"secret" not in encode_lock(lock)
    assert lock.components[0].artifacts[0].url.startswith("https://index.test/")


def test_a_percent_encoded_name_is_decoded() -> None:
    lock = _read(_package(_wheel("py3-none-any", version="1.0%2Bcu13"), version="1.0+cu13"))
    assert lock.components[0].artifacts[0].name == "alpha-1.0+cu13-py3-none-any.whl"


@pytest.mark.parametrize(
    ("tags", "platforms", "message"),
    [
        (
            ["cp311-cp311-manylinux_2_17_x86_64"],
            _PROMISE,
            "alpha 1.0 on linux/arm64 (glibc), Python 3.11: "
            "wheels exist for cp311-cp311-manylinux_2_17_x86_64",
        ),
        (
            ["cp311-cp311-manylinux_2_17_x86_64"],
            (("arch", ("amd64",)), ("libc", ("musl",)), ("python", ("3.11",))),
            "alpha 1.0 on linux/amd64 (musl), Python 3.11",
        ),
        (
            ["cp312-cp312-manylinux_2_17_x86_64"],
            (("arch", ("amd64",)), ("python", ("3.11", "3.12"))),
            "alpha 1.0 on linux/amd64 (glibc), Python 3.11: wheels exist for cp312",
        ),
        (["cp39-cp39-win_amd64"], (("arch", ("amd64",)),), "no Python from 3.11 on has every wheel"),
        (
            ["cp313-cp313-manylinux_2_17_x86_64"],
            (("arch", ("amd64",)), ("python", ("3.13t",))),
            "alpha 1.0 on linux/amd64 (glibc), Python 3.13t",
        ),
    ],
)
def test_a_missing_wheel_names_platform_and_offer(
    tags: list[str], platforms: Conditions, message: str
) -> None:
    with pytest.raises(PylockError) as caught:
        _read(_package(*(_wheel(tag) for tag in tags)), platforms=platforms)
    assert message in caught.value.message
    assert caught.value.code == pylock.NOT_PROMISED
    assert "PLATFORMS" in caught.value.hint


def test_one_complete_python_is_enough_where_none_is_promised() -> None:
    given_promise = promise((("arch", ("amd64",)),))
    lock = _read(_package(_wheel("cp312-cp312-manylinux_2_17_x86_64")), platforms=(("arch", ("amd64",)),))
    assert pylock.covered_pythons(lock, given_promise) == ((3, 12),)


def test_a_component_is_only_needed_where_its_marker_holds() -> None:
    more = "marker = \"platform_machine == 'x86_64'\""
    lock = _read(_package(_wheel("cp311-cp311-manylinux_2_17_x86_64"), more=more))
    assert lock.components[0].marker == "platform_machine == 'x86_64'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not toml", "the lock file is not TOML"),
        ("", "`lock-version` is None"),
        ('lock-version = "2.0"', "`lock-version` is '2.0'"),
        ('lock-version = "1.0"\npackages = 3', "`packages` of the lock file should be a list of tables"),
        ('lock-version = "1.0"\n[[packages]]\nversion = "1"', "a package of the lock file has no name"),
        ('lock-version = "1.0"\n[[packages]]\nname = 3', "`name` of a package should be a string"),
        (
            'lock-version = "1.0"\n[[packages]]\nname = "a"\nvcs = { type = "git" }',
            "`a` comes from a vcs, not from a package index",
        ),
        (
            'lock-version = "1.0"\n' + _package(_wheel("py3-none-any").replace("sha256", "md5")),
            "`alpha-1.0-py3-none-any.whl` has no SHA-256",
        ),
        ('lock-version = "1.0"\n' + _package("{ size = 1 }"), "a wheel of `alpha` has no address"),
        ('lock-version = "1.0"\n' + _package(_wheel("py3-none-any"), more='marker = "x"'), "can't be read"),
        (
            'lock-version = "1.0"\n[[packages]]\nname = "a"\nversion = "1"\nsdist = {}',
            "only a source archive exists",
        ),
    ],
)
def test_what_can_not_be_used_is_refused(text: str, message: str) -> None:
    with pytest.raises(PylockError) as caught:
        pylock.read(text, promise(_PROMISE))
    assert message in caught.value.message


_VALUES = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(-3, 9), st.booleans(), st.just("py3-none-any"), st.just(_SHA)),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["name", "version", "url", "hashes", "sha256", "size"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        escaped = "".join(c if c.isalnum() or c in "-_./ ='" else "x" for c in value)
        return f'"{escaped}"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    assert isinstance(value, dict)
    return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"


@given(
    st.dictionaries(
        st.sampled_from(["name", "version", "marker", "wheels", "sdist", "index", "vcs"]), _VALUES, max_size=5
    )
)
def test_any_package_table_is_read_or_refused(table: dict[str, object]) -> None:
    lines = "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
    try:
        lock = pylock.read(f'lock-version = "1.0"\n[[packages]]\n{lines}', promise(_PROMISE))
    except PylockError:
        return
    assert decode_lock(encode_lock(lock)) == lock


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(PylockError):
        pylock.read(text, promise(_PROMISE))
