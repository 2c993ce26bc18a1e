"""Numbers of users and groups that are given by name, from the accounts of a tree."""

from __future__ import annotations

from buildah_plugin.nodes import File, Folder, TreeError
from buildah_plugin.paths import lookup, resolve
from cirfile import copies

_PASSWD, _GROUP = "/etc/passwd", "/etc/group"


def owner(text: str, tree: Folder) -> tuple[int, int]:
    """Return uid and gid of ``user[:group]``: without a group that of the user, for a number the same number."""
    user, group = copies.owner(text)
    if isinstance(user, int):
        uid, gid = user, user
    else:
        fields = _line(tree, _PASSWD, user, 4)
        uid, gid = int(fields[2]), int(fields[3])
    if group is not None:
        gid = group if isinstance(group, int) else int(_line(tree, _GROUP, group, 3)[2])
    return uid, gid


def _line(tree: Folder, path: str, name: str, least: int) -> list[str]:
    file = lookup(tree, resolve(tree, path))
    text = file.content.read().decode(errors="replace") if isinstance(file, File) else ""
    for line in text.splitlines():
        fields = line.strip().split(":")
        if fields[0] == name and len(fields) >= least and all(f.isdigit() for f in fields[2:least]):
            return fields
    what = "user" if path == _PASSWD else "group"
    raise TreeError(f"the {what} `{name}` is not in the image's `{path}`; write its number")
