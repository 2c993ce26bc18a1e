"""Configuration files of the engines, rendered from an instance.

Each function returns text; `write` puts all of them where the daemons and clients look for them.
"""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

from devtools.engines.instance import Instance

#: Where the docker client and tests find dockerd, inside the namespace.
DOCKER_SOCKET = "/run/docker.sock"

#: The unprivileged account for rootless runs.
USER = "cir"
HOME = f"/home/{USER}"

#: Hard limits of this process: open files, and processes (-1: none).
NOFILE = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
NPROC = resource.getrlimit(resource.RLIMIT_NPROC)[1]

#: No systemd in the namespace: control groups and events are kept in files.
ENGINE_TABLE = '\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'


def dockerd(instance: Instance, mtu: int) -> str:
    """`daemon.json`: own bridge, no packet rules of its own (see `network`), the registry as a mirror.

    :param mtu: largest packet that the way out of this machine carries, bytes
    """
    settings = {
        "data-root": str(instance.root / "docker"),
        "exec-root": "/run/docker",
        "pidfile": "/run/docker.pid",
        "hosts": [f"unix://{DOCKER_SOCKET}"],
        "features": {"containerd-snapshotter": True},
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": f"/{instance.cgroup}",
        "bridge": instance.bridge,
        "mtu": mtu,
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
        "ip-masq": False,
        "default-address-pools": [{"base": instance.pool, "size": 24}],
        "registry-mirrors": [f"http://{instance.registry}"],
        "insecure-registries": [
            instance.registry,
            instance.bridge_registry,
            instance.spare_registry,
            instance.link_registry,
        ],
        "shutdown-timeout": 3,
        "builder": {"gc": {"enabled": True, "defaultKeepStorage": "20GB"}},
    }
    return json.dumps(settings, indent=2) + "\n"


def docker_registry(storage: Path, address: str) -> str:
    """Return the configuration of the distribution registry, in YAML (JSON is YAML).

    No in-memory descriptor cache: two registries serve one storage folder.

    :param address: `host:port` to listen on
    """
    settings = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": address, "secret": "cir-dev"},
    }
    return json.dumps(settings, indent=2) + "\n"


def registries(instance: Instance) -> str:
    """`registries.conf` (version 2) of Buildah, Podman and Skopeo.

    Short names and docker.io come from the mirror.
    """
    lines = ['unqualified-search-registries = ["docker.io"]', 'short-name-mode = "permissive"', ""]
    lines += ["[[registry]]", 'location = "docker.io"', ""]
    lines += ["[[registry.mirror]]", f'location = "{instance.registry}"', "insecure = true", ""]
    for location in (instance.registry, instance.bridge_registry, instance.link_registry):
        lines += ["[[registry]]", f'location = "{location}"', "insecure = true", ""]
    return "\n".join(lines)


def containers(instance: Instance) -> str:
    """`containers.conf` of Buildah and Podman for root.

    runc, since crun refuses hybrid control groups. The host's network by default and no packet rules, since
    netavark's have fixed names; networks asked for by name lie in the instance's subnet (see `network`).
    Limits within ours, since root may lack the capability to raise them, and Buildah would.
    """
    ulimits = f'default_ulimits = ["nofile={NOFILE}:{NOFILE}", "nproc={NPROC}:{NPROC}"]\n'
    network = f'firewall_driver = "none"\ndefault_subnet = "{instance.podman_subnet}"\n'
    return f'[containers]\nnetns = "host"\n{ulimits}' + ENGINE_TABLE + f"\n[network]\n{network}"


def containers_of_user() -> str:
    """`containers.conf` of the unprivileged account.

    A network namespace of its own, as rootless engines have it.
    """
    return '[containers]\nnetns = "private"\n' + ENGINE_TABLE


def accounts(instance: Instance) -> dict[str, str]:
    """Return the line of the unprivileged account in each table of the root filesystem's `/etc`."""
    number = instance.user_id
    return {
        "passwd": f"{USER}:x:{number}:{number}::{HOME}:/bin/bash",
        "group": f"{USER}:x:{number}:",
        "subuid": f"{USER}:{number << 16}:65536",
        "subgid": f"{USER}:{number << 16}:65536",
    }


def with_line(table: str, line: str) -> str:
    """Return the text of an account table with `line` in place of any line of the same account."""
    others = [other for other in table.splitlines() if not other.startswith(f"{USER}:")]
    return "\n".join([*others, line]) + "\n"


def write(instance: Instance, mtu: int) -> None:
    """Write every configuration file below the engines' folder and into the root filesystem."""
    inside, outside = instance.rootfs / "etc", instance.root / "etc"
    home = instance.rootfs / HOME.lstrip("/")
    files = {
        outside / "daemon.json": dockerd(instance, mtu),
        inside / "containers/registries.conf": registries(instance),
        inside / "containers/containers.conf": containers(instance),
        home / ".config/containers/containers.conf": containers_of_user(),
    }
    for name, address in registry_addresses(instance).items():
        files[outside / f"{name}.yml"] = docker_registry(instance.root / "registry", address)
    for name, line in accounts(instance).items():
        table = inside / name
        files[table] = with_line(table.read_text() if table.exists() else "", line)
    credentials = instance.root / "docker-config/config.json"
    if not credentials.exists():
        files[credentials] = "{}\n"
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(text)
        partial.replace(path)
    for folder in (home, home / ".config", home / ".config/containers"):
        os.chown(folder, instance.user_id, instance.user_id)


def registry_addresses(instance: Instance) -> dict[str, str]:
    """Name of each registry daemon and where it listens: on loopback, and on the bridge for containers."""
    return {"registry": instance.registry, "registry-bridge": instance.bridge_registry}
