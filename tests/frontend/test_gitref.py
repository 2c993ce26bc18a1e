"""Git addresses, by the examples of BuildKit's ``dfgitutil``."""

from __future__ import annotations

import pytest

from frontend import gitref
from frontend.llb import ops


@pytest.mark.parametrize(
    "text",
    [
        "./app",
        "../app",
        "app",
        "/app.git",
        "https://example.com/file.txt",
        "ftp://example.com/a.git",
        "a b@c",
        "http://[x/a.git",
    ],
)
def test_what_is_no_repository(text: str) -> None:
    assert gitref.parse(text) is None


@pytest.mark.parametrize(
    ("text", "remote", "ref", "subdir"),
    [
        ("https://example.com/a.git", "https://example.com/a.git", "", ""),
        ("https://example.com/a.git#main:sub/x", "https://example.com/a.git", "main", "sub/x"),
        ("https://example.com/a.git?ref=v1&subdir=s", "https://example.com/a.git", "v1", "s"),
        ("https://example.com/a.git?tag=v1", "https://example.com/a.git", "refs/tags/v1", ""),
        ("https://example.com/a.git?branch=b", "https://example.com/a.git", "refs/heads/b", ""),
        ("git://example.com/a", "git://example.com/a", "", ""),
        ("ssh://git@example.com/a", "ssh://git@example.com/a", "", ""),
        ("git@example.com:o/a.git#v1", "git@example.com:o/a.git", "v1", ""),
        ("github.com/o/a#v1", "https://github.com/o/a", "v1", ""),
    ],
)
def test_repositories(text: str, remote: str, ref: str, subdir: str) -> None:
    address = gitref.parse(text)
    assert address is not None
    assert (address.remote, address.ref, address.subdir) == (remote, ref, subdir)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("ref=a&ref=b", "twice"),
        ("ref=", "no value"),
        ("what=1", "what"),
        ("submodules=2", "neither"),
        ("ref=a&tag=b", "several references"),
    ],
)
def test_bad_queries(query: str, named: str) -> None:
    with pytest.raises(gitref.GitError, match=named):
        gitref.parse(f"https://example.com/a.git?{query}")


def source(text: str, keep_git_dir: bool = False) -> ops.Source:
    address = gitref.parse(text)
    assert address is not None
    vertex = gitref.to_state(address, ops.PLAIN, keep_git_dir).vertex
    assert vertex is not None
    assert isinstance(vertex.op, ops.Source)
    return vertex.op


def test_equal_repositories_have_equal_names_whatever_the_protocol() -> None:
    names = {
        source(t).identifier for t in ("https://example.com/o/a.git#v1:s", "git@example.com:o/a.git#v1:s")
    }
    assert names == {"git://example.com/o/a.git#v1:s"}


def test_attributes_and_capabilities() -> None:
    op = source("https://example.com/a.git?checksum=abc&submodules=false&keep-git-dir")
    attrs = dict(op.attrs)
    assert attrs["git.checksum"] == "abc"
    assert attrs["git.skipsubmodules"] == "true"
    assert attrs["git.keepgitdir"] == "true"
    assert {
        "source.git",
        "source.git.checksum",
        "source.git.skipsubmodules",
        "source.git.keepgitdir",
    } <= op.caps


def test_the_address_decides_over_the_instruction() -> None:
    assert "git.keepgitdir" not in dict(source("https://example.com/a.git?keep-git-dir=0", True).attrs)
    assert dict(source("https://example.com/a.git", True).attrs)["git.keepgitdir"] == "true"


def test_credentials_stay_with_the_remote() -> None:
    op = source("https://user:secret@example.com/a.git")
    assert "secret" not in op.identifier
