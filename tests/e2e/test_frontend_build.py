"""Builds by our frontend on real Docker: arguments, contexts, ignore files, caches, reproducibility."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tests.e2e.conftest import Build, Built
from tests.support.ocitree import Image
from tests.support.web import serving

APP = """FROM debian:12-slim
WORKDIR /app
COPY main.py ./
CMD ["cat", "main.py"]
"""
FILES: dict[str, object] = {"main.py": "print('hello')\n"}


def digests(image: Image) -> list[str]:
    return [digest for digest, _ in image.layers]


def times(built: Built) -> set[float]:
    """Return the modification times of everything in the application's layer."""
    digest = digests(built.image)[-1]
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
    labels = build(text, {}, *flags).image.config["config"]["Labels"]
    assert (labels["who"], labels["new"], labels["kept"]) == ("me", "x", "2")


def test_another_target_is_an_error(build: Build) -> None:
    built = build("FROM debian:12-slim AS app\n", {}, "--target=other", ok=False)
    assert built.status != 0
    assert "there is no stage `other`" in built.talk


def test_a_changed_file_changes_one_layer(build: Build) -> None:
    layers = digests(build(APP, FILES).image)
    again = digests(build(APP, {"main.py": "other\n"}).image)
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
    tree = build(text, {}, *flags).image.tree
    assert "extra/data" in tree
    assert "tools/os-release" in tree
    assert "extra/hidden" not in tree


def test_a_named_context_replaces_the_base(build: Build) -> None:
    flag = "--build-context=nonesuch.invalid/base:1=docker-image://debian:12-slim"
    image = build("FROM nonesuch.invalid/base:1\n", {}, flag).image
    assert image.config["config"]["Cmd"] == ["bash"]


def test_copy_from_an_image(build: Build) -> None:
    tree = build("FROM scratch\nCOPY --from=debian:12-slim /etc/os-release /x/\n", {}).image.tree
    assert "x/os-release" in tree


@pytest.mark.parametrize("name", [".dockerignore", "Cirfile.dockerignore"])
def test_ignore_files(build: Build, name: str) -> None:
    files = {"main.py": "", "secret/key": "", "a.tmp": "", "keep.tmp": "", name: "secret\n*.tmp\n!keep.tmp\n"}
    tree = build("FROM scratch\nCOPY . /app/\n", files).image.tree
    assert "app/keep.tmp" in tree
    assert "app/main.py" in tree
    assert not {"app/secret/key", "app/a.tmp"} & set(tree)


def test_add_from_an_address_with_checksum(build: Build, tmp_path: Path) -> None:
    www = tmp_path / "www"
    www.mkdir()
    (www / "file.txt").write_text("remote\n")
    digest = hashlib.sha256(b"remote\n").hexdigest()
    with serving(www) as address:
        good = f"FROM scratch\nADD --checksum=sha256:{digest} {address}/file.txt /x/\n"
        assert "x/file.txt" in build(good, {}).image.tree
        bad = build(good.replace(digest, "0" * 64), {}, ok=False)
    assert bad.status != 0
    assert "2 | >>> ADD" in bad.talk


def test_equal_inputs_give_equal_images(build: Build) -> None:
    files: dict[str, object] = {
        "b": "1",
        "a/c": "2",
        "a/d": ("link", "c"),
        "x.sh": ("file", "#!/bin/sh\n", 0o755),
    }
    text = "FROM musl:1\nWORKDIR /app\nCOPY . .\nCOPY a /opt/deep/er/\n"
    built = [build(text, dict(order), "--no-cache") for order in (files.items(), reversed(files.items()))]
    assert built[0].image.config == built[1].image.config
    assert digests(built[0].image) == digests(built[1].image)
    assert times(built[0]) == {315532800}
    dated = build(text, files, "--build-arg=SOURCE_DATE_EPOCH=1000000000")
    assert times(dated) == {1000000000}
    assert dated.image.config["created"] == "2001-09-09T01:46:40Z"


def test_copy_with_parents(build: Build) -> None:
    """`--parents` keeps the folders of a source, from `/./` on; the stock frontend cannot be asked yet."""
    files: dict[str, object] = {"a.txt": "a", "sub/deep/d.py": "d", "sub/deep/e.txt": "e"}
    text = "FROM scratch\nCOPY --parents sub/deep/d.py a.txt /p/\nCOPY --parents ./sub/./deep /q/\n"
    tree = build(text, files).image.tree
    found = {path for path, entry in tree.items() if entry.kind == "file" and path[0] != "."}
    assert found == {"p/sub/deep/d.py", "p/a.txt", "q/deep/d.py", "q/deep/e.txt"}


def test_pull(build: Build) -> None:
    """`--pull` looks for a newer base; frontend and shim may be on this machine only."""
    assert build("FROM musl:1\nCOPY main.py /app/\n", FILES, "--pull").image.tree["app/main.py"]
