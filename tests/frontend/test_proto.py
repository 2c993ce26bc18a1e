"""Our messages: generated from the present files, and the same numbers as the originals."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from frontend.proto import generate

ORIGINALS = {
    "gateway.proto": "frontend/gateway/pb/gateway.proto",
    "ops.proto": "solver/pb/ops.proto",
    "caps.proto": "util/apicaps/pb/caps.proto",
    "worker.proto": "api/types/worker.proto",
    "policy.proto": "sourcepolicy/pb/policy.proto",
}
#: Fields we call otherwise, because Python keeps the original word to itself.
RENAMED = {("Definition", 1): "def"}


def test_generated_modules_are_fresh(tmp_path: Path) -> None:
    generate.generate(tmp_path)
    for made in sorted((tmp_path / "frontend/proto").iterdir()):
        committed = generate.FOLDER / made.name
        assert committed.read_text() == made.read_text(), "run `python -m frontend.proto.generate`"


def fields(text: str) -> dict[str, dict[int, tuple[str, str]]]:
    """Return ``{message: {number: (type, name)}}`` of a file; values of enums have the type ``enum``."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\[[^\]]*\]", "", text)
    found: dict[str, dict[int, tuple[str, str]]] = {}
    scope: list[str] = []
    for found_token in re.findall(r"(?:message|enum|service|oneof)\s+\w+\s*\{|\}|[^;{}]+;|[^;{}]+\{", text):
        token = found_token.strip()
        head = re.match(r"(message|enum|oneof|service)\s+(\w+)", token)
        if token.endswith("{"):
            scope.append(head[2] if head and head[1] in ("message", "enum") else (scope[-1] if scope else ""))
        elif token == "}":
            scope.pop()
        else:
            field = re.match(r"\s*(?:([\w.<>, ]+?)\s+)?(\w+)\s*=\s*(\d+)\s*;", token)
            if field and scope and not token.strip().startswith("option"):
                kind = re.sub(r"\s+|\b[a-z][\w]*(?:\.[a-z]\w*)*\.(?=[A-Z])", "", field[1] or "enum")
                found.setdefault(scope[-1], {})[int(field[3])] = (kind, field[2])
    return found


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of BuildKit as Debian packages them with Docker."""
    folder = tmp_path_factory.mktemp("original")
    package = "golang-github-docker-docker-dev"
    assert shutil.which("apt-get"), "this test needs apt-get"
    subprocess.run(["apt-get", "download", package], cwd=folder, check=True, capture_output=True)
    archive = next(folder.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True)
    return folder / "usr/share/gocode/src/github.com/moby/buildkit"


@pytest.mark.engines
@pytest.mark.slow
@pytest.mark.parametrize("name", ORIGINALS)
def test_numbers_are_those_of_the_originals(name: str, originals: Path) -> None:
    path = originals / ORIGINALS[name]
    if name == "policy.proto" and not path.exists():
        assert not (originals / "sourcepolicy").exists(), "the package is older than source policies"
        return
    ours, theirs = fields((generate.FOLDER / name).read_text()), fields(path.read_text())
    shared = 0
    for message, numbers in ours.items():
        for number, (kind, field) in numbers.items():
            known = theirs.get(message, {}).get(number)
            if known is None:
                continue  # newer than the package
            shared += 1
            ours_named = (kind, RENAMED.get((message, number), field).lower())
            assert ours_named == (known[0], known[1].lower()), f"{message}.{number}"
    assert shared >= 3, "the two files have nothing in common; the comparison is broken"
