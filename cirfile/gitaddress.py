"""Addresses of git repositories as BuildKit understands them: ``URL#ref:subdir`` and ``URL?ref=...``.

The same rules as ``frontend/dockerfile/dfgitutil`` of BuildKit.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit, urlunsplit

_PROTOCOL = re.compile(r"[a-zA-Z0-9]+://")
_SCP = re.compile(
    r"(?P<user>[a-zA-Z0-9_.-]+)@(?P<host>[a-zA-Z0-9.-]+):(?P<path>[^?#]*)(?P<rest>.*)\Z", re.DOTALL
)
_SCHEMES = ("http", "https", "ssh", "git")
_FLAGS = ("submodules", "keep-git-dir", "fetch-by-commit")
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


class GitError(ValueError):
    """A git address with a part we cannot read."""


@dataclass(frozen=True, slots=True)
class GitAddress:
    """A repository, what to check out of it, and how. ``host`` and ``path`` name it whatever the protocol."""

    remote: str
    host: str
    path: str
    scheme: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""
    keep_git_dir: bool | None = None
    submodules: bool = True
    mtime: str = ""
    fetch_by_commit: bool = False


def parse(text: str) -> GitAddress | None:
    """Read a git address; None where ``text`` is something else. Raise `GitError` for a bad query."""
    if text.startswith(("./", "../")):
        return None
    if text.startswith("github.com/"):
        text = f"https://{text}"
        return _from_url(text, demand_suffix=False)
    if _PROTOCOL.match(text):
        return _from_url(text, demand_suffix=True)
    found = _SCP.match(text)
    if not found:
        return None
    rest = urlsplit("ssh://x/" + found["rest"])
    remote = f"{found['user']}@{found['host']}:{found['path']}"
    return _complete(remote, found["host"], found["path"], "ssh", rest.query, rest.fragment)


def _from_url(text: str, demand_suffix: bool) -> GitAddress | None:
    try:
        url = urlsplit(text)
    except ValueError:
        return None
    if url.scheme not in _SCHEMES:
        return None
    if demand_suffix and url.scheme in ("http", "https") and not url.path.endswith(".git"):
        return None
    remote = urlunsplit((url.scheme, url.netloc, url.path, "", ""))
    host = url.netloc.rpartition("@")[2]
    return _complete(remote, host, url.path, url.scheme, url.query, url.fragment)


def _complete(remote: str, host: str, path: str, scheme: str, query: str, fragment: str) -> GitAddress:
    ref, _, subdir = fragment.partition(":")
    asked: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in asked:
            raise GitError(f"the git address names `{key}` twice")
        if not value and key not in _FLAGS:
            raise GitError(f"the git address gives `{key}` no value")
        asked[key] = value
    known = {"ref", "tag", "branch", "subdir", "checksum", "commit", "mtime", *_FLAGS}
    for key in asked:
        if key not in known:
            raise GitError(f"the git address asks for `{key}`; known are {', '.join(sorted(known))}")
    return GitAddress(
        remote=remote,
        host=host,
        path=path,
        scheme=scheme,
        ref=_ref(ref, asked),
        subdir=posixpath.normpath("/" + (asked.get("subdir") or subdir)).strip("/"),
        checksum=asked.get("checksum") or asked.get("commit", ""),
        keep_git_dir=_flag(asked, "keep-git-dir", None),
        submodules=_flag(asked, "submodules", True) is not False,
        mtime=asked.get("mtime", ""),
        fetch_by_commit=bool(_flag(asked, "fetch-by-commit", False)),
    )


def _ref(fragment: str, asked: dict[str, str]) -> str:
    named = [fragment, asked.get("ref", "")]
    for key, prefix in (("tag", "refs/tags/"), ("branch", "refs/heads/")):
        if key in asked:
            named.append(prefix + asked[key].removeprefix(prefix))
    different = set(filter(None, named))
    if len(different) > 1:
        raise GitError(f"the git address names several references: {', '.join(sorted(different))}")
    return next(iter(different), "")


def _flag(asked: dict[str, str], key: str, default: bool | None) -> bool | None:
    if key not in asked:
        return default
    value = asked[key]
    if value in (*_TRUE, ""):
        return True
    if value in _FALSE:
        return False
    raise GitError(f"the git address gives `{key}` the value `{value}`, neither true nor false")
