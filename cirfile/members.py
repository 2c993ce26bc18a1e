"""Facts in the markers of a lock: members of ``extras``, for which PEP 508 has no variable.

A platform has a member for its value of a fact and for each value that this one includes (`cirfile.hierarchy`). So the
marker of a lower value needs the absence of the higher ones that are not meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cirfile.hierarchy import included, includes

#: A value that stands for every value nobody named.
OTHER = "other"


def member(fact: str, value: str) -> str:
    """Return the member that says ``fact`` has ``value`` on a platform."""
    return f"{fact}={value}"


def members(facts: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the members of a platform with these facts."""
    return frozenset(member(fact, each) for fact, value in facts for each in included(fact, value))


def condition(fact: str, values: Sequence[str], known: Sequence[str]) -> tuple[str, bool]:
    """Return the marker for platforms with one of ``values``, and whether it is an ``or``.

    ``known`` are the values to tell apart; a platform has the highest of those it is.
    """
    rest = [value for value in known if value not in values]
    if OTHER in values:
        clauses = [(_without(fact, value, values), len(_above(fact, value, values)) > 0) for value in rest]
        if len(clauses) == 1:
            return clauses[0]
        return " and ".join(f"({text})" if is_or else text for text, is_or in clauses), False
    parts = []
    for value in values:
        if not _covered(fact, value, values, rest):
            absent = [f"'{member(fact, other)}' not in extras" for other in _above(fact, value, rest)]
            parts.append(" and ".join([f"'{member(fact, value)}' in extras", *absent]))
    return " or ".join(parts), len(parts) > 1


def _above(fact: str, value: str, among: Iterable[str]) -> list[str]:
    """Return those of ``among`` that include ``value`` and are another."""
    return [other for other in among if other != value and includes(fact, other, value)]


def _without(fact: str, value: str, values: Sequence[str]) -> str:
    """Return the marker for platforms that have not just ``value``, but may have one of ``values`` above it."""
    allowed = [f"'{member(fact, other)}' in extras" for other in _above(fact, value, values)]
    return " or ".join([f"'{member(fact, value)}' not in extras", *allowed])


def _covered(fact: str, value: str, values: Sequence[str], rest: Sequence[str]) -> bool:
    """Tell whether the marker of a lower one of ``values`` holds for ``value``, too."""
    return any(
        lower != value
        and includes(fact, value, lower)
        and not any(includes(fact, value, other) for other in _above(fact, lower, rest))
        for lower in values
    )
