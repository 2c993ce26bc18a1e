"""What the words of a copy mean, the same for every builder: owners, modes, ``--parents``, what is read.

Flags of copies are those of the stock frontend (``dockerfile2llb/convert_copy.go``).
"""

from __future__ import annotations

import posixpath
import re

from cirfile.plan import ContextPath, Copy, Plan

_NUMBER = re.compile(r"[+-]?[0-9]+\Z")
#: The highest id of a user or group: 32 bits, of which all ones mean "as it is" (chown(2)).
_HIGHEST = (1 << 32) - 2
_OCTAL = re.compile(r"[0-7]+\Z")
_WILDCARD = re.compile(r"(?<!\\)[*?\[]")

#: A user or group: a number, or a name that only a file system can number.
Identity = int | str

_ARCHIVES = (b"\x42\x5a\x68", b"\x1f\x8b\x08", b"\xfd\x37\x7a\x58\x5a\x00")
_TAR_MAGIC = (257, b"ustar")


def owner(text: str) -> tuple[Identity, Identity | None]:
    """Read ``user[:group]``; ``root`` and numbers need nobody to look them up. No group means the user's own."""
    user, colon, group = text.partition(":")
    return _identity(user), _identity(group) if colon else None


def strange_number(text: str) -> str:
    """Return the user or group of ``user[:group]`` that is a number no file system can hold; else nothing."""
    numbers = (part for part in text.split(":") if _NUMBER.match(part))
    return next((part for part in numbers if not 0 <= int(part[:20]) <= _HIGHEST), "")


def _identity(text: str) -> Identity:
    if text in ("", "root"):
        return 0
    return int(text) if _NUMBER.match(text) else text


def mode(text: str) -> tuple[int | None, str]:
    """Read ``--chmod``: a number where it is octal, else the symbolic text; `None` where there is no number."""
    if not text:
        return None, ""
    if _OCTAL.match(text):
        return int(text, 8), ""
    return None, text


def pivot(pattern: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Split ``--parents`` sources at ``/./``: where to start, what to take, what must be there."""
    start, found, rest = pattern.partition("/./")
    if not found:
        start, rest = "/", pattern
    rest = posixpath.normpath("/" + rest.lstrip("/"))
    required: tuple[str, ...] = ()
    if not _WILDCARD.search(start) and not _WILDCARD.search(rest):
        required = (posixpath.normpath("/" + start.lstrip("/") + rest),)
    return start, (rest.lstrip("/"),), required


def context_paths(plan: Plan) -> list[str]:
    """Return the paths of the main context that a plan reads."""
    steps = [step for step in plan.steps if isinstance(step, Copy) and step.origin is None]
    return [source.pattern for step in steps for source in step.sources if isinstance(source, ContextPath)]


def is_archive(start: bytes) -> bool:
    """Whether a file that begins like this is an archive BuildKit unpacks (tar, gzip, bzip2, xz)."""
    position, magic = _TAR_MAGIC
    return start.startswith(_ARCHIVES) or start[position : position + len(magic)] == magic
