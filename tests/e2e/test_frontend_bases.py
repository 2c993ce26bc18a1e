"""What a base or a context brings along below ``/.cir`` never takes the place of the shim."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from devtools.docker import Docker
from tests.e2e.conftest import Build

OWN = {"main.py": "print('started')\n", ".cir/shim": "#!/bin/false\n", ".cir/extra": "x"}
RUN = 'CMD ["python3", "/main.py"]\n'


@pytest.fixture(scope="module")
def made(docker: Docker) -> Iterator[list[str]]:
    """Names of images that the tests make, taken away in the end."""
    names: list[str] = []
    yield names
    docker.run("rmi", "-f", *names, check=False)


def load(build: Build, made: list[str], text: str, files: dict[str, object] | None = None) -> str:
    """Build and load an image; return its name."""
    made.append(f"localhost/test/bases:{uuid.uuid4().hex[:8]}")
    build(text, files or {}, "-t", made[-1], "--load")
    return made[-1]


@pytest.mark.parametrize(
    "copy", ["COPY . /\n", "COPY --link . /\n", "COPY main.py /\nCOPY .cir/shim /opt/\nCOPY .* /\n"]
)
def test_a_context_with_a_folder_of_our_name(
    copy: str, build: Build, docker: Docker, made: list[str]
) -> None:
    """The shim stays what it is, and nothing of the context's folder is in the image."""
    name = load(build, made, f"FROM python:3.11-slim\n{copy}{RUN}", dict(OWN))
    assert docker.run("run", "--rm", name).stdout == "started\n"
    done = docker.run("run", "--rm", name, "python3", "-c", "import os; print(os.listdir('/.cir'))")
    assert "extra" not in done.stdout


def test_the_files_of_another_such_image(build: Build, docker: Docker, made: list[str]) -> None:
    """All files of an image made from a Cirfile can be taken; its shim, manifest and lock stay behind."""
    other = load(build, made, "FROM python:3.11-slim\nREQUIRE pypi six\nCOPY main.py /\n", dict(OWN))
    name = load(build, made, f"FROM scratch\nCOPY --from={other} / /\n{RUN}")
    assert docker.run("run", "--rm", name).stdout == "started\n"
    manifest = docker.run("run", "--rm", name, "python3", "-c", "print(open('/.cir/cir.json').read())").stdout
    assert "six" not in manifest


def test_such_an_image_is_no_base(build: Build, made: list[str]) -> None:
    """Its requirements would be lost without a word; the way out is said."""
    base = load(build, made, "FROM python:3.11-slim\nREQUIRE pypi six\n")
    built = build(f"FROM {base}\nREQUIRE pypi idna\n", ok=False)
    assert built.status != 0
    assert f"1 | >>> FROM {base}" in built.talk
    assert "made from a Cirfile itself" in built.talk
    assert f"COPY --from={base} /app /app" in built.talk
