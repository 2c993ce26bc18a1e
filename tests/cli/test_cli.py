"""The command line as a whole: help, statuses, lint, completion, the reference page."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirfile import __version__
from cirfile.cli import COMMANDS, guarded
from cirfile.cli.reference import page
from cirfile.cli.tables import size, table
from tests.cli.conftest import CHECKOUT, Cir


def test_the_reference_page_is_fresh() -> None:
    written = (CHECKOUT / "docs" / "reference" / "cli.md").read_text()
    assert written == page(), "write it anew: python -m docs.generate"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cir: Cir, command: str) -> None:
    done = cir(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: cir {command} ")


def test_version_and_usage(cir: Cir) -> None:
    assert cir("--version").stdout == f"cir {__version__}\n"
    assert cir().returncode == 2
    assert cir("nosuch").returncode == 2
    assert cir("lint", "--jso").returncode == 2


_CLEAN = 'FROM debian:12-slim\nCOPY main.py /app/\nENTRYPOINT ["python", "/app/main.py"]\n'


def test_lint_statuses(cir: Cir) -> None:
    cir.write("clean/Cirfile", _CLEAN)
    cir.write("warned/Cirfile", _CLEAN.replace('["python"', '["/usr/bin/python3"'))
    cir.write("broken/Cirfile", "FROM debian:12\nRUN true\nCOPPY a b\n")
    done = cir("lint", "clean")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = cir("lint", "clean", "warned")
    assert done.returncode == 1
    assert done.stdout.startswith("warned/Cirfile:3:")
    assert ">>> 3 | ENTRYPOINT" in done.stdout
    assert "[CIR001]" in done.stdout
    assert cir("lint", "broken", "warned", "clean").returncode == 65
    assert cir("lint", "nowhere").returncode == 66


def test_lint_of_what_is_promised_for_another_architecture(cir: Cir) -> None:
    cir.write("Cirfile", "FROM debian:12\nPLATFORMS arch=arm64\n")
    assert cir("lint").returncode == 0
    assert json.loads(cir("plan", "--json").stdout)["manifest"]["platforms"]["arch"] == ["arm64"]
    done = cir("lint", "--platform", "linux/amd64")
    assert done.returncode == 65
    assert "the image is built for `amd64`, which it does not promise" in done.stdout
    assert cir("lint", "--platform", "a/b/c/d").returncode == 64


def test_a_file_that_is_missing_does_not_take_the_report_of_the_others(cir: Cir) -> None:
    cir.write("warned/Cirfile", _CLEAN.replace('["python"', '["/usr/bin/python3"'))
    done = cir("lint", "--json", "warned", "nowhere")
    assert done.returncode == 66
    assert json.loads(done.stdout)


@pytest.mark.parametrize(
    ("name", "patterns", "status"),
    [
        (".dockerignore", "*.txt", 65),
        ("Cirfile.dockerignore", "*.txt", 65),
        (".dockerignore", "*.txt\n!requirements.txt", 0),
        (".dockerignore", "[", 65),
    ],
)
def test_files_that_the_build_does_not_get_are_not_there(
    cir: Cir, name: str, patterns: str, status: int
) -> None:
    cir.write("Cirfile", "FROM debian:12\nREQUIRE pypi -r requirements.txt\n")
    cir.write("requirements.txt", "six\n")
    cir.write(name, patterns + "\n")
    done = cir("lint")
    assert done.returncode == status, done
    assert status == 0 or "requirements.txt" in done.stdout or "ignore file" in done.stderr


def test_lint_as_json(cir: Cir) -> None:
    cir.write("warned/Cirfile", _CLEAN.replace('["python"', '["/usr/bin/python3"'))
    cir.write("broken/Cirfile", "FROM debian:12\nRUN true\nCOPPY a b\n")
    done = cir("lint", "--json", "warned", "broken")
    found = [(one["file"], one["line"], one["severity"]) for one in json.loads(done.stdout)]
    assert found == [
        ("warned/Cirfile", 3, "warning"),
        ("broken/Cirfile", 2, "error"),
        ("broken/Cirfile", 3, "error"),
    ]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\0", b"", b"FROM \xe2\x82"])
def test_any_bytes_are_a_cirfile_or_an_error(cir: Cir, content: bytes) -> None:
    (cir.folder / "Cirfile").write_bytes(content)
    for command in (["lint"], ["plan"], ["lock"]):
        assert cir(*command).returncode == 65


def test_a_folder_instead_of_a_file(cir: Cir) -> None:
    (cir.folder / "Cirfile").mkdir()
    done = cir("plan")
    assert done.returncode == 70
    assert done.stderr == "error: Cirfile: Is a directory\n"


@pytest.mark.parametrize("log", ["", "debug"])
def test_a_fault_of_our_own_is_one_line(cir: Cir, log: str) -> None:
    """Whatever a command has not thought of: status 70, its kind and text, the traceback only if asked for."""
    cir.write("Cirfile", "FROM scratch\n")
    script = (
        "import sys; from cirfile import cli; from cirfile.cli import lint\n"
        "def broken(arguments): raise LookupError('no\\nidea')\n"
        "lint.run = broken; sys.exit(cli.main(['lint']))"
    )
    argv = [sys.executable, "-c", script]
    done = subprocess.run(
        argv, cwd=cir.folder, env=cir.environ | {"CIR_LOG": log}, capture_output=True, text=True
    )
    assert done.returncode == 70
    said = done.stderr.splitlines()
    assert said[-2:] == [
        "error: a fault of `cir` itself: LookupError: no idea",
        "hint: CIR_LOG=debug shows where; please report it",
    ]
    assert ("in broken" in done.stderr, "Traceback" in done.stderr) == ((log == "debug",) * 2)
    assert len(said) == 2 or log


def test_bash_completes(cir: Cir) -> None:
    script = cir("completion", "bash").stdout
    ask = "COMP_WORDS=(cir {words}); COMP_CWORD={n}; _cir; echo ${{COMPREPLY[*]}}"

    def complete(words: str, n: int) -> list[str]:
        done = subprocess.run(
            ["bash", "-c", script + "\n" + ask.format(words=words, n=n)],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert complete("l", 1) == ["lock", "lint"]
    assert complete("lint --j", 2) == ["--json"]
    assert "--push" in complete("build -", 2)
    assert complete("build x", 2) == []


def test_the_other_shells_name_every_command(cir: Cir) -> None:
    for shell in ("zsh", "fish"):
        script = cir("completion", shell).stdout
        assert all(command in script for command in COMMANDS)


def test_a_reader_that_goes_away(cir: Cir) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cirfile.cli", "completion", "fish"],
        cwd=cir.folder,
        env=cir.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1255, "1.25 kB"),
        (129_000_000, "129 MB"),
        (10**13, "10 TB"),
    ],
)
def test_sizes(amount: int, text: str) -> None:
    assert size(amount) == text


@given(st.lists(st.tuples(st.text("ab", max_size=5), st.text("cd", max_size=5)), max_size=4))
def test_tables_keep_their_columns(rows: list[tuple[str, str]]) -> None:
    lines = table(("x", "y"), rows).split("\n")
    assert len(lines) == len(rows) + 1
    width = max(1, *(len(first) for first, _ in rows)) if rows else 1
    for line, (first, second) in zip(lines[1:], rows, strict=True):
        assert line.rstrip() == f"{first.ljust(width)}  {second}".rstrip()


def test_the_wheel_names_the_command() -> None:
    assert 'cir = "cirfile.cli:main"' in Path(CHECKOUT, "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.ENOSPC, 75), (errno.EDQUOT, 75), (errno.EACCES, 77), (errno.EROFS, 77), (errno.EIO, 70)],
)
def test_errors_of_the_system_have_their_status(number: int, status: int) -> None:
    """As the table of the reference says."""

    def fail() -> int:
        raise OSError(number, os.strerror(number), "/x")

    assert guarded(fail) == status
