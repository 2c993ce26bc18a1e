"""What the command line and the working folder tell of the application."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from shim import application
from shim.provider import Hint


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
        (folder / name.replace("__", "/")).write_text(text)


def names(hint: Hint, folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in hint.files]


def test_named_files_come_first(folder: Path) -> None:
    for name in (
        "a.py",
        "main",
        "b/c.py",
        "b/tests/t.py",
        ".hidden/h.py",
        "b/d/e.py",
        "b/d/f/too_deep.py",
        "data.csv",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert names(application.hint(["python", "main"]), folder) == ["main", "a.py", "b/c.py", "b/d/e.py"]
    assert names(application.hint(["uvicorn", "b.c:app"]), folder)[0] == "b/c.py"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("run.sh", "#!/bin/sh\nexec /usr/bin/gunicorn app:app --bind :80\n", True),
        ("run", "#!/usr/bin/env bash\ngunicorn app:app\n", True),
        ("main.py", "import subprocess\nsubprocess.run(['gunicorn', 'app'])\n", True),
        ("main.py", 'os.system("gunicorn app")\n', True),
        ("main", "#!/usr/bin/env python3\nsubprocess.run(['/opt/bin/gunicorn'])\n", True),
        ("main.py", "import gunicorn  # gunicorn\n", False),
        ("main.py", "print('my gunicorn')\n", False),
        ("data", "gunicorn\n", False),
    ],
)  # fmt: skip
def test_programs_that_files_start(folder: Path, name: str, text: str, found: bool) -> None:
    (folder / name).write_text(text)
    assert ("gunicorn" in application.hint([f"./{name}"]).words) == found


def test_programs_and_modules_of_the_command_line() -> None:
    assert "uvicorn" in application.hint(["/usr/bin/uvicorn", "app:app"]).words
    assert "uvicorn" in application.hint(["sh", "-c", "exec uvicorn app:app"]).words
    assert application.hint(["python", "-m", "uvicorn", "app:app"]).modules == ("uvicorn",)
    assert application.hint(["python", "-m", "not\na module", "-m"]).modules == ()


def test_no_text_takes_long(folder: Path) -> None:
    (folder / "main.py").write_text("'" + "a/" * 100_000 + "\n" + "'" * 50_000)
    began = time.process_time()
    application.hint(["./main.py"])
    assert time.process_time() - began < 2


def test_a_folder_of_data_is_not_read_to_its_end(folder: Path) -> None:
    """Below the working folder may lie a million samples, on a slow server."""
    write(folder, main="#!/usr/bin/env python3\n")
    for number in range(3000):
        (folder / f"data/{number:05}").mkdir(parents=True)
        os.mknod(folder / f"data/{number:05}/sample.py")
    began = time.perf_counter()
    found = application.hint(["./main"])
    assert names(found, folder)[0] == "main"
    assert len(found.files) <= application._MOST
    listed: list[object] = []
    real = os.scandir
    os.scandir = lambda place: listed.append(place) or real(place)  # type: ignore[assignment, func-returns-value]
    try:
        application.hint(["./main"])
    finally:
        os.scandir = real
    assert len(listed) < 1500, f"{len(listed)} folders were listed in {time.perf_counter() - began:.1f} s"
