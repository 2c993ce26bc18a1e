"""The twin test over ``testdata/cases``: what has a golden plan gives the same image by both engines, too.

Names of bases and packages in them are examples. A base stands for each name, files are laid out for what is copied,
and locks are left out (`PIN latest`): applications have them (`test_twin.test_same_application`).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.twin.conftest import CHECKOUT, Contexts
from tests.twin.test_twin import Pair, pair, same  # noqa: F401

GOLDEN = CHECKOUT / "testdata/cases"
#: What is not built, and why.
LEFT_OUT = {
    "add-forms": "addresses on the web; `test_twin.test_same_fetched` builds them with servers that exist"
}
BASES = {
    "base:1": "@plain",
    "python:3.11": "python:3.11-slim",
    "python:3.12": "python:3.11-slim",
    "debian:12": "@plain",
    "r-base:4.4": "python:3.11-slim",
    "alpine:3": "debian:12-slim",
}
#: Those that say more about their base than its name.
RICHER = {"inheritance": "@rich", "workdirs": "@rich"}
FILES: dict[str, tuple[str, ...]] = {
    "as-the-stock-frontend": ("a1", "a2"),
    "base-folders-of-its-config": ("a",),
    "base-free": ("a", "run.sh", "tool", "app.conf", "settings.toml", "main.py"),
    "base-read": ("a", "dir/x", "sub/y"),
    "copy-forms": (
        *("a/f", "b1", "b2", "dir/f", "with blank", "c", "x", "pkg/a/m.py"),
        *("src/l.py", "src/l.pyc", "src/.git/config"),
    ),
    "escape": ("a", "b"),
    "expansion": ("app.tar",),
    "fastapi": ("api/main.py",),
    "inheritance": ("a",),
    "lower-case": ("a",),
    "sklearn": ("train.py",),
    "workdirs": ("x", "x.py"),
}


def cases() -> list[Path]:
    """The folders of all cases that are built."""
    return sorted(path for path in GOLDEN.iterdir() if path.name not in LEFT_OUT)


def text_of(folder: Path, bases: dict[str, str]) -> str:
    """The Cirfile with bases that exist, without a lock."""
    text = (folder / "Cirfile").read_bytes().decode("utf-8")
    named = {**BASES, **({"base:1": RICHER[folder.name]} if folder.name in RICHER else {})}
    for name, base in named.items():
        text = re.sub(rf"(?<![\w:.-]){re.escape(name)}(?![\w.-])", bases.get(base, base), text)
    if re.search(r"^REQUIRE ", text, re.MULTILINE) and not re.search(r"^PIN ", text, re.MULTILINE):
        text += "PIN latest\n"
    return text


def flags_of(folder: Path) -> list[str]:
    """What the request of a case says, as flags that both engines have."""
    path = folder / "request.json"
    request = json.loads(path.read_text()) if path.exists() else {}
    arguments = [f"--build-arg={name}={value}" for name, value in request.get("build_args", {}).items()]
    labels = [f"--label={name}={value}" for name, value in request.get("labels", {}).items()]
    platform = [f"--platform={request['platform']}"] if "platform" in request else []
    return [*arguments, *labels, *platform]


def context_of(folder: Path, bases: dict[str, str], contexts: Contexts) -> Path:
    """A build context of a case, with files for all that it copies."""
    given = {
        str(path.relative_to(folder / "context")): path.read_text()
        for path in (folder / "context").rglob("*")
        if path.is_file()
    }
    laid = {name: f"{name}\n" for name in FILES.get(folder.name, ())}
    context = contexts.make("", {**given, **laid})
    (context / "Cirfile").write_bytes(text_of(folder, bases).encode())
    return context


@pytest.mark.parametrize("folder", cases(), ids=lambda folder: folder.name)
def test_same_image(folder: Path, pair: Pair, bases: dict[str, str], contexts: Contexts) -> None:  # noqa: F811
    """File by file, byte by byte, as `test_twin.same` says."""
    same(*pair.build(context_of(folder, bases, contexts), *flags_of(folder)))


def test_every_case_is_here() -> None:
    names = {path.name for path in GOLDEN.iterdir()}
    assert names >= {*LEFT_OUT, *FILES, *RICHER}
    assert len(cases()) == len(names) - len(LEFT_OUT) >= 20
