"""Why goals are missed: `causes.json` beside the report, written by people who profiled the runs it belongs to.

    {"deploy-shared": [{"cause": "...", "found": "who found it, and how", "applications": ["fastapi"]}]}

The keys are those of `promises`; without ``applications`` a cause is that of all. ``against`` names the peers that a
cause is about, `Docker` alone where it is not there. A cause is shown only where its goal is missed; a missed goal
without one is said to have none yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.compare.report.promises import GOALS, PAPER

NAME = "causes.json"
_KEYS = {promise.key for promise in (*PAPER, *GOALS)}


@dataclass(frozen=True)
class Cause:
    """Why a goal is missed, and who found that, how."""

    cause: str
    found: str
    applications: tuple[str, ...] = ()
    against: tuple[str, ...] = ("Docker",)


@dataclass(frozen=True)
class Causes:
    """Causes by key of their goal."""

    known: Mapping[str, Sequence[Cause]]

    def of(self, key: str, scenario: str, peer: str) -> list[Cause]:
        """Those of a goal that was missed for a scenario, beside a peer."""
        about = (each for each in self.known.get(key, ()) if peer in each.against)
        return [each for each in about if not each.applications or scenario in each.applications]


def read(folder: Path) -> Causes:
    """Read those of a folder; none where it has no such file.

    :raises ValueError: naming the file, where it is not as described above
    """
    path = folder / NAME
    if not path.exists():
        return Causes({})
    try:
        given = json.loads(path.read_text())
        if unknown := given.keys() - _KEYS:
            raise ValueError(f"no goal is named {', '.join(sorted(unknown))}")
        return Causes({key: tuple(map(_cause, entries)) for key, entries in given.items()})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _cause(given: Mapping[str, object]) -> Cause:
    applications, against = _names(given, "applications"), _names(given, "against")
    return Cause(str(given["cause"]), str(given["found"]), applications, against or ("Docker",))


def _names(given: Mapping[str, object], key: str) -> tuple[str, ...]:
    found = given.get(key, ())
    if not isinstance(found, list | tuple):
        raise TypeError(f"{key} is no list: {found}")
    return tuple(map(str, found))
