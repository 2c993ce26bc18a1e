"""Any text gives a plan or a `CirfileError`, quickly; what it gives does not depend on chance."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cirfile.codec import decode_manifest, encode_manifest
from cirfile.errors import CirfileError, render
from cirfile.expand import Expander, ExpandError
from cirfile.imageconfig import ImageConfig, from_oci, to_oci
from cirfile.keywords import ALL
from cirfile.outline import outline, targets
from cirfile.parser import parse
from cirfile.patterns import PatternError, replace, trim_prefix, trim_suffix
from cirfile.planner import base, plan
from cirfile.report import plan_json
from cirfile.request import Request
from cirfile.rules import check
from cirfile.source import Source
from tests.cirfile.cases import TESTDATA, folders

#: A single run may take this many seconds of the processor; ordinary ones take a thousandth.
LONGEST = 5.0

_PIECES = (
    *ALL, *(word.lower() for word in ALL), "pypi", "deb", "cran", "-r", "-c", "requirements.txt",
    "pyproject.toml[x]", "--when=arch=amd64", "--from=x", "--chown=a:b", "--chmod=u+x", "--link",
    "--parents", "--exclude=*", "--", "--x", "$A", "${A}", "${A:-b}", "${A#*x}", "${A%%?}", "${A//x/y}",
    "${A:?}", "${", "$", "\\", "`", '"', "'", "[", "]", '["a", "b"]', '["a"', "<<EOF", "<<-'EOF'", "EOF",
    "\tEOF", "#", "# escape=`", "# check=skip=all", "\n", "\r\n", "\\\n", "\ufeff", "=", "A=b", "a", "/",
    ".", "/tmp", "scratch", "debian:12", "https://u:p@h/x.git#y", "git@h:x", "numpy>=2",
    "; python_version<'3'", "(>= 1)", "|", ",", "80/tcp", "1-3", "[::1]:1:2", "CMD", "NONE",
    "--interval=1s", "arch=amd64", "lock", "as-of=2026-01-01", "\x00", "\x1b", "é", "\u2028", "\x85",
    "\ud800",
)  # fmt: skip
_TEXT = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(_PIECES), max_size=40).map(" ".join),
    st.lists(st.sampled_from(_PIECES), max_size=40).map("".join),
    st.lists(st.sampled_from(_PIECES), max_size=25).map(lambda pieces: "FROM debian:12\n" + " ".join(pieces)),
    st.lists(st.tuples(st.sampled_from(ALL), st.lists(st.sampled_from(_PIECES), max_size=5))).map(
        lambda lines: "FROM scratch\n" + "\n".join(f"{word} {' '.join(rest)}" for word, rest in lines)
    ),
)
_QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)


def _read(path: str) -> str:
    if "requirements" in path:
        return "numpy\n-r other.txt\n"
    raise FileNotFoundError(path)


def _all(text: str) -> None:
    """Do with ``text`` everything this package can do."""
    request = Request(
        build_args=(("A", "x/y"),),
        read=_read,
        base_config=ImageConfig(working_dir="/srv", on_build=("COPY a b",)),
    )
    cirfile = parse(Source("Cirfile", text))
    targets(cirfile, request)
    outline(cirfile, request)
    base(cirfile, request)
    planned = plan(cirfile, request)
    assert decode_manifest(encode_manifest(planned.manifest)) == planned.manifest
    assert from_oci(to_oci(planned.config)) == planned.config
    json.dumps(plan_json(planned)).encode()
    check(cirfile, planned, request)


def _survives(text: str) -> None:
    start = time.process_time()
    mistakes: tuple[CirfileError, ...] = ()
    try:
        _all(text)
    except CirfileError as error:
        mistakes = error.all()
    for one in mistakes:
        assert one.source is not None
        assert 1 <= one.span.line <= one.span.last_line <= max(1, len(one.source.lines()))
        assert render(one)
    assert time.process_time() - start < LONGEST


@_QUICK
@given(_TEXT)
def test_any_text(text: str) -> None:
    _survives(text)


@_QUICK
@given(st.sampled_from(folders("errors") + folders("cases")), st.data())
def test_any_mutation_of_a_case(folder: Path, data: st.DataObject) -> None:
    text = (folder / "Cirfile").read_bytes().decode()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.sampled_from(("", *_PIECES))) + text[end:]
    _survives(text)


@_QUICK
@given(st.text(alphabet="ab/*?\\$ {}", max_size=12), st.text(alphabet="ab/\n*", max_size=20), st.booleans())
def test_any_pattern(pattern: str, value: str, greedy: bool) -> None:
    for trim in (trim_prefix, trim_suffix):
        try:
            left = trim(pattern, value, greedy)
        except PatternError:
            continue
        assert len(left) <= len(value)
        assert left in value
    with contextlib.suppress(PatternError):
        replace(pattern, value, "x", greedy, 1000)


@_QUICK
@given(st.text(alphabet="a$ {}:-+?#%/\\\"'<`", max_size=40))
def test_any_expansion(text: str) -> None:
    for rules in (
        Expander(),
        Expander("`"),
        Expander(quotes=False),
        Expander(raw_quotes=True, keep_unset=True),
    ):
        try:
            result = rules.expand(text, {"a": "v w"})
        except ExpandError:
            continue
        assert result.unmatched.isdisjoint(result.matched)


@pytest.mark.parametrize(
    "text",
    [
        "FROM debian:12\nENV A=" + "${A:-" * 5000 + "}" * 5000,
        "FROM debian:12\nCMD " + "[" * 100_000,
        "FROM debian:12\nENV V=" + "a" * 20_000 + "\nENV A=${V#" + "*a" * 5000 + "b}",
        "FROM debian:12\nREQUIRE pypi a;" + "(" * 3000,
        "FROM debian:12\n" + "COPY --exclude=a a b\n" * 3000,
        "FROM debian:12\nREQUIRE pypi " + "numpy>=1, " * 5000,
        "FROM debian:12\nREQUIRE deb " + "a|" * 20_000,
        "FROM debian:12\nRUN " + "apt-get -y " * 3000,
        "FROM debian:12\nRUN apt-get " + "update " * 2000,
        "FROM debian:12\nEXPOSE " + "0-65535 " * 20,
        "FROM " + "a-" * 20_000,
        "FROM " + "a" * 40 + ":" * 40,
        "FROM debian:12\nHEALTHCHECK --interval=" + "1h" * 20_000 + " CMD x",
        "\\\n" * 50_000,
        "FROM debian:12\nCOPY " + "<<A " * 2000 + "/x\n" + "A\n" * 2000,
        "FROM debian:12\nENV " + "A=b " * 3000,
        "# check=" + ";" * 100_000 + "\nFROM debian:12",
    ],
    ids=range(17),
)
def test_hostile_sizes(text: str) -> None:
    """No text makes the planner slow or deep."""
    _survives(text)


_PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.cirfile.cases import folders, plan_of
from cirfile.codec import encode_manifest
from cirfile.report import plan_json
import json
for folder in folders("cases"):
    plan = plan_of(folder)
    print(json.dumps(plan_json(plan)), encode_manifest(plan.manifest), plan.trace)
"""


def test_plans_do_not_depend_on_hash_seeds() -> None:
    """The same files give the same plans in processes that hash differently."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(TESTDATA.parent)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=TESTDATA.parent,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1
    assert len(next(iter(outputs))) > 1000
