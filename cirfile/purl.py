"""Package URLs: the one name that bills of materials have for a component."""

from __future__ import annotations

from urllib.parse import quote


def purl(ecosystem: str, name: str, version: str) -> str:
    """Return the package URL of a component (https://github.com/package-url/purl-spec)."""
    return f"pkg:{ecosystem}/{quote(name, safe='')}@{quote(version, safe='')}"
