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
    """Levenshtein distance of two short words."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]
