"""What ``ADD`` fetches: files of the web, and git repositories through ``git``."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from buildah_plugin import disk, process
from buildah_plugin.nodes import Content, File, Folder, Node, TreeError
from buildah_plugin.paths import lookup, resolve
from cirfile import gitaddress
from cirfile.errors import printable

_TIMEOUT = 60
#: What an address may hold; other characters are escaped, as Go's client does.
_AS_IT_IS = "%/:?#[]@!$&'()*+,;=~"
#: Files are as the repository has them, as BuildKit's are: no line ends, large files or hooks of this user's settings.
_GIT = (
    *("advice.detachedHead=false", "core.autocrlf=false", "core.eol=lf", "core.hooksPath=/dev/null"),
    *("filter.lfs.smudge=", "filter.lfs.process=", "filter.lfs.required=false"),
)
#: Of what `git rev-parse --local-env-vars` lists, all but settings: set in hooks, it names the caller's repository.
_OF_A_REPOSITORY = frozenset((
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_OBJECT_DIRECTORY", "GIT_DIR", "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE", "GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE", "GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR", "GIT_INTERNAL_SUPER_PREFIX",
))  # fmt: skip


def file(url: str, name: str, checksum: str, place: Path) -> Folder:
    """Fetch a file into ``place`` and return the folder with it. Raise `TreeError` where it cannot be had."""
    target = place / "file"
    _download(url, target)
    if checksum:
        _check(target, url, checksum)
    folder = Folder()
    content = Content(target.stat().st_size, path=str(target))
    folder.entries[name] = File(content, 0o600)  # the mode BuildKit stores what it fetches with
    return folder


def _download(url: str, target: Path) -> None:
    """Fetch a file whole. Raise `TreeError` where it cannot be had."""
    broke = f"{printable(url)} cannot be fetched: the download broke off"
    address = quote(url, safe=_AS_IT_IS)
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer, target.open("wb") as out:  # noqa: S310
            shutil.copyfileobj(answer, out, 1 << 20)
            # Where it announced its length, an early end is the end to whoever reads it in pieces.
            got, missing = out.tell(), getattr(answer, "length", None)
    except http.client.IncompleteRead:  # of an answer in chunks, which has an end of its own
        raise TreeError(f"{broke}; build again") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise TreeError(f"{printable(url)} cannot be fetched: {reason}") from None
    if missing:
        raise TreeError(f"{broke} after {got} of {got + missing} bytes; build again")


def _check(target: Path, url: str, checksum: str) -> None:
    algorithm, _, wanted = checksum.partition(":")
    if algorithm not in ("sha256", "sha384", "sha512"):
        raise TreeError(f"`{algorithm}` is no digest this builder knows; use sha256")
    with target.open("rb") as stream:
        found = hashlib.file_digest(stream, algorithm).hexdigest()
    if found != wanted:
        raise TreeError(f"{printable(url)} has the digest {algorithm}:{found}, not {checksum}")


def repository(url: str, keep_git_dir: bool, checksum: str, place: Path) -> Folder:
    """Check out a repository below ``place``. Raise `TreeError` for a bad address, `CliError` where git fails."""
    address = gitaddress.parse(url)
    if address is None:
        raise TreeError(f"`{url}` is not a git address")
    environ = _git_environment(os.environ)
    settings = [word for setting in _GIT for word in ("-c", setting)]

    def git(*words: str) -> bytes:
        return process.run(["git", "-C", str(place), *settings, *words], environ=environ)

    wanted = address.ref or "HEAD"
    if address.fetch_by_commit and address.checksum:
        wanted = address.checksum
    git("init", "--quiet")
    git("fetch", "--quiet", "--depth=1", "--", address.remote, wanted)
    git("checkout", "--quiet", "FETCH_HEAD")
    if address.submodules and (place / ".gitmodules").exists():
        git("submodule", "update", "--quiet", "--init", "--recursive", "--depth=1")
    commit = git("rev-parse", "HEAD").decode().strip()
    expected = address.checksum or checksum
    if expected and not commit.startswith(expected):
        raise TreeError(f"{printable(url)} is at commit {commit}, not {expected}")
    keep = keep_git_dir if address.keep_git_dir is None else address.keep_git_dir
    tree = disk.tree(str(place), leave_out="" if keep else ".git")
    # Looked up in the tree, not on the disk: there a link of the repository leads to files of this machine.
    folder = lookup(tree, resolve(tree, address.subdir))
    if not isinstance(folder, Folder):
        raise TreeError(f"{printable(url)} has no folder `{address.subdir}`")
    if not keep:
        folder.entries.pop(".git", None)  # of a submodule
    _plain_modes(folder)
    return folder


def _git_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of git: keys and helpers are the user's, a repository that we were called from is not.

    It asks nobody for a password: there is nobody.
    """
    kept = {name: value for name, value in environ.items() if name not in _OF_A_REPOSITORY}
    return kept | {"GIT_TERMINAL_PROMPT": "0"}


def _plain_modes(node: Node) -> None:
    """Give modes as git knows them, whatever the umask of this process is."""
    if isinstance(node, Folder):
        node.mode = 0o755
        for entry in node.entries.values():
            _plain_modes(entry)
    elif isinstance(node, File):
        node.mode = 0o755 if node.mode & 0o100 else 0o644
