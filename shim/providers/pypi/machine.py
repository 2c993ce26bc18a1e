"""How much of the machine this container may use: processors and memory."""

from __future__ import annotations

import os
from pathlib import Path

_V2 = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60
#: More do not make an assembly faster. A process that compiles has up to 25 MB, a thread that unpacks as much.
_MOST_WORKERS, _OF_A_WORKER = 16, 64 << 20


def processors() -> int:
    """Processors that may be used at once: the affinity mask within the control group's quota."""
    allowed = len(os.sched_getaffinity(0))
    quota = _numbers(_V2 / "cpu.max")
    period: tuple[int, ...] = ()
    if len(quota) < 2:
        quota = _numbers(_V2 / "cpu/cpu.cfs_quota_us")
        period = _numbers(_V2 / "cpu/cpu.cfs_period_us")
    pair = (*quota, *period)
    if len(pair) == 2 and pair[0] > 0 and pair[1] > 0:
        allowed = min(allowed, -(-pair[0] // pair[1]))
    return max(1, allowed)


def workers() -> int:
    """How many threads or processes may do the same kind of work: each needs memory, and many share one disk."""
    return min(processors(), _MOST_WORKERS, max(1, memory() // _OF_A_WORKER))


def memory() -> int:
    """Bytes of memory that the control group allows; a very large number without a limit."""
    for place in (_V2 / "memory.max", _V2 / "memory/memory.limit_in_bytes"):
        limit = _numbers(place)
        if limit and limit[0] > 0:
            return limit[0]
    return _UNLIMITED


def _numbers(place: Path) -> tuple[int, ...]:
    """The integers in a small file; empty where it says ``max`` or cannot be read."""
    try:
        return tuple(int(word) for word in place.read_text("ascii").split())
    except (OSError, ValueError):
        return ()
