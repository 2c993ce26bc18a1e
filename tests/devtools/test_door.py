"""The command line of `./dev`: dispatch, messages, the environment it makes."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from devtools import main, paths, venv
from devtools.errors import DevError, tail

DEV = str(paths.CHECKOUT / "dev")


def dev(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `./dev` with nothing but these variables and a PATH."""
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **variables}
    return subprocess.run([DEV, *arguments], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_names_every_command(arguments: list[str]) -> None:
    done = dev(*arguments)
    assert done.returncode == 0
    for name, _, help_line in main.COMMANDS:
        assert name in done.stdout
        assert " ".join(help_line.split()[:2]) in " ".join(done.stdout.split())


@pytest.mark.parametrize(("command", "expected"), [("engines", "status"), ("exec", "--user")])
def test_help_of_a_command_shows_its_options(command: str, expected: str) -> None:
    done = dev(command, "--help")
    assert done.returncode == 0
    assert expected in done.stdout


@pytest.mark.parametrize("arguments", [["nonsense"], ["engines"], ["engines", "sideways"]])
def test_wrong_use_is_told_in_one_place(arguments: list[str]) -> None:
    done = dev(*arguments)
    assert done.returncode == 2
    assert "usage: dev" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--rounds", "0"], 2, "`0` is no number of samples"),
        (["--only", "nothing"], 2, "invalid choice: 'nothing'"),
        (["--only", "warm", "twin"], 1, "`twin` is measured alone"),
        (["--only", "warm", "--quick"], 1, "`--quick` is for the comparison"),
        (["--only", "warm", "--link", "100"], 1, "`--link` is for the comparison"),
    ],
)
def test_benchmarks_that_do_not_go_together(
    tmp_path: Path, arguments: list[str], status: int, told: str
) -> None:
    """It is said before anything is brought up."""
    done = dev("bench", *arguments, CIR_DEV_CACHE=str(tmp_path / "none"))
    assert done.returncode == status
    assert told in done.stderr
    assert not (tmp_path / "none").exists()


def test_status_of_a_cache_without_engines(tmp_path: Path) -> None:
    done = dev("engines", "status", CIR_DEV_CACHE=str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, "down\n")
    assert not (tmp_path / "none").exists(), "asking leaves nothing behind"


def test_commands_other_than_root_are_told_so() -> None:
    """As an account without rights, from a folder that it may read: the checkout may be in another one's home."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        shown = Path(name)
        shown.chmod(0o755)
        shutil.copytree(paths.CHECKOUT / "devtools", shown / "devtools")
        _told(shown)


def _told(checkout: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from devtools.main import main; sys.exit(main())"
    )
    argv = ["python3", "-c", script, str(checkout), "exec", "--", "true"]
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    done = subprocess.run(
        [*drop, *argv],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/tmp"},
        cwd="/tmp",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("dev: error: the test engines need root")
    assert "hint: run as root or with sudo" in done.stderr


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DevError("it broke"), "error: it broke"),
        (DevError("it broke", "no disk"), "error: it broke: no disk"),
        (DevError("it broke", "last lines:\nx"), "error: it broke\n    last lines:\n    x"),
        (DevError("it broke", "no disk", "buy one"), "error: it broke: no disk\nhint: buy one"),
    ],
)
def test_error_text(error: DevError, expected: str) -> None:
    assert str(error) == expected


def test_tail(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert tail(log, 2) == "line 98\nline 99"
    assert tail(tmp_path / "none") == "(no log)"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HOME": "/home/a"}, "/home/a/.cache/cir-dev"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "/var/c"}, "/var/c/cir-dev"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": ""}, "/home/a/.cache/cir-dev"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "/var/c", "CIR_DEV_CACHE": "/mine"}, "/mine"),
        ({"HOME": "/home/a", "CIR_DEV_CACHE": "~/mine"}, "/home/a/mine"),
    ],
)
def test_cache_folder(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "CIR_DEV_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert paths.cache() == Path(expected)
    for folder in (paths.engines(), paths.bases(), paths.venvs()):
        assert folder.parent == paths.cache()


PROJECT: dict[str, Any] = {
    "project": {
        "name": "thing",
        "dependencies": ["a>=1"],
        "optional-dependencies": {
            "net": ["b"],
            "more": ["thing[net]", "c"],
            "dev": ["thing[more,net]", "d==2", "thing-other"],
        },
    }
}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("net", ["a>=1", "b"]),
        ("more", ["a>=1", "b", "c"]),
        ("dev", ["a>=1", "b", "c", "d==2", "thing-other"]),
    ],
)
def test_requirements_follow_extras(extra: str, expected: list[str]) -> None:
    assert venv.requirements(PROJECT, extra) == expected


def test_environment_is_found_again() -> None:
    """The environment that runs these tests is the one of pyproject.toml: making sure of it takes no work."""
    home = venv.ensure()
    python = home / "bin/python"
    script = "import pytest, mypy, packaging"
    assert subprocess.run([python, "-c", script], capture_output=True).returncode == 0
    assert venv.ensure() == home


@pytest.mark.slow
def test_failure_to_make_an_environment_shows_the_log(tmp_path: Path) -> None:
    with pytest.raises(DevError) as caught:
        venv.make(tmp_path / "env", ["no such requirement!"])
    assert "no such requirement" in caught.value.cause
    assert not (tmp_path / "env/.complete").exists()
