"""Layers and archives as trees: whiteouts, hard links, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from buildah_plugin import archives
from buildah_plugin.nodes import Content, File, Folder, Link, Special, TreeError
from buildah_plugin.paths import lookup, parts
from cirfile.cli.errors import CliError


def archive(*members: tuple[str, bytes, str]) -> bytes:
    """An archive of (name, type, content or target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = text if kind in (tarfile.LNKTYPE, tarfile.SYMTYPE) else ""
            data = text.encode() if kind == tarfile.REGTYPE else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def file(name: str, text: str = "") -> tuple[str, bytes, str]:
    return name, tarfile.REGTYPE, text


def names(folder: Folder, prefix: str = "") -> list[str]:
    found = []
    for name, node in folder.sorted():
        found.append(prefix + name)
        if isinstance(node, Folder):
            found += names(node, f"{prefix}{name}/")
    return found


def laid(tmp_path: Path, *layers: bytes) -> Folder:
    blobs = []
    for number, data in enumerate(layers):
        blobs.append(tmp_path / f"layer{number}")
        blobs[-1].write_bytes(data)
    return archives.layers(blobs)


def test_whiteouts(tmp_path: Path) -> None:
    """A whiteout takes away what is below, an opaque folder all of it, but not what its own layer brings."""
    below = archive(file("a/one"), file("a/two"), file("b/old"), file("b/sub/older"), file("c"))
    above = archive(file("a/.wh.one"), file("b/new"), file("b/.wh..wh..opq"), file(".wh.c"))
    assert names(laid(tmp_path, below, above)) == ["a", "a/two", "b", "b/new"]


def test_hard_link_is_the_same_file(tmp_path: Path) -> None:
    tree = laid(tmp_path, archive(file("a/one", "1"), ("two", tarfile.LNKTYPE, "a/one")))
    assert lookup(tree, parts("a/one")) is lookup(tree, ["two"])


def test_links_on_the_way_are_followed(tmp_path: Path) -> None:
    """`bin/x` of a layer above a linked `/bin` is a file of `usr/bin`, as when it is unpacked."""
    below = archive(file("usr/bin/sh"), ("bin", tarfile.SYMTYPE, "usr/bin"))
    assert "usr/bin/x" in names(laid(tmp_path, below, archive(file("bin/x"))))


@pytest.mark.parametrize("squeeze", [gzip.compress, bz2.compress, lzma.compress, lambda data: data])
def test_compressions(squeeze: Callable[[bytes], bytes], tmp_path: Path) -> None:
    assert names(laid(tmp_path, squeeze(archive(file("x"))))) == ["x"]
    packed = tmp_path / "packed"
    packed.write_bytes(squeeze(archive(file("x"))))
    assert archives.is_tar(str(packed))


def test_zstd_is_left_to_its_program(tmp_path: Path) -> None:
    """Without it, or where the file is not whole, that is said."""
    blob = tmp_path / "layer"
    blob.write_bytes(b"\x28\xb5\x2f\xfd rest")
    with pytest.raises((CliError, TreeError), match="zstd"):
        archives.layers([blob])
    assert list(tmp_path.iterdir()) == [blob]


#: A `zstd` that is slow. Its first run ends when the second has written a part, the second when the first was read.
SLOW_ZSTD = """#!/bin/sh
cd {place}
wait_for() {{ n=0; until [ -e "$1" ] || [ $n -gt 500 ]; do n=$((n+1)); sleep 0.02; done; }}
if mkdir first 2>/dev/null; then
    cat plain.tar; touch written; wait_for begun
else
    head -c 700 plain.tar; touch begun; wait_for read; tail -c +701 plain.tar
fi
"""


def test_one_zstd_layer_in_two_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds share the blobs, but none reads what another one is still uncompressing."""
    blobs, place = tmp_path / "blobs", tmp_path / "zstd"
    blobs.mkdir()
    place.mkdir()
    blob = blobs / "layer"
    blob.write_bytes(b"\x28\xb5\x2f\xfd rest")
    (place / "plain.tar").write_bytes(archive(file("x", "y" * 5000)))
    (place / "zstd").write_text(SLOW_ZSTD.format(place=place))
    (place / "zstd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(archives.layers, [blob])
        while not (place / "written").exists() and not first.done():
            time.sleep(0.01)
        second = threads.submit(archives.layers, [blob])
        try:
            assert names(first.result()) == ["x"]
        finally:
            (place / "read").touch()
        assert names(second.result()) == ["x"]
    assert list(blobs.iterdir()) == [blob]


def test_what_is_no_archive(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(gzip.compress(b"text"))
    assert not archives.is_tar(str(plain))
    assert not archives.is_tar(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (archive(file("../../etc/passwd")), "leads out"),
        (archive(("x", tarfile.LNKTYPE, "nothing")), "hard link"),
        (gzip.compress(archive(file("x", "y" * 5000)))[:60], "cannot be read"),
        (b"no archive at all" * 100, "cannot be read"),
    ],
    ids=["upwards", "link to nothing", "cut off", "no archive"],
)
def test_hostile_or_broken(data: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(TreeError, match=said):
        laid(tmp_path, data)


def damaged(at: int) -> bytes:
    data = bytearray(archive(file("a", "1"), file("b", "2"), file("c", "3")))
    data[at] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    "data", [damaged(1034), archive(file("a", "1"), file("b", "2"))[:1224]], ids=["flipped", "cut"]
)
def test_damage_behind_the_first_member_is_no_end(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="cannot be read"):
        laid(tmp_path, data)


def test_an_archive_leaves_the_folder_it_goes_into(tmp_path: Path) -> None:
    """`tar -C folder .` begins with that folder's own mode and owner."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind in (("./", tarfile.DIRTYPE), ("./a", tarfile.REGTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid = kind, 0o700, 5
            tar.addfile(info)
    (tmp_path / "app.tar").write_bytes(buffer.getvalue())
    (tmp_path / "spool").mkdir()
    root = Folder()
    root.entries["x"] = Folder(0o1777)
    archives.unpack(tmp_path / "app.tar", root, ["x"], tmp_path / "spool", None)
    made = root.entries["x"]
    assert isinstance(made, Folder)
    assert (made.mode, made.uid, list(made.entries)) == (0o1777, 0, ["a"])


def test_links_and_devices_may_have_several_names(tmp_path: Path) -> None:
    data = archive(
        ("l", tarfile.SYMTYPE, "target"), ("m", tarfile.LNKTYPE, "l"),
        ("p", tarfile.FIFOTYPE, ""), ("q", tarfile.LNKTYPE, "p"),
    )  # fmt: skip
    found = laid(tmp_path, data).entries
    assert isinstance(found["m"], Link)
    assert found["m"].target == "target"
    assert isinstance(found["q"], Special)


def test_content_of_layers_is_read_from_a_spool(tmp_path: Path) -> None:
    blob, spool = tmp_path / "layer", tmp_path / "spool"
    spool.mkdir()
    blob.write_bytes(gzip.compress(archive(file("a", "first"), file("b", "second"))))
    found = archives.layers([blob], spool).entries["b"]
    assert isinstance(found, File)
    assert found.content.read() == b"second"


def header(name: str, kind: bytes, size: int) -> bytes:
    """One header with a size that may be none."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT)[:512])
    block[124:136] = (size & (1 << 96) - 1).to_bytes(12, "big")
    block[124] |= 0x80
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (tarfile.REGTYPE, -512),
        (tarfile.XHDTYPE, -512),
        (tarfile.XHDTYPE, 8 << 30),
        (tarfile.GNUTYPE_LONGNAME, 8 << 30),
    ],
)
def test_sizes_that_cannot_be(tmp_path: Path, kind: bytes, size: int) -> None:
    """`tarfile` goes round and round for the one, and takes the other into memory."""
    data = archive(file("first", "x" * 512))[:1024] + header("second", kind, size) + bytes(4096)
    with pytest.raises(TreeError, match="cannot be read"):
        laid(tmp_path, data)
    (tmp_path / "hostile").write_bytes(header("first", kind, size) + bytes(4096))
    assert not archives.is_tar(str(tmp_path / "hostile"))


def test_names_that_lead_up_within_the_archive(tmp_path: Path) -> None:
    root = laid(tmp_path, archive(file("a/../b", "x"), file("./c/../d/e")))
    assert names(root) == ["b", "d", "d/e"]


def test_a_member_below_a_file(tmp_path: Path) -> None:
    """A layer takes the place of what is there; an archive that is added does not."""
    data = archive(file("x/y"))
    root = laid(tmp_path, archive(file("x")), data)
    assert names(root) == ["x", "x/y"]
    root = Folder()
    root.entries["x"] = File(Content.of(b""), 0o644)
    (tmp_path / "a.tar").write_bytes(data)
    (tmp_path / "spool").mkdir()
    with pytest.raises(TreeError, match="which is no folder"):
        archives.unpack(tmp_path / "a.tar", root, [], tmp_path / "spool", None)
