"""Names as the Python packaging specifications define them: projects and wheel files."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True)
class WheelName:
    """The parts of a wheel's file name (binary distribution format, "File name convention")."""

    distribution: str
    version: str
    build: tuple[int, str]
    tags: tuple[str, ...]


def normalise(name: str) -> str:
    """A project name as indexes spell it (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()


def parse_wheel(filename: str) -> WheelName | None:
    """Split a wheel's file name; `None` for anything that is not one. Compressed tag sets are expanded."""
    parts = filename[:-4].split("-") if filename.endswith(".whl") else []
    if len(parts) not in (5, 6):
        return None
    pythons, abis, platforms = (part.split(".") for part in parts[-3:])
    tags = tuple(f"{p}-{a}-{f}" for p in pythons for a in abis for f in platforms)
    build = _build(parts[2]) if len(parts) == 6 else (-1, "")
    return None if build is None else WheelName(parts[0], parts[1], build, tags)


def _build(text: str) -> tuple[int, str] | None:
    """A build tag sorts by its leading number, then by the rest; it must begin with a digit."""
    digits = len(text) - len(text.lstrip("0123456789"))
    return (int(text[:digits]), text[digits:]) if digits else None
