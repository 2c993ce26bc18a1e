"""Repositories as source operations, as ``client/llb.Git`` writes them: equal addresses give equal operations."""

from __future__ import annotations

import posixpath

from cirfile.gitaddress import GitAddress, GitError, parse
from frontend.llb import ops, state

__all__ = ["GitAddress", "GitError", "parse", "to_state"]


def to_state(
    address: GitAddress,
    around: ops.Surroundings,
    keep_git_dir: bool = False,
    checksum: str = "",
    mtime: str = "",
) -> ops.State:
    """Return the files of the repository; the extra arguments are those of the instruction or the build."""
    identifier = "git://" + address.host + posixpath.normpath("/" + address.path.lstrip("/"))
    if address.ref or address.subdir:
        identifier += "#" + address.ref + (f":{address.subdir}" if address.subdir else "")
    attrs = {
        "git.authheadersecret": "GIT_AUTH_HEADER",
        "git.authtokensecret": "GIT_AUTH_TOKEN",
        "git.fullurl": address.remote,
    }
    caps = {"source.git", "source.git.fullurl"}
    keep = keep_git_dir if address.keep_git_dir is None else address.keep_git_dir
    wanted = (
        ("git.keepgitdir", "true" if keep else "", "source.git.keepgitdir"),
        ("git.checksum", address.checksum or checksum, "source.git.checksum"),
        ("git.skipsubmodules", "" if address.submodules else "true", "source.git.skipsubmodules"),
        ("git.mtime", address.mtime or mtime, "source.git.mtime"),
        ("git.fetchbycommit", "true" if address.fetch_by_commit else "", "source.git.fetchbycommit"),
        ("git.mountsshsock", "default" if address.scheme == "ssh" else "", "source.git.mountsshsock"),
    )
    for key, value, cap in wanted:
        if value:
            attrs[key] = value
            caps.add(cap)
    return state.source(identifier, attrs, caps, around)
