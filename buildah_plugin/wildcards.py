"""Wildcards of copies: one pattern for each part of a path, as Go's ``path/filepath.Match`` reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

from buildah_plugin.nodes import Folder, TreeError
from buildah_plugin.paths import lookup, parts, resolve
from cirfile import globs
from cirfile.globs import is_pattern

_SPECIAL = "*?["


def expand(root: Folder, pattern: str) -> list[str]:
    """Return the paths that match, in the order of their names; a path without wildcards is its own match.

    Raise `TreeError` where the folder before the wildcards is not there.
    """
    names = parts(pattern)
    first = next((i for i, name in enumerate(names) if _has_wildcard(name)), len(names))
    start, rest = names[:first], names[first:]
    if not rest:
        return ["/" + "/".join(start)]
    at = resolve(root, "/".join(start))
    if lookup(root, at) is None:
        raise TreeError(f"`{'/'.join(start)}` is not there")
    return ["/" + "/".join([*at, *found]) for found in _walk(root, at, rest)]


def _walk(root: Folder, at: list[str], rest: list[str]) -> Iterator[list[str]]:
    node: object = root
    for name in at:
        node = node.entries.get(name) if isinstance(node, Folder) else None
    if isinstance(node, Folder):
        yield from _below(node, rest)


def _below(folder: Folder, rest: list[str]) -> Iterator[list[str]]:
    form = _form(rest[0])
    for name, node in folder.sorted():
        if form is None or not form(name):
            continue
        if len(rest) == 1:
            yield [name]
        elif isinstance(node, Folder):
            yield from ([name, *found] for found in _below(node, rest[1:]))


def _has_wildcard(name: str) -> bool:
    return bool(re.search(r"(?<!\\)(?:\\\\)*[*?\[]", name))


@cache
def _form(pattern: str) -> Callable[[str], bool] | None:
    """Return what one part matches; `None` where it matches nothing: malformed, or with a reversed range."""
    if not is_pattern(pattern):
        return None
    try:
        return globs.matcher(globs.tokens(pattern, folders=False))
    except re.error:
        return None
