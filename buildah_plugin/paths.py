"""Finding one's way in a tree: links are followed below its root and never lead out of it."""

from __future__ import annotations

from buildah_plugin.nodes import Folder, Link, Node, TreeError

_MOST_LINKS = 255
#: Bytes of a path and of a part of it (PATH_MAX with its end, NAME_MAX).
_LONGEST, _LONGEST_NAME = 4095, 255


def parts(path: str) -> list[str]:
    """Return the names of a path, as written."""
    return [name for name in path.split("/") if name not in ("", ".")]


def resolve(root: Folder, path: str, last: bool = True) -> list[str]:
    """Return the names that lead to ``path`` once every link is followed, the last one only if ``last``.

    Names of what is not there are kept as they are. Raise `TreeError` where links go in circles, or a path is too long.
    """
    check(path)
    todo = parts(path)[::-1]
    done: list[str] = []
    nodes: list[Node | None] = [root]
    followed = 0
    while todo:
        name = todo.pop()
        if name == "..":
            del done[-1:]
            del nodes[len(done) + 1 :]
            continue
        here = nodes[-1]
        node = here.entries.get(name) if isinstance(here, Folder) else None
        if isinstance(node, Link) and (todo or last):
            followed += 1
            if followed > _MOST_LINKS:
                raise TreeError(f"`{path}`: too many links")
            if node.target.startswith("/"):
                done, nodes = [], [root]
            check(node.target)
            todo += parts(node.target)[::-1]
            continue
        done.append(name)
        nodes.append(node)
    return done


def check(path: str) -> None:
    """Raise `TreeError` for a path, or a part of one, that is longer than Linux takes."""
    data = path.encode("utf-8", "surrogateescape")
    if len(data) > _LONGEST or max(map(len, data.split(b"/"))) > _LONGEST_NAME:
        raise TreeError(f"`{path[:80]}...` is longer than a path may be")


def lookup(root: Folder, names: list[str]) -> Node | None:
    """Return what is at ``names``, `None` where there is nothing."""
    node: Node = root
    for name in names:
        if not isinstance(node, Folder):
            return None
        found = node.entries.get(name)
        if found is None:
            return None
        node = found
    return node


def folder_at(root: Folder, names: list[str]) -> Folder:
    """Return the folder at ``names``. Raise `TreeError` where there is none."""
    node = lookup(root, names)
    if not isinstance(node, Folder):
        raise TreeError(f"`/{'/'.join(names)}` is not a folder")
    return node


def make_folders(root: Folder, names: list[str], mode: int, owner: tuple[int, int] | None) -> Folder:
    """Make the folders that are missing on the way to ``names``; those that are there stay as they are."""
    folder = root
    for position, name in enumerate(names, 1):
        node = folder.entries.get(name)
        if node is None:
            node = Folder(mode, *(owner or (0, 0)))
            folder.entries[name] = node
        if not isinstance(node, Folder):
            raise TreeError(f"`/{'/'.join(names[:position])}` is not a folder")
        folder = node
    return folder
