"""Markers, against `packaging.markers` where that knows the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from cirfile.markers import LINUX, MarkerError, atoms, evaluate, parse

_ENVIRONMENT = {
    **LINUX,
    "platform_machine": "x86_64",
    "platform_release": "6.1.0",
    "platform_version": "#1 SMP",
    "python_version": "3.11",
    "python_full_version": "3.11.3",
    "implementation_version": "3.11.3",
}

_TABLE = [
    "python_version < '3.11'",
    "python_version <= '3.11'",
    "python_version > '3.9'",
    "python_full_version < '3.11.3'",
    "python_full_version <= '3.11.0a6'",
    "python_full_version >= '3.11.4rc1'",
    "python_full_version == '3.11.*'",
    "python_full_version != '3.12.*'",
    "python_version ~= '3.10'",
    "python_full_version ~= '3.11.2'",
    "python_full_version ~= '3.10.2'",
    "'3.12' > python_version",
    "python_version in '3.10, 3.11'",
    "python_version not in '3.10 3.12'",
    "sys_platform == 'linux' and (platform_machine == 'aarch64' or platform_machine == 'x86_64')",
    "sys_platform == 'win32' or os_name != 'nt' and platform_system == 'Linux'",
    "'86' in platform_machine",
    "'arm' not in platform_machine",
    "platform_python_implementation != 'PyPy'",
    "implementation_name == 'cpython'",
    "extra == ''",
    "python_version == '3.11' and implementation_version >= '3.11'",
]


@pytest.mark.parametrize("text", _TABLE)
def test_same_value_as_packaging(text: str) -> None:
    assert evaluate(parse(text), _ENVIRONMENT) == Marker(text).evaluate(_ENVIRONMENT)


_VERSIONS = st.sampled_from(
    ["3", "3.9", "3.10", "3.11", "3.11.3", "3.11.4", "3.12", "3.12.0", "4.0", "3.11.0a6"]
)


@given(
    have=st.sampled_from(["3.9.0", "3.10.12", "3.11.0", "3.11.3", "3.12.1", "3.14.0"]),
    op=st.sampled_from(["<", "<=", "==", "!=", ">=", ">"]),
    want=_VERSIONS,
)
def test_versions_compare_as_in_packaging(have: str, op: str, want: str) -> None:
    text = f"python_full_version {op} '{want}'"
    environment = {"python_full_version": have}
    assert evaluate(parse(text), environment) == Marker(text).evaluate({**_ENVIRONMENT, **environment})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'accelerator=cuda' in extras", True),
        ("'accelerator=none' in extras", False),
        ("'accelerator=none' not in extras", True),
        ("'libc=musl' in extras or 'accelerator=cuda' in extras", True),
    ],
)
def test_facts_are_members_of_extras(text: str, value: bool) -> None:
    assert evaluate(parse(text), {"extras": frozenset({"accelerator=cuda"})}) is value


@pytest.mark.parametrize("unknown", [True, False])
def test_what_is_not_known_counts_as_told(unknown: bool) -> None:
    marker = parse("platform_release >= '6' and sys_platform == 'linux'")
    assert evaluate(marker, LINUX, unknown) is unknown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "python_version",
        "python_version <",
        "python_version < 3.11",
        "'a' == 'b'",
        "sys_platform == os_name",
        "nonsense == 'x'",
        "(sys_platform == 'linux'",
        "sys_platform == 'linux')",
        "sys_platform == 'linux' and",
        "sys_platform not 'linux'",
        "extras == 'cuda'",
        "python_version < 'old'",
        "(" * 200,
        "sys_platform == 'linux",
    ],
)
def test_what_is_no_marker_is_refused(text: str) -> None:
    with pytest.raises(MarkerError):
        parse(text)


@given(st.text(alphabet="()'\"<>=!~ andorinpythosve_.x3", max_size=60))
def test_any_text_is_a_marker_or_refused(text: str) -> None:
    try:
        marker = parse(text)
    except MarkerError:
        return
    assert list(atoms(marker))
    assert evaluate(marker, _ENVIRONMENT) in (True, False)
