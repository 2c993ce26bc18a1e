"""What engines could leave behind on a machine, as a value that can be compared."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devtools.engines.api import Engines
from devtools.engines.instance import Instance
from devtools.engines.sweep import PODMAN_CGROUP

#: Folders of the machine that engines write to when they are not kept to their own place.
FOLDERS = ("/run", "/run/lock", "/var/run", "/var/tmp", "/var/lib", "/etc", "/dev", "/dev/shm", "/dev/net")


@dataclass(frozen=True)
class Snapshot:
    """The state of the machine, each part in its own words; other engines at work do not change it."""

    mounts: str
    links: tuple[str, ...]
    rules: str
    legacy_rules: str
    processes: tuple[str, ...]
    groups: tuple[str, ...]
    emulators: tuple[str, ...]
    forwarding: str
    entries: tuple[str, ...]
    namespaces: str
    loops: str
    modes: tuple[int, ...]

    @classmethod
    def take(cls, instance: Instance, observer: Engines) -> Snapshot:
        """Look at the machine.

        :param instance: the engines whose traces are looked for
        :param observer: other engines, whose programs do the looking
        """

        def ask(*argv: str) -> str:
            return observer.run(argv, check=False, cwd=Path("/tmp")).stdout

        groups = {
            path
            for kind in ("*", "*/*", "*/*/*")
            for path in Path("/sys/fs/cgroup").glob(kind)
            if path.is_dir()
        }
        return cls(
            mounts=Path("/proc/self/mounts").read_text(),
            links=links(instance, json.loads(ask("ip", "-json", "-4", "address"))),
            rules=without_others(ask("nft", "list", "ruleset"), instance),
            legacy_rules="\n".join(
                line for line in ask("iptables-legacy-save").splitlines() if line[:1] not in "#:"
            ),
            processes=processes(instance),
            groups=tuple(sorted(str(path) for path in groups if is_trace(path, instance))),
            emulators=tuple(
                name for name in ask("ls", "/proc/sys/fs/binfmt_misc").split() if is_ours(name, instance)
            ),
            forwarding=Path("/proc/sys/net/ipv4/ip_forward").read_text(),
            entries=tuple(sorted(str(path) for folder in FOLDERS for path in Path(folder).glob("*"))),
            namespaces="\n".join(sorted(path.name for path in Path("/run/netns").glob("*"))),
            loops=ask("losetup", "--list"),
            modes=tuple(
                Path(name).stat().st_mode for name in ("/dev/fuse", "/dev/net/tun") if Path(name).exists()
            ),
        )


def without_others(rules: str, instance: Instance) -> str:
    """Leave the tables of other engines out of a list of packet rules."""
    tables = re.findall(r"^table .*?^}\n", rules, re.M | re.S)
    return "".join(table for table in tables if is_ours(table.split()[2], instance))


def is_ours(name: str, instance: Instance) -> bool:
    """Tell whether a name is not that of other engines: it may be these engines' or nobody's."""
    own = re.match(r"cir[-_]?dev[-_]?(\w+?)(-aarch64)?$", name)
    return own is None or own[1] == instance.name


def links(instance: Instance, addresses: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return network interfaces that stay for a second and are not known to be of somebody else.

    Those hang on another bridge or have an address of another network. Containers of other engines come and go
    meanwhile; their interfaces hang nowhere for a moment.
    """
    subnet = ipaddress.ip_network(instance.subnet)
    others = {
        link["ifname"]
        for link in addresses
        if any(ipaddress.ip_address(address["local"]) not in subnet for address in link["addr_info"])
    }
    samples = []
    for _ in range(5):
        masters = {link.name: (link / "master").resolve().name for link in Path("/sys/class/net").iterdir()}
        free = {name for name, master in masters.items() if master in ("master", instance.bridge)}
        samples.append(free - others)
        time.sleep(0.2)
    return tuple(sorted(set.intersection(*samples)))


def processes(instance: Instance) -> tuple[str, ...]:
    """Processes that name the cache folder or run under the ids of the account without rights."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(
                line.split(":\t", 1) for line in (entry / "status").read_text().splitlines() if ":\t" in line
            )
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, ValueError):
            continue
        owner = int(status["Uid"].split()[0])
        is_ours = str(instance.root) in command or instance.user_id in (owner, owner >> 16)
        if is_ours and not status["State"].startswith("Z"):
            found.append(f"{entry.name} {command or status['Name']}")
    return tuple(sorted(found))


def is_trace(group: Path, instance: Instance) -> bool:
    """Tell whether a control group could be one of these engines'."""
    is_of_others = not all(is_ours(part, instance) for part in group.parts)
    engines = ("cir-dev-", "libpod-", "buildah", "conmon", "apptainer", "buildkit", "docker")
    return group.name.startswith(engines) and not is_of_others


def differences(before: Snapshot, instance: Instance, observer: Engines) -> list[str]:
    """Return each part that is not as before, in words; what other engines change meanwhile gets time to settle."""
    for _ in range(5):
        after = Snapshot.take(instance, observer)
        found = [
            f"{name}: {old!r} -> {new!r}"
            for name, old in vars(before).items()
            if not is_as_before(name, old, new := getattr(after, name))
        ]
        if not found:
            break
    return found


def is_as_before(name: str, old: object, new: object) -> bool:
    """Whether a part of the machine is as before. Podman's control group, which all engines share, may be gone."""
    if name == "groups" and isinstance(old, tuple) and isinstance(new, tuple):
        shared = {path for path in old if f"/{PODMAN_CGROUP}/" in path}
        return set(old) - shared == set(new) - shared
    return old == new
