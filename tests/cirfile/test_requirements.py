"""Requirements of all ecosystems: splitting, checking, files."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement as Packaging

from cirfile import parser, planner
from cirfile.ecosystems import pypi, relations
from cirfile.ecosystems.indexes import from_variables
from cirfile.ecosystems.notation import NotationError
from cirfile.ecosystems.pyproject import parse_pyproject
from cirfile.ecosystems.requirements_file import parse_requirements
from cirfile.errors import CirfileError
from cirfile.manifest import Index, Requirement
from cirfile.source import Source
from tests.cirfile.cases import plan_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        ("a>=1 b", ["a>=1", "b"]),
        ("a >= 1 b", ["a >= 1", "b"]),
        ("a >=1, <2 b", ["a >=1, <2", "b"]),
        ("a>=1,<2 b", ["a>=1,<2", "b"]),
        ("a [x] b", ["a [x]", "b"]),
        ("a[x, y] b", ["a[x, y]", "b"]),
        ("a (>=1) b", ["a (>=1)", "b"]),
        ("'a b' c", ["a b", "c"]),
        ('a "b ; c" d', ["a", "b ; c", "d"]),
        ("a; python_version < '3' b", ["a; python_version < '3' b"]),
        ("a ; x == \"1\"", ['a ; x == "1"']),
        ("a b;c", ["a", "b;c"]),
        ("-r f a", ["-r", "f", "a"]),
        ("--index-url=u a", ["--index-url=u", "a"]),
        ("a @ u b", ["a @ u", "b"]),
        ("", []),
        ("''", [""]),
        ("a == '1' b", ["a == '1", "b"]),
    ],
)  # fmt: skip
def test_splitting_pypi(text: str, expected: list[str]) -> None:
    items = pypi.split(text)
    assert [item.text.rstrip("'") for item in items] == expected
    assert all(" ".join(text[item.offset : item.offset + item.length].split()) == item.text for item in items)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        ("a, b,c", ["a", "b", "c"]),
        ("a (>= 1) b", ["a (>= 1)", "b"]),
        ("a(>=1)b", ["a (>=1)", "b"]),
        ("a | b c", ["a | b", "c"]),
        ("a (>= 1) | b [amd64], c", ["a (>= 1) | b [amd64]", "c"]),
        ("a|b", ["a | b"]),
        ("a (", ["a ("]),
        ("a ,, b", ["a", "b"]),
        ("| a", ["| a"]),
    ],
)
def test_splitting_relations(text: str, expected: list[str]) -> None:
    assert [item.text for item in relations.split(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "a", "numpy", "NumPy", "zope.interface", "a-b_c", "a>=1", "a>=1,<2", "a==1.*", "a!=1.*", "a~=1.2",
        "a[x]", "a[x,y]>=1", "a (>=1)", "a===1-x", "a>=1.0rc1", "a==1+cu1", "a; python_version<'3'",
        "a[x]>=1 ; os_name=='posix' and (extra=='b')", "requests", "x1", "a >= 1 , < 2", "v1.whl2",
    ],
)  # fmt: skip
def test_valid_pypi(text: str) -> None:
    pypi.check(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "a>=", "a=1", "a>>1", "-a", "a b", "a[", "a[x", "a;", "a; x", "a ~= 1", "a<=1.*", "a,b", "./a",
        "/a", "a.whl", "a/b", "https://x/a.whl", "git+ssh://x", "a @ https://x/a.whl", "a @ file:///a", "~/a",
        "a-", "é", "a==1.", "a>=1,,<2",
    ],
)  # fmt: skip
def test_invalid_pypi(text: str) -> None:
    with pytest.raises(NotationError) as caught:
        pypi.check(text)
    assert caught.value.hint


_NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,4}[A-Za-z0-9])?", fullmatch=True)
_BOUNDS = st.lists(
    st.tuples(
        st.sampled_from(["==", "!=", ">=", "<=", "<", ">", "~=", "==="]),
        st.from_regex(r"[0-9.*]{1,5}", fullmatch=True),
    ),
    max_size=3,
)


@settings(max_examples=400, deadline=None)
@given(_NAMES, st.lists(_NAMES, max_size=2), _BOUNDS, st.sampled_from(["", " "]))
def test_whatever_passes_quickly_is_valid(
    name: str, extras: list[str], bounds: list[tuple[str, str]], blank: str
) -> None:
    """What the plain form accepts, `packaging` accepts too, with the same name."""
    text = name + (f"[{','.join(extras)}]" if extras else "") + blank + ",".join(o + v for o, v in bounds)
    if pypi._PLAIN.fullmatch(text):
        assert Packaging(text).name == name
        assert not Packaging(text).url


@pytest.mark.parametrize(
    "text",
    [
        "libc6", "libc6 (>= 2.36-9)", "g++", "a1 (= 1:2.3~rc1+b-4)", "ab:amd64", "ab | cd",
        "ab (<< 2) | cd (>> 1)", "ab [amd64 !arm64]",
    ],
)  # fmt: skip
def test_valid_deb(text: str) -> None:
    relations.check_deb(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "Ab",
        "ab>=1",
        "ab (> 1)",
        "ab (>= )",
        "ab | ",
        "-y",
        "ab (>= x)",
        "ab <nocheck>",
        "| ab",
        "ab (",
    ],
)
def test_invalid_deb(text: str) -> None:
    with pytest.raises(NotationError) as caught:
        relations.check_deb(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["jsonlite", "data.table (== 1.15.4)", "R6", "sf (>= 1.0-16)"])
def test_valid_cran(text: str) -> None:
    relations.check_cran(text)


@pytest.mark.parametrize(
    "text", ["", "1a", "a_b", "jsonlite>=1", "a@1", "r/x", "ab (~> 1)", "ab (>= x)", "ab ("]
)
def test_invalid_cran(text: str) -> None:
    with pytest.raises(NotationError) as caught:
        relations.check_cran(text)
    assert caught.value.hint


def contents(files: dict[str, str], path: str = "r.txt") -> list[tuple[str, bool, tuple[str, ...]]]:
    def read(name: str) -> Source:
        if name not in files:
            raise FileNotFoundError(name)
        return Source(name, files[name])

    return [(entry.text, entry.constraint, entry.hashes) for entry in parse_requirements(path, read).entries]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\n# c\nb # d\n", [("a", False, ()), ("b", False, ())]),
        ("a\\\n>=1\n", [("a>=1", False, ())]),
        ("a\\", [("a", False, ())]),
        ("a#b", None),
        ("a --hash=sha256:0 --hash sha256:1", [("a", False, ("sha256:0", "sha256:1"))]),
        ("a ; python_version<'3' --hash=md5:0", [("a ; python_version<'3'", False, ("md5:0",))]),
        ("-c c.txt\na", [("c", True, ()), ("a", False, ())]),
        ("-rd/d.txt", [("d", False, ()), ("e", False, ())]),
        ("--requirement=c.txt", [("c", False, ())]),
        ("--only-binary :all:\n--prefer-binary\na", [("a", False, ())]),
        ("a --config-settings x", None),
        ("--pre", None),
        ("--unknown", None),
        ("-", None),
        ("-r", None),
        ("-r https://x/y", None),
        ("-f links", None),
        ("--index-url ftp://x", None),
        ("./a", None),
        ("-i https://u:p@x/simple", None),
    ],
)
def test_requirements_files(text: str, expected: list[tuple[str, bool, tuple[str, ...]]] | None) -> None:
    files = {"r.txt": text, "c.txt": "c", "d/d.txt": "d\n-r e.txt", "d/e.txt": "e"}
    if expected is None:
        with pytest.raises(CirfileError) as caught:
            contents(files)
        assert caught.value.source == Source("r.txt", text)
    else:
        assert contents(files) == expected


def test_indexes_of_files() -> None:
    found = parse_requirements(
        "r", lambda name: Source(name, "-i https://a/simple\n--extra-index-url=https://b/")
    )
    assert found.indexes == (
        Index("pypi", "https://a/simple", "default"),
        Index("pypi", "https://b/", "extra"),
    )


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab-=;# \\\n[]<>'\".rc/:@", max_size=60))
def test_any_requirements_file(text: str) -> None:
    try:
        found = contents({"r.txt": text, "a": "b"})
    except CirfileError as error:
        rendered = str(error)
    else:
        rendered = "".join(requirement for requirement, _, _ in found) or "nothing"
    assert rendered


PROJECT = """
[project]
name = "My_App"
dependencies = ["a >= 1", "b"]
[project.optional-dependencies]
Dev_Tools = ["my-app[docs]", "c"]
docs = ["d", "my.app[dev-tools]"]
"""


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        ((), ["a >= 1", "b"]),
        (("docs",), ["a >= 1", "b", "d", "c"]),
        (("dev.tools", "docs"), ["a >= 1", "b", "d", "c"]),
    ],
)
def test_projects(extras: tuple[str, ...], expected: list[str]) -> None:
    assert parse_pyproject(PROJECT, extras) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x", "[project", "[tool.x]", "[tool.poetry]\nname='a'", "[project]\ndynamic=['dependencies']",
        "[project]\ndependencies='a'", "[project]\ndependencies=[1]",
        "[project]\ndependencies=['a @ https://x/y.whl']",
        "[project]\n[project.optional-dependencies]\nx='a'", "[project]\n",
    ],
)  # fmt: skip
def test_wrong_projects(text: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_pyproject(text, ("x",))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[tool.uv.sources]\nA = {index = 'internal'}", "`[tool.uv.sources]` takes `A` from elsewhere"),
        ("[tool.uv.sources]\nb = {git = 'https://x/y'}", "takes `b` from elsewhere"),
        ("[[tool.uv.index]]\nurl = 'https://x/simple'", "`[[tool.uv.index]]` names an index"),
        ("[tool.uv]\nindex-url = 'https://x/simple'", "`[tool.uv]` has `index-url`"),
        ("[tool.uv]\noverride-dependencies = ['c']", "has `override-dependencies`"),
        ("[[tool.poetry.source]]\nname = 'x'", "`[[tool.poetry.source]]` names an index"),
        ("[[tool.pdm.source]]\nname = 'x'", "`[[tool.pdm.source]]` names an index"),
    ],
)
def test_a_project_whose_tool_takes_packages_from_elsewhere(table: str, said: str) -> None:
    """From the default index a package of that name would be a stranger's."""
    with pytest.raises(NotationError) as caught:
        parse_pyproject(f"{PROJECT}{table}\n", ())
    assert said in str(caught.value)
    assert "--index-url" in caught.value.hint


@pytest.mark.parametrize(
    "table",
    [
        "[tool.uv.sources]\nother = {path = 'x'}",
        "[[tool.uv.index]]\nname = 'n'\nurl = 'https://x'\nexplicit = true",
        "[tool.uv]\ndev-dependencies = ['z']",
        "[tool.poetry]\npackages = []",
        "tool = 1",
    ],
)
def test_tables_of_tools_that_say_nothing_of_the_dependencies(table: str) -> None:
    text = f"{table}\n{PROJECT}" if table.startswith("tool") else f"{PROJECT}{table}\n"
    assert parse_pyproject(text, ()) == ["a >= 1", "b"]


def test_indexes_of_variables() -> None:
    values = {
        "PIP_INDEX_URL": "https://a/",
        "UV_DEFAULT_INDEX": "https://b/",
        "UV_INDEX": "n=https://c/ https://d/?x=y",
        "PIP_EXTRA_INDEX_URL": "https://e/",
    }
    assert [(name, index.url, index.role) for name, index in from_variables(values)] == [
        ("UV_DEFAULT_INDEX", "https://b/", "default"),
        ("UV_INDEX", "https://c/", "extra"),
        ("UV_INDEX", "https://d/?x=y", "extra"),
    ]


BASE = "FROM debian:12\n"


def test_index_of_an_environment_variable() -> None:
    made = plan_text(BASE + "ENV PIP_INDEX_URL=https://a/simple\nREQUIRE pypi a\n")
    assert made.manifest.indexes == (Index("pypi", "https://a/simple", "default"),)


def test_index_of_a_line_wins() -> None:
    made = plan_text(
        BASE + "REQUIRE pypi -i https://a/simple a\n", build_args=(("PIP_INDEX_URL", "https://b/"),)
    )
    assert made.manifest.indexes == (Index("pypi", "https://a/simple", "default"),)


def test_wrong_index_of_a_variable() -> None:
    with pytest.raises(
        CirfileError, match=re.escape("`PIP_INDEX_URL`: the address of the index holds a user")
    ):
        plan_text(BASE + "REQUIRE pypi a\n", build_args=(("PIP_INDEX_URL", "https://u:p@b/"),))


def test_a_password_of_a_second_default_index_is_not_told() -> None:
    with pytest.raises(CirfileError) as caught:
        plan_text(BASE + "REQUIRE pypi a\n", build_args=(("PIP_INDEX_URL", "https://a/ https://u:hush@b/"),))
    assert "hush" not in str(caught.value)


def test_two_default_indexes_of_a_variable() -> None:
    with pytest.raises(CirfileError, match="`UV_INDEX_URL` names two default indexes"):
        plan_text(BASE + "REQUIRE pypi a\n", build_args=(("UV_INDEX_URL", "https://a/ https://b/"),))


def test_without_python_packages_indexes_do_not_matter() -> None:
    made = plan_text(BASE + "REQUIRE deb libgomp1\n", build_args=(("PIP_INDEX_URL", "nonsense"),))
    assert made.manifest.indexes == ()


def test_variables_make_words() -> None:
    made = plan_text(BASE + "ARG DEPS='a>=1 b'\nREQUIRE pypi $DEPS c\n")
    assert [one.text for one in made.manifest.requirements] == ["a>=1", "b", "c"]


def test_repetitions_are_dropped() -> None:
    made = plan_text(BASE + "REQUIRE pypi a a\nREQUIRE pypi a\nREQUIRE --when=arch=amd64 pypi a\n")
    assert made.manifest.requirements == (
        Requirement("pypi", "a"),
        Requirement("pypi", "a", (("arch", ("amd64",)),)),
    )
    assert [span.line for span in made.trace.requirements] == [2, 4]


def test_no_context_to_read_from() -> None:
    with pytest.raises(CirfileError, match="no build context"):
        plan_text(BASE + "REQUIRE pypi -r requirements.txt\n")


def test_file_by_address() -> None:
    with pytest.raises(CirfileError, match="put the file into the build context"):
        plan_text(BASE + "REQUIRE pypi -r https://x/requirements.txt\n")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("-r a.txt", ["a.txt"]),
        ("x -r ./in/a.txt --constraint /b.txt y", ["in/a.txt", "b.txt"]),
        ("-r $FILE", []),
        ("-r 'a b.txt'", []),
        ("-r ../a.txt", []),
        ("-r https://host/a.txt", []),
        ("-r pyproject.toml[x]", []),
        ("-r", []),
    ],
)
def test_files_that_can_be_fetched_ahead(line: str, named: list[str]) -> None:
    text = f"FROM scratch\nREQUIRE deb -r\nREQUIRE pypi {line}\n"
    assert planner.files_named(parser.parse(Source("Cirfile", text))) == named
