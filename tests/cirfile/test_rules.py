"""Every rule catches the bad example of its page and is quiet about the good one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cirfile.errors import CirfileError
from cirfile.imageconfig import ImageConfig
from cirfile.parser import parse
from cirfile.planner import plan
from cirfile.request import Request
from cirfile.rule import Settings, parse_settings, settings
from cirfile.rules import RULES, Finding, check
from cirfile.source import Source

PAGES = Path(__file__).resolve().parents[2] / "docs" / "rules"
_BLOCK = re.compile(r"## (Bad|Good)\n\n```dockerfile(?: --build-arg (\w+)=(\w+))?\n(.*?)```", re.DOTALL)


def findings(text: str, **fields: object) -> tuple[Finding, ...]:
    request = Request(**fields)  # type: ignore[arg-type]
    cirfile = parse(Source("Cirfile", text))
    return check(cirfile, plan(cirfile, request), request)


def codes(text: str, **fields: object) -> set[str]:
    return {finding.code for finding in findings(text, **fields)}


def examples(code: str, kind: str) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    page = (PAGES / f"{code}.md").read_text()
    found: list[tuple[str, tuple[tuple[str, str], ...]]] = []
    for what, name, value, text in _BLOCK.findall(page):
        if what == kind:
            found.append((text, ((name, value),) if name else ()))
    assert found, f"{code}.md has no example of what is {kind.lower()}"
    return found


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_bad_example_is_caught(code: str) -> None:
    for text, build_args in examples(code, "Bad"):
        found = [finding for finding in findings(text, build_args=build_args) if finding.code == code]
        assert found
        for finding in found:
            assert 1 <= finding.span.line <= finding.span.last_line <= len(text.split("\n"))
            assert not finding.message.endswith(".")
            assert (PAGES.parents[1] / finding.url).exists()


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_good_example_is_clean(code: str) -> None:
    """The good example breaks no rule at all."""
    for text, build_args in examples(code, "Good"):
        clean = findings(text, build_args=build_args, ignore=())
        assert clean == ()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_page_and_rule_say_the_same(rule: object) -> None:
    code, summary = rule.code, rule.summary  # type: ignore[attr-defined]
    assert (PAGES / f"{code}.md").read_text().split("\n")[0] == f"# {code}: {summary.removesuffix('.')}"


BASE = "FROM debian:12\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("CIR001", 'CMD ["/opt/venv/bin/python3.12", "x"]'),
        ("CIR001", "HEALTHCHECK CMD /usr/bin/python3 check.py"),
        ("CIR001", "SETUP /usr/bin/Rscript make.R"),
        ("CIR002", "ENTRYPOINT exec app $HOME"),
        ("CIR003", "ARG DB_PASSWORD"),
        ("CIR003", "ENV AWS_SECRET_ACCESS_KEY=x"),
        ("CIR004", "REQUIRE pypi opencv_python opencv-python-headless"),
        ("CIR006", "REQUIRE cran jsonlite jsonlite (>= 1)"),
        ("CIR007", "REQUIRE pypi python3-dev"),
        ("CIR009", "ENV A=${TARGETARCH}"),
        ("CIR013", "REQUIRE pypi mxnet==1.9.1"),
        ("CIR016", "PLATFORMS arch=amd64\nREQUIRE --when=arch=arm64 pypi numpy"),
        ("CIR024", "SETUP apt-get -y install curl"),
    ],
)
def test_more_that_is_caught(code: str, text: str) -> None:
    assert code in codes(BASE + text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("CIR001", 'CMD ["/opt/app/bin/server"]'),
        ("CIR001", 'CMD ["python", "/usr/bin/python3"]'),
        ("CIR001", "CMD echo 'never closed"),
        ("CIR002", 'SHELL ["/bin/bash", "-c"]\nCMD echo hi'),
        ("CIR002", "ENTRYPOINT []"),
        ("CIR003", "ENV PUBLIC_KEY=x KEYBOARD=us TOKEN_FILE=/run/secrets/t"),
        ("CIR006", "REQUIRE pypi \"numpy<2; python_version<'3.9'\" \"numpy>=2; python_version>='3.9'\""),
        ("CIR006", "REQUIRE --when=arch=amd64 pypi numpy<2\nREQUIRE --when=arch=arm64 pypi numpy"),
        ("CIR009", "ARG TARGETARCH\nENV A=${TARGETARCH}"),
        ("CIR009", "ARG EMPTY\nENV A=$EMPTY"),
        ("CIR012", "COPY --link a /usr/bin/"),
        ("CIR016", "PLATFORMS accelerator=none,cuda:13.0\nREQUIRE --when=accelerator=cuda pypi cupy"),
        ("CIR022", "ARG P=1\nEXPOSE $P"),
    ],
)
def test_more_that_is_fine(code: str, text: str) -> None:
    assert code not in codes(BASE + text)


def test_base_from_named_context_needs_no_version() -> None:
    assert "CIR005" in codes("FROM mybase\n")
    assert "CIR005" not in codes("FROM mybase\n", named_contexts=frozenset({"mybase"}))
    assert "CIR005" not in codes("FROM scratch\n")
    assert "CIR005" not in codes(f"FROM debian@sha256:{'0' * 64}\n")


def test_ignore_file_silences_the_context_rule() -> None:
    assert "CIR008" in codes(BASE + "COPY . /app")
    assert "CIR008" not in codes(BASE + "COPY . /app", ignore=(".git",))
    assert "CIR008" not in codes(BASE + "COPY --from=alpine:3 / /app")


def test_known_build_arguments_are_no_finding() -> None:
    known = ("HTTP_PROXY", "no_proxy", "SOURCE_DATE_EPOCH", "BUILDKIT_INLINE_CACHE", "TARGETARCH", "UV_INDEX")
    assert "CIR010" not in codes(BASE, build_args=tuple((name, "1") for name in known))


def test_without_a_plan_the_text_is_still_checked() -> None:
    cirfile = parse(Source("Cirfile", "FROM debian\nREQUIRE pypi mxnet\nMAINTAINER a\n"))
    assert {finding.code for finding in check(cirfile)} == {"CIR005", "CIR018"}


def test_reasons_to_read_the_base_have_their_lines() -> None:
    text = BASE + "COPY a /tmp/\nWORKDIR /srv/x\nCOPY a .\n"
    config = ImageConfig(volumes=("/srv",))
    found = [finding for finding in findings(text, base_config=config) if finding.code == "CIR012"]
    assert [finding.span.line for finding in found] == [2, 3, 4]


def test_findings_are_sorted_and_unique() -> None:
    found = findings(BASE + "ENV A $B\nMAINTAINER x\nCMD a\nCMD b\n")
    assert list(found) == sorted(set(found), key=lambda one: (one.span.line, one.span.column, one.code))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Settings()),
        ("skip=CIR001", Settings(frozenset({"CIR001"}))),
        (" skip = CIR001 , CIR002 ; error = true ", Settings(frozenset({"CIR001", "CIR002"}), error=True)),
        ("error=1;skip=all", Settings(skip_all=True, error=True)),
        ("experimental=all", Settings()),
    ],
)
def test_settings(text: str, expected: Settings) -> None:
    assert parse_settings(text) == expected


@pytest.mark.parametrize("text", ["skip", "error=maybe", "skip=a;;", "strict=true"])
def test_malformed_settings(text: str) -> None:
    with pytest.raises(CirfileError, match="check=skip"):
        settings(parse(Source("Cirfile", f"# check={text}\nFROM debian:12\n")))


def test_build_argument_wins_over_the_directive() -> None:
    cirfile = parse(Source("Cirfile", "# check=skip=CIR005\nFROM debian\n"))
    assert check(cirfile) == ()
    other = Request(build_args=(("BUILDKIT_DOCKERFILE_CHECK", "skip=CIR001;error=true"),))
    assert [finding.code for finding in check(cirfile, None, other)] == ["CIR005"]
    assert settings(cirfile, other).error
