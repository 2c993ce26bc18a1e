"""Did you mean: the nearest of some known words."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], most: int = 2) -> str:
    """Return the known word at most ``most`` edits away from ``word`` (empty if there is none).

    Letter case does not count. Of several equally near words the first in alphabetical order wins.
    """
    if len(word) > 64:
        return ""
    folded = word.casefold()
    ranked = sorted((_distance(folded, option.casefold()), option) for option in set(known))
    if not ranked or ranked[0][0] > min(most, max(1, len(word) // 2)):
        return ""
    return ranked[0][1]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean `x`?``, or nothing where no known word is near."""
    match = nearest(word, known)
    return f"did you mean `{match}`?" if match else ""


def one_of(words: Iterable[str]) -> str:
    """Return ``a, b or c`` with each word in backticks."""
    quoted = [f"`{word}`" for word in words]
    return " or ".join(part for part in (", ".join(quoted[:-1]), quoted[-1]) if part)


def _distance(left: str, right: str) -> int:
    """Count the letters to change, add, drop or swap with their neighbour between two words."""
    older: list[int] = []
    old = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            row.append(min(old[j] + 1, row[j - 1] + 1, old[j - 1] + (a != b)))
            if i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                row[j] = min(row[j], older[j - 2] + 1)
        older, old = old, row
    return old[-1]
