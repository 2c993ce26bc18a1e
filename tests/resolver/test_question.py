"""A manifest as the input of uv: order is removed, conditions become markers."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirfile.manifest import Conditions, Index, Manifest, Pin, Requirement
from cirfile.resolver import ResolverError
from cirfile.resolver.question import Question, question, redacted

_PLATFORMS: Conditions = (("arch", ("amd64", "arm64")), ("python", ("3.11", "3.12")))


def _ask(
    *requirements: tuple[str, Conditions], platforms: Conditions = _PLATFORMS, **more: object
) -> Question:
    asked = tuple(Requirement("pypi", text, when) for text, when in requirements)
    return question(Manifest(asked, platforms=platforms, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "when", "line"),
    [
        ("numpy", (), "numpy"),
        ("Pandas[parquet] >=2 , <3", (), "Pandas[parquet]<3,>=2"),
        ("a ; python_version < '3.12'", (), 'a ; (python_version < "3.12")'),
        ("a", (("arch", ("arm64",)),), "a ; (platform_machine == 'aarch64')"),
        (
            "a; os_name == 'posix' or sys_platform == 'linux'",
            (("arch", ("amd64", "arm64")),),
            'a ; (os_name == "posix" or sys_platform == "linux") and '
            "(platform_machine == 'x86_64' or platform_machine == 'aarch64')",
        ),
        ("a", (("python", ("3.12",)),), "a ; (python_full_version == '3.12.*')"),
        ("a", (("accelerator", ("cuda",)),), "a ; (platform_version == 'cir accelerator=cuda')"),
    ],
)
def test_a_requirement_and_its_condition(text: str, when: Conditions, line: str) -> None:
    platforms: Conditions = (("accelerator", ("cuda", "none")), *_PLATFORMS)
    assert _ask((text, when), platforms=platforms).requirements == f"{line}\n"


def test_a_condition_nobody_can_fulfil_leaves_the_requirement_out() -> None:
    platforms: Conditions = (("accelerator", ("none",)), *_PLATFORMS)
    cuda, mainframe = (("accelerator", ("cuda",)),), (("arch", ("s390x",)),)
    asked = _ask(("a", cuda), ("b", ()), ("c", mainframe), platforms=platforms)
    assert (asked.requirements, asked.unneeded) == ("b\n", ("a", "c"))


def test_a_condition_means_what_includes_its_value_too() -> None:
    platforms: Conditions = (
        ("accelerator", ("cuda:13.0", "none")),
        ("microarch", ("x86-64-v2", "x86-64-v3")),
        *_PLATFORMS,
    )
    level, kind = (("microarch", ("x86-64-v2",)),), (("accelerator", ("cuda",)),)
    asked = _ask(("a", level), ("b", kind), platforms=platforms)
    assert asked.unneeded == ()
    first, second = asked.requirements.splitlines()
    assert all(f"microarch=x86-64-v{number}'" in first for number in (2, 3))
    assert "accelerator=cuda:13.0" in second
    assert "accelerator=none" not in second


def test_a_condition_may_name_more_than_is_promised() -> None:
    """Who promises `cuda` promises all its versions, and who promises a processor promises newer ones."""
    platforms: Conditions = (("accelerator", ("cuda",)), ("microarch", ("x86-64-v2",)), *_PLATFORMS)
    when: Conditions = (("accelerator", ("cuda:13.0",)), ("microarch", ("x86-64-v3",)))
    asked = _ask(("a", when), platforms=platforms)
    assert asked.requirements == "a ; (platform_version == 'cir accelerator=cuda:13.0 microarch=x86-64-v3')\n"


@pytest.mark.parametrize(
    ("promised", "named", "kept"),
    [
        (("3.13",), ("3.13t",), False),
        (("3.13t",), ("3.13t",), True),
        (("3.13t",), ("3.13",), False),
        (("3.13", "3.13t"), ("3.13", "3.13t"), True),
        ((), ("3.13t",), False),
        ((), ("3.13",), True),
        (("3.12",), ("3.13",), False),
    ],
)
def test_builds_of_python(promised: tuple[str, ...], named: tuple[str, ...], kept: bool) -> None:
    platforms: Conditions = (("python", promised),) if promised else ()
    asked = _ask(("a", (("python", named),)), platforms=platforms)
    assert asked.requirements == ("a ; (python_full_version == '3.13.*')\n" if kept else "")
    assert bool(asked.unneeded) != kept


@pytest.mark.parametrize("named", ["3.13", "3.13t"])
def test_builds_of_one_python_cannot_be_told_apart(named: str) -> None:
    with pytest.raises(ResolverError, match="can't tell them apart") as caught:
        _ask(("a", (("python", (named,)),)), platforms=(("python", ("3.13", "3.13t")),))
    assert caught.value.code == 65


def test_the_environments_are_exactly_the_promise() -> None:
    project = tomllib.loads(_ask(("a", ())).project)
    assert project["project"]["requires-python"] == ">=3.11,<3.13"
    environments = project["tool"]["uv"]["environments"]
    assert len(environments) == 2
    assert all("python_full_version == '3.12.*'" in environment for environment in environments)
    assert project["tool"]["uv"]["required-environments"][1].endswith("platform_machine == 'aarch64'")


@given(st.permutations(["numpy", "pandas>=2", "numpy", "scipy ; python_version>'3.11'"]))
def test_order_and_repetition_do_not_matter(texts: list[str]) -> None:
    assert _ask(*((text, ()) for text in texts)) == _ask(*((text, ()) for text in sorted(set(texts))))


def test_indexes_keep_their_order() -> None:
    indexes = (
        Index("pypi", "https://a.test/simple", "extra"),
        Index("cran", "https://r.test", "default"),
        Index("pypi", "https://b.test/simple", "default"),
    )
    options = _ask(("a", ()), indexes=indexes).index_options
    assert options == ("--index", "https://a.test/simple", "--default-index", "https://b.test/simple")


def test_only_as_of_has_a_date() -> None:
    assert _ask(("a", ()), pin=Pin("as-of", "2026-11-20")).as_of == "2026-11-20"
    assert _ask(("a", ())).as_of == ""


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (Manifest((Requirement("pypi", "a b"),)), "`a b` is no Python requirement"),
        (Manifest((Requirement("pypi", "a @ https://x.test/a.whl"),)), "`a` is required by address"),
        (Manifest((Requirement("pypi", "a"),), platforms=(("arch", ("vax",)),)), "`vax`"),
        (
            Manifest((Requirement("pypi", "a"),), indexes=(Index("pypi", "https://u:p@x.test/", "extra"),)),
            "https://***@x.test/ holds credentials",
        ),
    ],
)
def test_what_can_not_be_asked(manifest: Manifest, message: str) -> None:
    with pytest.raises(ResolverError) as caught:
        question(manifest)
    assert message in caught.value.message
    assert (caught.value.code, "u:p" in str(caught.value)) == (65, False)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.test/simple", "https://a.test/simple"),
        ("https://me:pw@a.test/x@y", "https://***@a.test/x@y"),
        ("https://token@a.test", "https://***@a.test"),
    ],
)
def test_redaction(url: str, shown: str) -> None:
    assert redacted(url) == shown
