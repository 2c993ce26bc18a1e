"""Archives of any tree: read back by Python's reader, they hold that tree, in order, and always the same bytes."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildah_plugin import archives, tar
from buildah_plugin.nodes import Content, File, Folder, Link, Node, TreeError

_NAMES = st.one_of(
    st.text(alphabet="abcé .-_", min_size=1, max_size=6).filter(lambda name: name not in (".", "..")),
    st.text(alphabet="xyz", min_size=90, max_size=130),
)
_IDS = st.one_of(st.integers(0, 70000), st.integers(2**21 - 2, 2**21 + 2))
_MODES = st.integers(0, 0o7777)
_FILES = st.builds(
    lambda data, mode, uid: File(Content.of(data), mode, uid, uid), st.binary(max_size=700), _MODES, _IDS
)
_LINKS = st.builds(Link, st.text(alphabet="ab/é", min_size=1, max_size=120), _IDS, _IDS)


def _folder(entries: dict[str, Node], mode: int, uid: int) -> Folder:
    folder = Folder(mode, uid, uid)
    folder.entries.update(entries)
    return folder


_TREES = st.recursive(
    st.one_of(_FILES, _LINKS),
    lambda inner: st.builds(_folder, st.dictionaries(_NAMES, inner, max_size=4), _MODES, _IDS),
    max_leaves=12,
)
_ROOTS = st.builds(_folder, st.dictionaries(_NAMES, _TREES, max_size=5), _MODES, _IDS)


def written(tree: Folder, when: int = 315532800) -> bytes:
    out = io.BytesIO()
    tar.write(tree, out, when)
    return out.getvalue()


def expected(folder: Folder, prefix: str = "") -> list[tuple[object, ...]]:
    """What a reader is to find."""
    found: list[tuple[object, ...]] = []
    for name, node in folder.sorted():
        path = prefix + name
        if isinstance(node, Folder):
            found += [(path, "folder", node.mode, node.uid, b""), *expected(node, path + "/")]
        elif isinstance(node, Link):
            found.append((path, "link", 0o777, node.uid, node.target))
        elif isinstance(node, File):
            found.append((path, "file", node.mode, node.uid, node.content.read()))
    return found


def read(archive: bytes) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as reader:
        for member in reader:
            assert member.mtime == 315532800
            kind = "folder" if member.isdir() else "link" if member.issym() else "file"
            stream = reader.extractfile(member) if member.isfile() else None
            content: object = stream.read() if stream else member.linkname if member.issym() else b""
            found.append((member.name, kind, member.mode, member.uid, content))
    return found


@settings(max_examples=150, deadline=None)
@given(_ROOTS)
def test_what_is_written_is_read(tree: Folder) -> None:
    archive = written(tree)
    assert len(archive) % tar.BLOCK == 0
    assert read(archive) == expected(tree)
    assert written(tree) == archive


def test_hard_links() -> None:
    """One file in two places is content once and a link after."""
    tree, shared = Folder(), File(Content.of(b"x" * 600), 0o644)
    tree.entries.update(b=shared, a=shared)
    with tarfile.open(fileobj=io.BytesIO(written(tree))) as reader:
        assert [(m.name, m.type, m.linkname, m.size) for m in reader] == [
            ("a", tarfile.REGTYPE, "", 600),
            ("b", tarfile.LNKTYPE, "a", 0),
        ]


def test_only_what_is_fresh() -> None:
    """Of a base only the folders that lead to something new are written, with their own metadata."""
    tree = Folder(fresh=False)
    old, quiet = Folder(0o750, 7, 8, fresh=False), Folder(fresh=False)
    old.entries.update(kept=File(Content(5), 0o644, fresh=False), new=File(Content.of(b"n"), 0o600))
    tree.entries.update(old=old, quiet=quiet)
    out = io.BytesIO()
    tar.write(tree, out, 0, fresh_only=True)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as reader:
        assert [(m.name, m.mode, m.uid, m.gid) for m in reader] == [
            ("old", 0o750, 7, 8),
            ("old/new", 0o600, 0, 0),
        ]


def test_large_file_size_is_a_record() -> None:
    """8 GiB do not fit into a header: checked on the header alone."""
    header = tar._Header(b"big", 0o644, 0, 0, 8 << 30, 0, b"0")
    assert tar._records(header) == b"19 size=8589934592\n"


def test_layers_round_trip(tmp_path: object) -> None:
    """What is written is a layer that the reader of bases understands."""
    from pathlib import Path

    blob = Path(str(tmp_path)) / "layer"
    tree = Folder()
    tree.entries["etc"] = _folder({"passwd": File(Content.of(b"root:x:0:0::/:\n"), 0o644)}, 0o755, 0)
    blob.write_bytes(written(tree))
    found = archives.layers([blob])
    assert expected(found) == expected(tree)
    assert not found.entries["etc"].fresh


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", ".cir\0x"])
def test_what_is_no_name_is_not_written(name: str) -> None:
    """Readers would take it for another one, or for a way out."""
    root = Folder()
    root.entries[name] = File(Content.of(b""), 0o644)
    with pytest.raises(TreeError, match="is no name"):
        tar.write(root, io.BytesIO(), 0)
