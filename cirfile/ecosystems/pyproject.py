"""``pyproject.toml`` as a source of requirements.

The fields are those of https://packaging.python.org/en/latest/specifications/pyproject-toml/
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from cirfile.ecosystems import pypi
from cirfile.ecosystems.notation import NotationError
from cirfile.suggest import did_you_mean, one_of

_SELF = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*\[([^\]]*)\]\s*$")


def parse_pyproject(text: str, extras: tuple[str, ...]) -> list[str]:
    """Return the dependencies of a project, those of ``extras`` included; an extra may name others.

    Raise `NotationError` where the file is malformed, hides its dependencies, or has no such extra.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise NotationError(
            f"the file is not TOML: {error}", "correct it; `[project]` holds the dependencies"
        ) from None
    project = document.get("project")
    if not isinstance(project, dict):
        raise NotationError("the file has no `[project]` table", _other_tools(document))
    dynamic = project.get("dynamic", [])
    if isinstance(dynamic, list) and "dependencies" in dynamic:
        raise NotationError(
            "the project computes its dependencies when it is built (`dynamic`)",
            "write them down: `[project] dependencies = [...]`, or name a requirements file",
        )
    found = _texts(project.get("dependencies", []), "project.dependencies")
    optional = project.get("optional-dependencies", {})
    own = str(project.get("name", ""))
    done: set[str] = set()
    for extra in extras:
        found += _extra(extra, optional if isinstance(optional, dict) else {}, own, done)
    for requirement in found:
        pypi.check(requirement)
    _check_tools(document, {pypi.name(requirement) for requirement in found})
    return found


def _check_tools(document: dict[str, Any], names: set[str]) -> None:
    """Raise `NotationError` where a tool's own table says that a dependency is another one than `[project]` says.

    Taken from the default index, a package of that name would be somebody else's. The tables are those of
    https://docs.astral.sh/uv/reference/settings/, Poetry and PDM.
    """
    tools = document.get("tool")
    tables: dict[str, Any] = tools if isinstance(tools, dict) else {}
    uv: dict[str, Any] = tables["uv"] if isinstance(tables.get("uv"), dict) else {}
    sources = uv.get("sources")
    moved = sorted(name for name in sources if pypi.name(name) in names) if isinstance(sources, dict) else []
    if moved:
        raise _not_read(f"`[tool.uv.sources]` takes `{moved[0]}` from elsewhere")
    listed = uv.get("index")
    if isinstance(listed, list) and any(not isinstance(i, dict) or not i.get("explicit") for i in listed):
        raise _not_read("`[[tool.uv.index]]` names an index")
    for key in ("index-url", "extra-index-url", "constraint-dependencies", "override-dependencies"):
        if uv.get(key):
            raise _not_read(f"`[tool.uv]` has `{key}`")
    for tool in ("poetry", "pdm"):
        table = tables.get(tool)
        if isinstance(table, dict) and table.get("source"):
            raise _not_read(f"`[[tool.{tool}.source]]` names an index")


def _not_read(what: str) -> NotationError:
    return NotationError(
        f"{what}, and only `[project]` is read here",
        "name the requirements in the Cirfile or in a requirements file, with `--index-url`, `--extra-index-url` "
        "or `-c` as they need it",
    )


def _extra(extra: str, optional: dict[str, Any], own: str, done: set[str]) -> list[str]:
    """Return the requirements of one extra; ``own[other]`` in it stands for those of ``other``."""
    names = {pypi.name(name): name for name in optional}
    key = pypi.name(extra)
    if key in done:
        return []
    done.add(key)
    if key not in names:
        hint = did_you_mean(extra, optional) or (
            f"the extras are {one_of(sorted(optional))}" if optional else ""
        )
        raise NotationError(f"the project has no extra `{extra}`", hint or "the project has no extras")
    found: list[str] = []
    for requirement in _texts(optional[names[key]], f"project.optional-dependencies.{names[key]}"):
        match = _SELF.match(requirement)
        if match and own and pypi.name(match[1]) == pypi.name(own):
            for other in match[2].split(","):
                found += _extra(other.strip(), optional, own, done)
        else:
            found.append(requirement)
    return found


def _texts(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise NotationError(
            f"`{where}` is not a list of strings", f"write `{where.rpartition('.')[2]} = [...]`"
        )
    return [" ".join(entry.split()) for entry in value]


def _other_tools(document: dict[str, Any]) -> str:
    tool = document.get("tool")
    if isinstance(tool, dict) and "poetry" in tool:
        return "export them: `poetry export -o requirements.txt`, then `REQUIRE pypi -r requirements.txt`"
    return "write `[project] dependencies = [...]`, or name a requirements file"
