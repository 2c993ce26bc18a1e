"""What is remembered between `up` and `down`: which process the holder is."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from devtools.progress import say


@dataclass(frozen=True)
class Process:
    """A process, told from a later one with the same id by when it started.

    :param pid: process id
    :param start: start time in clock ticks after boot, field 22 of proc_pid_stat(5)
    :param boot: id of the boot that both belong to
    """

    pid: int
    start: int
    boot: str

    def is_alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return identify(self.pid) == self


def identify(pid: int) -> Process | None:
    """Return the identity of a running process, None when there is none of that id."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in "ZX":
        return None
    return Process(pid, int(fields[19]), Path("/proc/sys/kernel/random/boot_id").read_text().strip())


def load(root: Path) -> Process | None:
    """Return the holder of the last `up`, None after a `down` or when the file is torn; it may be dead."""
    try:
        return Process(**json.loads((root / "holder.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def save(root: Path, holder: Process | None) -> None:
    """Remember the holder; None forgets it."""
    path = root / "holder.json"
    if holder is None:
        path.unlink(missing_ok=True)
        return
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(holder)))
    partial.replace(path)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the instance's lock, so that `up` and `down` never run at the same time.

    Waits for the other one.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another command that brings the engines up or down")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
