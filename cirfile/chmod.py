"""The value of ``--chmod``: octal up to 7777, or symbolic as in chmod(1)."""

from __future__ import annotations

import re

_CLAUSE = r"[ugoa]*(?:[-+=][rwxXstugo]*)+"
_SYMBOLIC = re.compile(rf"{_CLAUSE}(?:,{_CLAUSE})*")


def is_mode(text: str) -> bool:
    """Tell whether ``text`` is a mode the builders understand."""
    if re.fullmatch(r"[0-7]+", text):
        return int(text[-32:], 8) <= 0o7777 and len(text.lstrip("0")) <= 4
    return bool(_SYMBOLIC.fullmatch(text))
