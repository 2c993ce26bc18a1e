"""Ends every process of the engines and removes the control groups they leave.

A process is ours when its root directory is the engines' root filesystem, when it was started with a file
of the engines as an argument (that holds even after somebody deleted the cache folder), when it is in their
control group, when it runs under the ids of the unprivileged account, or when it descends from such a process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from devtools.engines.instance import Instance
from devtools.engines.state import Process, identify

#: Where Podman puts the containers of root; the name cannot be configured.
PODMAN_CGROUP = "libpod_parent"


def processes(instance: Instance) -> set[Process]:
    """Return all processes of the engines, the holder included."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for pid in (int(entry.name) for entry in Path("/proc").glob("[0-9]*")):
        with contextlib.suppress(OSError):
            parents[pid], owner = parent_and_owner(pid)
            if instance.user_id in (owner, owner >> 16) or is_marked(pid, instance):
                found.add(pid)
    spared = lineage(os.getpid(), parents)  # a shell whose command names our files is not ours
    found -= spared
    while children := {pid for pid, parent in parents.items() if parent in found} - found - spared:
        found |= children
    return {process for pid in found if (process := identify(pid))}


def lineage(pid: int, parents: dict[int, int]) -> set[int]:
    """A process and those that it descends from."""
    found: set[int] = set()
    while pid and pid not in found:
        found.add(pid)
        pid = parents.get(pid, 0)
    return found


def is_marked(pid: int, instance: Instance) -> bool:
    """Tell whether root directory, arguments or control group of a process are the engines'.

    :raises OSError: when the process is gone
    """
    place = Path("/proc", str(pid))
    if instance.rootfs.is_dir() and os.path.samestat(instance.rootfs.stat(), (place / "root").stat()):
        return True
    if os.fsencode(f"{instance.root}/etc/") in (place / "cmdline").read_bytes():
        return True
    return f":/{instance.cgroup}/" in (place / "cgroup").read_text()


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
    """End every process of the engines: politely, then after `patience` seconds by force.

    What was found once stays on the list: a container whose parent has ended can no longer be told.
    """
    deadline = time.monotonic() + patience
    told: set[Process] = set()
    while remaining := processes(instance) | {process for process in told if process.is_alive()}:
        is_late = time.monotonic() > deadline
        for process in remaining if is_late else remaining - told:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL if is_late else signal.SIGTERM)
        told |= remaining
        time.sleep(0.05)


def remove_cgroups(instance: Instance, patience: float = 10.0) -> None:
    """Remove the instance's control groups in every hierarchy, and Podman's where it is empty.

    A group stays busy until what was killed in it has been collected, hence the patience, in seconds.
    """
    deadline = time.monotonic() + patience
    roots = [
        Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines() if is_cgroup(line)
    ]
    for group in (root / name for root in roots for name in (instance.cgroup, PODMAN_CGROUP)):
        while not is_removed(group) and not is_used(group) and time.monotonic() < deadline:
            time.sleep(0.02)


def is_cgroup(mount: str) -> bool:
    """Tell whether a line of the mount table is a hierarchy of control groups."""
    return mount.split()[2] in ("cgroup", "cgroup2")


def is_used(group: Path) -> bool:
    """Tell whether a process lives in a control group or below it: then it is somebody else's."""
    with contextlib.suppress(OSError):
        members = " ".join(procs.read_text() for procs in group.rglob("cgroup.procs")).split()
        return any(identify(int(pid)) for pid in members)
    return False


def is_removed(group: Path) -> bool:
    """Remove a control group with those below it as far as possible; tell whether it is gone."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
    return not group.exists()
