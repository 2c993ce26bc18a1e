"""Copies between trees; the twin test compares them with BuildKit, here are the corners it does not reach."""

from __future__ import annotations

import pytest

from buildah_plugin.copier import Rules, copy
from buildah_plugin.nodes import Content, File, Folder, Link, TreeError
from buildah_plugin.paths import lookup, parts, resolve
from buildah_plugin.wildcards import expand
from tests.buildah_plugin.test_archives import names


def tree(*paths: str) -> Folder:
    """A tree of files; ``name -> target`` is a link, a trailing slash a folder."""
    root = Folder()
    for path in paths:
        name, arrow, target = path.partition(" -> ")
        folder = root
        *above, last = parts(name)
        for part in above:
            folder = folder.entries.setdefault(part, Folder())  # type: ignore[assignment]  # folders only
        folder.entries[last] = (
            Link(target) if arrow else Folder() if name.endswith("/") else File(Content.of(b""), 0o644)
        )
    return root


def test_links_never_lead_out() -> None:
    root = tree("up -> ../../../etc", "etc/x", "round -> round")
    assert resolve(root, "/up/x") == ["etc", "x"]
    assert resolve(root, "/../../etc") == ["etc"]
    with pytest.raises(TreeError, match="too many links"):
        resolve(root, "/round")


def test_a_hard_link_of_the_source_is_one_in_the_copy() -> None:
    source, root = tree("a"), Folder()
    source.entries["b"] = source.entries["a"]
    copy(source, "/", root, "/x/", Rules(contents=True))
    assert lookup(root, ["x", "a"]) is lookup(root, ["x", "b"])


def test_a_link_that_is_there_is_followed_as_destination() -> None:
    root = tree("real/", "to -> real")
    copy(tree("a"), "/a", root, "/to/", Rules())
    assert names(root) == ["real", "real/a", "to"]


@pytest.mark.parametrize(
    ("there", "src", "dest", "said"),
    [
        ("x/a/", "/a", "/x/", "is a folder"),
        ("x", "/a", "/x/y", "is not a folder"),
        ("x/sub", "/sub", "/x", "no folder"),
        ("x", "/missing", "/y", "is not there"),
    ],
)
def test_what_does_not_fit(there: str, src: str, dest: str, said: str) -> None:
    with pytest.raises(TreeError, match=said):
        copy(tree("a", "sub/b"), src, tree(there), dest, Rules())


def test_left_out_folders_are_not_made() -> None:
    root = Folder()
    copy(tree("a/b/c.py", "a/d.txt"), "/", root, "/x/", Rules(contents=True, include=("a/*/*.py",)))
    assert names(root) == ["x", "x/a", "x/a/b", "x/a/b/c.py"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/a.txt", ["/a.txt"]),
        ("*.txt", ["/a.txt", "/b.txt"]),
        ("[ab].txt", ["/a.txt", "/b.txt"]),
        ("[^a].txt", ["/b.txt"]),
        ("s*/d?ep/*", ["/sub/deep/x"]),
        ("linked/*", ["/sub/deep"]),
        ("[", []),
        ("nothing*", []),
        ("a\\*.txt*", []),
    ],
)
def test_wildcards(pattern: str, found: list[str]) -> None:
    root = tree("a.txt", "b.txt", "sub/deep/x", "linked -> sub")
    assert expand(root, pattern) == found


@pytest.mark.parametrize("pattern", ["target/*.jar", "/sub/none/*", "a.txt/none/*"])
def test_wildcards_in_a_folder_that_is_not_there(pattern: str) -> None:
    """A build that was forgotten is no reason for an image without its files."""
    with pytest.raises(TreeError, match="is not there"):
        expand(tree("a.txt", "sub/deep/x"), pattern)


@pytest.mark.parametrize("pattern", ["/data[9-0].csv", "/x[\\]]", "/x[\\\\]*"])
def test_classes_that_go_reads_are_read(pattern: str) -> None:
    """A reversed range matches nothing; a bracket that is protected closes none."""
    root = tree("data5.csv", "x]", "x\\y")
    expected = {"/x[\\]]": ["/x]"], "/x[\\\\]*": ["/x\\y"]}.get(pattern, [])
    assert expand(root, pattern) == expected


def test_long_paths_are_refused_at_once() -> None:
    """Looked up from the top for every part, the first would take hours."""
    for path in ("a/" * 500_000, "/" + "x" * 256):
        with pytest.raises(TreeError, match="longer than a path may be"):
            resolve(Folder(), path)
    assert len(resolve(Folder(), "a/" * 2000)) == 2000


def test_deep_trees_are_copied() -> None:
    deep, root = tree("a/" * 2000), Folder()
    copy(deep, "/", root, "/", Rules(contents=True))
    assert lookup(root, ["a"] * 2000) is not None


def test_bits_above_the_permissions_are_the_files_alone() -> None:
    root = Folder()
    copy(tree("tool"), "/tool", root, "/new/dir/", Rules(mode=0o4755))
    found = [lookup(root, names) for names in (["new"], ["new", "dir"], ["new", "dir", "tool"])]
    assert [node.mode for node in found if node is not None] == [0o755, 0o755, 0o4755]
