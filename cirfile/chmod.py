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


def applied(text: str, mode: int, folder: bool) -> int:
    """Return ``mode`` changed as the symbolic ``text`` says, with no bits masked: what BSD's chmod(1) does."""
    for clause in text.split(","):
        who = re.match(r"[ugoa]*", clause)[0]  # type: ignore[index]  # it matches everything
        for operator, letters in re.findall(r"([-+=])([rwxXstugo]*)", clause[len(who) :]):
            mode = _changed(mode, who or "a", operator, letters, folder)
    return mode


_SHIFTS = {"u": 6, "g": 3, "o": 0}
_SET_ID = {"u": 0o4000, "g": 0o2000}
_STICKY = 0o1000


def _changed(mode: int, who: str, operator: str, letters: str, folder: bool) -> int:
    classes = "ugo" if "a" in who else who
    bits = _STICKY if "t" in letters and set(classes) != {"o"} else 0
    for letter in letters:
        for one in classes:
            bits |= _plain(mode, letter, folder) << _SHIFTS[one]
            bits |= _SET_ID.get(one, 0) if letter == "s" else 0
    if operator == "-":
        return mode & ~bits
    if operator == "=":
        kept = sum(0o7 << shift for one, shift in _SHIFTS.items() if one not in classes)
        kept |= sum(bit for one, bit in _SET_ID.items() if one not in classes)
        mode &= kept | (0 if set(classes) == set(_SHIFTS) else _STICKY)
    return mode | bits


def _plain(mode: int, letter: str, folder: bool) -> int:
    """Return the three bits a letter stands for; a class stands for the bits it has."""
    if letter in _SHIFTS:
        return mode >> _SHIFTS[letter] & 0o7
    if letter == "X":
        return int(folder or bool(mode & 0o111))
    return {"r": 4, "w": 2, "x": 1}.get(letter, 0)
