"""Ends every process of the engines and removes the control groups they leave.

A process is ours when its root directory is the engines' root filesystem, when it was started with a file
of the engines as an argument (that holds even after somebody deleted the cache folder), when it runs under
the ids of the unprivileged account, or when it descends from such a process (a container does).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from devtools.engines.instance import Instance

#: Where Podman puts the containers of root; the name cannot be configured.
PODMAN_CGROUP = "libpod_parent"


def processes(instance: Instance) -> set[int]:
    """Ids of all processes of the engines, the holder included."""
    root = instance.rootfs.stat() if instance.rootfs.is_dir() else None
    mark = os.fsencode(f"{instance.root}/etc/")
    parents: dict[int, int] = {}
    found: set[int] = set()
    for pid in (int(entry.name) for entry in Path("/proc").glob("[0-9]*")):
        with contextlib.suppress(OSError):
            parents[pid], owner = parent_and_owner(pid)
            is_inside = root is not None and os.path.samestat(root, Path(f"/proc/{pid}/root").stat())
            if (
                is_inside
                or instance.user_id in (owner, owner >> 16)
                or mark in Path(f"/proc/{pid}/cmdline").read_bytes()
            ):
                found.add(pid)
    while children := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= children
    return found


def parent_and_owner(pid: int) -> tuple[int, int]:
    """Parent and real user id of a live process.

    :raises ProcessLookupError: when it is dead, a zombie included
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
    if fields["State"][0] in "ZX":
        raise ProcessLookupError(pid)
    return int(fields["PPid"][0]), int(fields["Uid"][0])


def end_all(instance: Instance, patience: float = 3.0) -> None:
    """End every process of the engines: politely, then after `patience` seconds by force."""
    deadline = time.monotonic() + patience
    signal_number = signal.SIGTERM
    told: set[int] = set()
    while remaining := processes(instance):
        for pid in remaining - told:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal_number)
        told |= remaining
        time.sleep(0.05)
        if time.monotonic() > deadline:
            signal_number, told = signal.SIGKILL, set()


def remove_cgroups(instance: Instance, patience: float = 3.0) -> None:
    """Remove the instance's control groups in every hierarchy, and Podman's where it is empty.

    A group stays busy for a moment after its last process was killed, hence the patience, in seconds.
    """
    deadline = time.monotonic() + patience
    while [group for group in groups(instance) if is_left(group)] and time.monotonic() < deadline:
        time.sleep(0.05)


def groups(instance: Instance) -> Iterator[Path]:
    """Yield the folder of each of our control groups, and of Podman's."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mountpoint, kind = line.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            yield from (Path(mountpoint, name) for name in (instance.cgroup, PODMAN_CGROUP))


def is_left(group: Path) -> bool:
    """Remove a control group with those below it; tell whether it is still there, with no process in it."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
    return group.is_dir() and not any(path.read_text() for path in group.rglob("cgroup.procs"))
