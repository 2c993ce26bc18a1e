"""Which modules the shim can import: found by reading, so that the layer holds those and no others.

Every import statement of our code counts, also those within functions, and those of what it imports, to the end.
Runs where the layer is made (see `shim.pack`), and is not part of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

#: What the interpreter and its compiled modules import by themselves. Encodings are wanted by name.
UNSEEN = (
    "_compat_pickle", "_strptime", "abc", "codecs", "copyreg", "encodings", "io", "json.decoder", "linecache",
    "locale", "os", "runpy", "site", "tokenize", "traceback", "warnings", "zipimport",
)  # fmt: skip
#: Imported by what is kept, and never needed there: for other systems, for a module's own command or tests, for
#: what only other programs ask of it, or where a compiled module is built in.
LEFT_OUT = (
    "argparse", "asyncio", "doctest", "email.generator", "email.policy", "encodings.mbcs", "encodings.oem",
    "gettext", "plistlib", "pydoc", "statistics",
)  # fmt: skip


def reached(own: Iterable[str], places: Iterable[Path]) -> dict[str, Path]:
    """The modules that `own` ones reach, themselves too, by name, with their sources.

    :param own: modules that are there for certain
    :param places: folders to look for modules in; what none has is compiled or built in
    """
    folders = tuple(places)
    found: dict[str, Path] = {}
    wanted = [*own, *UNSEEN, *_all_of("encodings", folders)]
    while wanted:
        name = wanted.pop()
        source = None if name in found or is_left_out(name) else _source(name, folders)
        if source:
            found[name] = source
            wanted.extend(_parents(name))
            wanted.extend(imports(source, name))
    return found


def _all_of(package: str, folders: tuple[Path, ...]) -> Iterator[str]:
    for folder in folders:
        yield from (f"{package}.{path.stem}" for path in sorted((folder / package).glob("[a-z]*.py")))


def is_left_out(name: str) -> bool:
    """Whether a module, or a package it is in, is never needed."""
    return any(part in LEFT_OUT for part in (name, *_parents(name)))


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _source(name: str, folders: tuple[Path, ...]) -> Path | None:
    for folder in folders:
        stem = folder.joinpath(*name.split("."))
        for path in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if path.is_file():
                return path
    return None


def imports(source: Path, name: str) -> Iterator[str]:
    """Every name that an import statement may mean a module by."""
    package = name if source.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
