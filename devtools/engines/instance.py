"""Names and numbers that keep one set of engines apart from any other on the same machine."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from devtools import paths


@dataclass(frozen=True)
class Instance:
    """What one set of engines may call its own, derived from where its cache lies.

    :param root: folder of everything the engines keep
    :param name: short suffix of interface, table and cgroup names (at most 6 characters)
    :param port: TCP port of the registry; the one above it is kept for tests
    :param network: the first two octets and the third one that its /20 starts at
    """

    root: Path
    name: str
    port: int
    network: tuple[int, int, int]

    @property
    def rootfs(self) -> Path:
        """The root filesystem that the engines live in."""
        return self.root / "rootfs"

    @property
    def user_id(self) -> int:
        """User and group id of the unprivileged account.

        Its subordinate ids are `user_id << 16` and following.
        """
        return 50000 + self.port

    @property
    def bridge(self) -> str:
        """Name of the bridge that containers are attached to (interface names have at most 15 characters)."""
        return f"cirdev{self.name}"

    @property
    def bridge_ip(self) -> str:
        """Address of the host on that bridge, reachable from every container."""
        return self._address(0, 1)

    @property
    def bridge_mac(self) -> str:
        """Hardware address of the bridge: a locally administered one, as Docker makes them of IPv4 addresses."""
        return ":".join(f"{part:02x}" for part in (0x02, 0x42, *ipaddress.IPv4Address(self.bridge_ip).packed))

    @property
    def subnet(self) -> str:
        """All addresses of the engines, networks made later included, in CIDR notation."""
        return self._address(0, 0) + "/20"

    @property
    def bridge_cidr(self) -> str:
        """The bridge's own address with the length of its network."""
        return self.bridge_ip + "/24"

    @property
    def pool(self) -> str:
        """Where `docker network create` takes its networks from, in CIDR notation."""
        return self._address(8, 0) + "/21"

    @property
    def podman_subnet(self) -> str:
        """The network of Podman containers that ask for a bridge, in CIDR notation."""
        return self._address(4, 0) + "/24"

    @property
    def registry(self) -> str:
        """The registry as seen from the host: engines accept plain HTTP there."""
        return f"127.0.0.1:{self.port}"

    @property
    def spare_registry(self) -> str:
        """An address for a registry of a test's own: nothing listens there, dockerd takes it without TLS."""
        return f"127.0.0.1:{self.port + 1}"

    @property
    def bridge_registry(self) -> str:
        """The same registry as seen from containers."""
        return f"{self.bridge_ip}:{self.port}"

    @property
    def link(self) -> tuple[str, str]:
        """Addresses of a link for measurements, of those kept for that (RFC 2544): the machine's end, the far one.

        A /30 for each port: no two sets of engines that run side by side have the same.
        """
        first = ipaddress.IPv4Address("198.18.0.0") + (self.port - 5700) // 2 * 4
        return str(first + 1), str(first + 2)

    @property
    def link_interface(self) -> str:
        """Name of the machine's end of that link."""
        return f"cirlink{self.name}"

    @property
    def link_registry(self) -> str:
        """A registry at the far end, while something listens there: engines accept plain HTTP."""
        return f"{self.link[1]}:5000"

    @property
    def link_index(self) -> str:
        """A package index at the far end, `host:port`."""
        return f"{self.link[1]}:8000"

    @property
    def table(self) -> str:
        """Name of the nftables table that holds every packet rule of the engines."""
        return f"cir_dev_{self.name}"

    @property
    def cgroup(self) -> str:
        """Name of the control group above all of the containers."""
        return f"cir-dev-{self.name}"

    def _address(self, third: int, fourth: int) -> str:
        first, second, start = self.network
        return f"{first}.{second}.{start + third}.{fourth}"


def current() -> Instance:
    """Return the instance of the cache folder in use.

    Fixed numbers for the usual folder, derived ones for any other.
    """
    cache = paths.cache()
    root = paths.engines()
    if cache == Path(pwd.getpwuid(os.getuid()).pw_dir, ".cache", "cir-dev").resolve():
        return Instance(root, "0", 5717, (10, 213, 0))
    digest = hashlib.sha256(os.fsencode(cache)).digest()
    port, network = int.from_bytes(digest[:4]), int.from_bytes(digest[4:8])
    third = network // 40 % 16 * 16
    return Instance(root, digest.hex()[:6], 5800 + port % 1000 * 2, (10, 214 + network % 40, third))
