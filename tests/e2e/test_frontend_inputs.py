"""Where Cirfile, context and base come from: standard input, repositories, addresses, image layouts, a newer tag."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devtools.docker import Docker
from tests.e2e.conftest import Build, lay_out
from tests.support import ocitree
from tests.support.web import serving

TEXT = "FROM scratch\nCOPY main.py /\n"
FILES: dict[str, object] = {"Cirfile": TEXT, "main.py": "y\n", "sub/Cirfile": TEXT, "sub/main.py": "sub\n"}

#: Build to a folder; the arguments are those behind the flags, and what comes on standard input.
Out = Callable[..., Path]


@pytest.fixture
def out(docker: Docker, frontend_ref: str, tmp_path: Path) -> Out:
    """Build with our frontend and return the folder with the files of the image."""

    def run(*arguments: str, data: bytes = b"") -> Path:
        folder = tmp_path / "out"
        argv = docker.argv(
            "buildx", "build", "--progress=plain", f"--build-arg=BUILDKIT_SYNTAX={frontend_ref}",
            "--output", f"type=local,dest={folder}", *arguments,
        )  # fmt: skip
        done = subprocess.run(argv, input=data, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return folder

    return run


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A folder with a Cirfile and one file, and the same once more in `sub`."""
    folder = tmp_path / "context"
    folder.mkdir()
    lay_out(folder, FILES)
    return folder


@pytest.fixture
def www(context: Path, tmp_path: Path) -> Iterator[str]:
    """A web server with the folder as the repository `app.git` and as an archive, and with the Cirfile."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "m"]):
        subprocess.run([*git, *arguments], cwd=context, check=True)
    folder = tmp_path / "www"
    folder.mkdir()
    subprocess.run(["git", "clone", "-q", "--bare", str(context), str(folder / "app.git")], check=True)
    subprocess.run(["git", "update-server-info"], cwd=folder / "app.git", check=True)
    (folder / "context.tar.gz").write_bytes(archive("w:gz"))
    (folder / "Cirfile").write_text("FROM scratch\nCOPY <<EOF /remote\nfrom afar\nEOF\n")
    with serving(folder) as address:
        yield address


def archive(mode: str) -> bytes:
    """The folder as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(str(content))
            tar.addfile(info, io.BytesIO(str(content).encode()))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("place", "content"),
    [
        ("app.git#main", "y\n"),
        ("app.git#main:sub", "sub\n"),
        ("app.git?branch=main&subdir=sub", "sub\n"),
        ("context.tar.gz", "y\n"),
    ],
)
def test_a_remote_context(place: str, content: str, out: Out, www: str) -> None:
    """A repository, a folder of it in both notations, an archive."""
    assert (out("-f", "Cirfile", f"{www}/{place}") / "main.py").read_text() == content


def test_a_remote_cirfile_alone(out: Out, www: str) -> None:
    """An address that holds no archive is the Cirfile."""
    assert (out(f"{www}/Cirfile") / "remote").read_text() == "from afar\n"


def test_a_remote_cirfile_for_a_folder(out: Out, www: str, context: Path) -> None:
    """`-f ADDRESS` with a context of the client."""
    assert (out("-f", f"{www}/Cirfile", str(context)) / "remote").read_text() == "from afar\n"


def test_a_cirfile_on_standard_input(out: Out, context: Path) -> None:
    """`-f -`: the text comes from there, the files from the folder."""
    made = out("-f", "-", str(context), data=b"FROM scratch\nCOPY sub/main.py /piped\n")
    assert (made / "piped").read_text() == "sub\n"


def test_nothing_but_a_cirfile_on_standard_input(out: Out) -> None:
    """`-` without an archive is a Cirfile without a context."""
    assert (out("-", data=b"FROM scratch\nCOPY <<E /alone\n1\nE\n") / "alone").read_text() == "1\n"


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_on_standard_input(mode: str, out: Out) -> None:
    """`-` with an archive is Cirfile and context."""
    assert (out("-f", "sub/Cirfile", "-", data=archive(mode)) / "main.py").read_text() == "y\n"


def test_an_oci_layout_as_the_base(build: Build, tmp_path: Path) -> None:
    """An image in a folder stands in for the base: its files, its configuration."""
    base = build("FROM scratch\nCOPY a /from-layout\nENV BASE=layout\n", {"a": ""}, frontend=None)
    with tarfile.open(fileobj=io.BytesIO(base.archive)) as tar:
        tar.extractall(tmp_path / "layout", filter="data")
    flag = f"--build-context=given=oci-layout://{tmp_path}/layout@{ocitree.digest(base.archive)}"
    image = build("FROM given\nCOPY a /own\n", {"a": ""}, flag).image
    assert {"from-layout", "own"} <= set(image.tree)
    assert "BASE=layout" in image.config["config"]["Env"]
    assert image.layers[0] == base.image.layers[0]
