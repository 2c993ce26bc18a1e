"""Builds by our frontend on real Docker: arguments, contexts, ignore files, caches, reproducibility."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import re
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from devtools.docker import Docker, certificate_secret
from tests.e2e.conftest import Build, Built
from tests.support.ocitree import Image

APP = """FROM debian:12-slim
WORKDIR /app
COPY main.py ./
CMD ["cat", "main.py"]
"""
FILES: dict[str, object] = {"main.py": "print('hello')\n"}
LOCKED = "FROM python:3.11-slim\nREQUIRE pypi six==1.17.0\nCOPY main.py /app/\n"


def only(built: Built) -> Image:
    (image,) = built.images.values()
    return image


def digests(image: Image) -> list[str]:
    return [digest for digest, _ in image.layers]


def times(built: Built) -> set[float]:
    """Return the modification times of everything in the application's layer."""
    digest = digests(only(built))[-1]
    with tarfile.open(fileobj=io.BytesIO(built.archive)) as archive:
        blob = archive.extractfile("blobs/" + digest.replace(":", "/"))
        assert blob is not None
        with tarfile.open(fileobj=io.BytesIO(blob.read())) as layer:
            return {member.mtime for member in layer}


def test_build_arguments_labels_and_target(build: Build) -> None:
    text = "ARG TAG=none\nFROM debian:${TAG} AS app\nARG WHO=nobody\nLABEL who=$WHO kept=1\n"
    flags = (
        "--build-arg=TAG=12-slim",
        "--build-arg=WHO=me",
        "--label=new=x",
        "--label=kept=2",
        "--target=app",
    )
    labels = only(build(text, {}, *flags)).config["config"]["Labels"]
    assert (labels["who"], labels["new"], labels["kept"]) == ("me", "x", "2")


def test_another_target_is_an_error(build: Build) -> None:
    built = build("FROM debian:12-slim AS app\n", {}, "--target=other", ok=False)
    assert built.status != 0
    assert "there is no stage `other`" in built.talk


def test_the_base_is_not_pulled_and_layers_are_kept(build: Build) -> None:
    built = build(APP, FILES)
    assert "unpacking" not in built.talk
    layers = digests(only(built))
    again = digests(only(build(APP, {"main.py": "other\n"})))
    assert layers[:-1] == again[:-1]
    assert layers[-1] != again[-1]


def test_named_contexts(build: Build, tmp_path: Path, registry: str) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "data").write_text("from a folder\n")
    (tmp_path / "extra" / ".dockerignore").write_text("hidden\n")
    (tmp_path / "extra" / "hidden").write_text("")
    text = "FROM scratch\nCOPY --from=extra / /extra/\nCOPY --from=tools /etc/os-release /tools/\n"
    flags = (
        f"--build-context=extra={tmp_path / 'extra'}",
        "--build-context=tools=docker-image://debian:12-slim",
    )
    tree = only(build(text, {}, *flags)).tree
    assert "extra/data" in tree
    assert "tools/os-release" in tree
    assert "extra/hidden" not in tree


def test_a_named_context_replaces_the_base(build: Build) -> None:
    image = only(
        build(
            "FROM nonesuch.invalid/base:1\n",
            {},
            "--build-context=nonesuch.invalid/base:1=docker-image://debian:12-slim",
        )
    )
    assert image.config["config"]["Cmd"] == ["bash"]


def test_copy_from_an_image(build: Build) -> None:
    tree = only(build("FROM scratch\nCOPY --from=debian:12-slim /etc/os-release /x/\n", {})).tree
    assert "x/os-release" in tree


@pytest.mark.parametrize("name", [".dockerignore", "Cirfile.dockerignore"])
def test_ignore_files(build: Build, name: str) -> None:
    files = {"main.py": "", "secret/key": "", "a.tmp": "", "keep.tmp": "", name: "secret\n*.tmp\n!keep.tmp\n"}
    tree = only(build("FROM scratch\nCOPY . /app/\n", files)).tree
    assert "app/keep.tmp" in tree
    assert "app/main.py" in tree
    assert not {"app/secret/key", "app/a.tmp"} & set(tree)


def test_a_git_context(docker: Docker, frontend_ref: str, tmp_path: Path) -> None:
    repository = tmp_path / "repo"
    repository.mkdir()
    (repository / "Cirfile").write_text("FROM scratch\nCOPY main.py /\n")
    (repository / "main.py").write_text("x\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["commit", "-qm", "m"],
        ["update-server-info"],
    ):
        subprocess.run([*git, *arguments], cwd=repository, check=True)
    bare = tmp_path / "www" / "app.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(bare)], check=True)
    subprocess.run(["git", "update-server-info"], cwd=bare, check=True)
    with serving(tmp_path / "www") as address:
        done = docker.run(
            "buildx", "build", "--progress=plain", "-f", "Cirfile",
            f"--build-arg=BUILDKIT_SYNTAX={frontend_ref}",
            "--output", f"type=local,dest={tmp_path / 'out'}",
            f"{address}/app.git#main", check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "main.py").read_text() == "x\n"


def test_a_remote_cirfile_and_archive(docker: Docker, frontend_ref: str, tmp_path: Path) -> None:
    www = tmp_path / "www"
    www.mkdir()
    (tmp_path / "Cirfile").write_text("FROM scratch\nCOPY main.py /\n")
    (tmp_path / "main.py").write_text("y\n")
    subprocess.run(
        ["tar", "-C", str(tmp_path), "-czf", str(www / "context.tar.gz"), "Cirfile", "main.py"], check=True
    )
    with serving(www) as address:
        done = docker.run(
            "buildx", "build", "--progress=plain", "-f", "Cirfile",
            f"--build-arg=BUILDKIT_SYNTAX={frontend_ref}",
            "--output", f"type=local,dest={tmp_path / 'out'}", f"{address}/context.tar.gz", check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "main.py").read_text() == "y\n"


class serving:  # noqa: N801
    """Serve a folder over HTTP on loopback while the block runs."""

    def __init__(self, folder: Path) -> None:
        handler = functools.partial(_Quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def test_add_from_an_address_with_checksum(build: Build, tmp_path: Path) -> None:
    www = tmp_path / "www"
    www.mkdir()
    (www / "file.txt").write_text("remote\n")
    digest = hashlib.sha256(b"remote\n").hexdigest()
    with serving(www) as address:
        good = f"FROM scratch\nADD --checksum=sha256:{digest} {address}/file.txt /x/\n"
        assert "x/file.txt" in only(build(good, {})).tree
        bad = build(good.replace(digest, "0" * 64), {}, ok=False)
    assert bad.status != 0
    assert "2 | >>> ADD" in bad.talk


def test_the_lock_is_cached(build: Build) -> None:
    first = build(LOCKED, FILES)
    assert "[lock] resolve 1 pypi requirement" in first.talk
    second = build(LOCKED, {"main.py": "changed\n"})
    assert step(second.talk, r"\[lock\] resolve").endswith("CACHED")
    assert (
        only(first).config["config"]["Labels"]["cir.manifest"]
        == only(second).config["config"]["Labels"]["cir.manifest"]
    )
    third = build(LOCKED, FILES, "--no-cache")
    assert not step(third.talk, r"\[lock\] resolve").endswith("CACHED")


def step(talk: str, pattern: str) -> str:
    """Return all lines of the progress of one step."""
    number = re.search(rf"^#(\d+) {pattern}", talk, re.MULTILINE)
    assert number, talk
    return "\n".join(line for line in talk.splitlines() if line.startswith(f"#{number[1]} "))


def test_cache_export_and_import(build: Build, docker: Docker, registry: str) -> None:
    name = f"{registry}/test/frontend-cache:1"
    build(LOCKED, FILES, f"--cache-to=type=registry,ref={name},mode=max")
    again = build(LOCKED, FILES, f"--cache-from=type=registry,ref={name}")
    assert "importing cache manifest" in again.talk


def test_equal_inputs_give_equal_images(build: Build) -> None:
    files: dict[str, object] = {
        "b": "1",
        "a/c": "2",
        "a/d": ("link", "c"),
        "x.sh": ("file", "#!/bin/sh\n", 0o755),
    }
    text = "FROM debian:12-slim\nWORKDIR /app\nCOPY . .\nCOPY a /opt/deep/er/\n"
    built = [build(text, dict(order), "--no-cache") for order in (files.items(), reversed(files.items()))]
    assert only(built[0]).config == only(built[1]).config
    assert digests(only(built[0])) == digests(only(built[1]))
    assert times(built[0]) == {315532800}
    dated = build(text, files, "--build-arg=SOURCE_DATE_EPOCH=1000000000")
    assert times(dated) == {1000000000}
    assert only(dated).config["created"] == "2001-09-09T01:46:40Z"


def test_provenance_and_bill_of_materials(
    docker: Docker, frontend_ref: str, registry: str, tmp_path: Path
) -> None:
    (tmp_path / "Cirfile").write_text(LOCKED)
    (tmp_path / "main.py").write_text("")
    name = f"{registry}/test/attested:1"
    docker.run(
        "buildx", "build", "-f", str(tmp_path / "Cirfile"), f"--build-arg=BUILDKIT_SYNTAX={frontend_ref}",
        "--provenance=mode=max", "--sbom=true", "--push", "-t", name, *certificate_secret(), str(tmp_path),
    )  # fmt: skip
    done = docker.run("buildx", "imagetools", "inspect", name, "--format", "{{json .SBOM}}")
    packages = json.loads(done.stdout)["SPDX"]["packages"]
    assert [package["name"] for package in packages] == ["six"]
    done = docker.run("buildx", "imagetools", "inspect", name, "--format", "{{json .Provenance}}")
    assert "SLSA" in json.loads(done.stdout)
