"""A link of known bandwidth: a pair of virtual interfaces, whose far end lies in a network namespace of its own.

What is to be reached over the link only (registry, package index) listens at the far address. Containers reach it as
they reach everything beyond their bridge: the engines' table translates their addresses
(devtools/engines/network.py). Both ends have a token bucket, so that both directions have the rate; addresses stay
the same at every rate, and with them caches and locks.

The namespace has no name. It lives as long as a process in it, and each of those ends with ours, however ours ends; the
interfaces go with the namespace.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: What a bucket holds, in seconds at its rate, and at least, in bytes: a segment that is not split yet has 64 KiB.
_BURST, _LEAST = 0.004, 128 * 1024
#: How long a packet may wait in the queue before the bucket drops it.
_LATENCY = "50ms"
#: Dies with us, also if we are killed.
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True)
class Link:
    """A link that is up.

    :param enter: words that run a command among the engines, whose programs are used
    :param interface: name of the machine's end
    :param far: address of the far end
    :param holder: process id of a process in the namespace
    """

    enter: tuple[str, ...]
    interface: str
    far: str
    holder: int

    @property
    def namespace(self) -> str:
        """The file of the network namespace."""
        return f"/proc/{self.holder}/ns/net"

    def behind(self, *argv: str) -> list[str]:
        """Words that run a command at the far end; it ends with this process."""
        return [*self.enter, *_WITH_US, "nsenter", f"--net={self.namespace}", "--", *argv]

    def shape(self, mbit: float) -> None:
        """Let both directions have this rate from now on; 0 takes the limit away."""
        for end in (list(self.enter), self.behind()):
            if mbit:
                burst = max(_LEAST, int(mbit * 1e6 / 8 * _BURST))
                bucket = ["tbf", "rate", f"{mbit:g}mbit", "burst", str(burst), "latency", _LATENCY]
                _run([*end, "tc", "qdisc", "replace", "dev", self.interface, "root", *bucket])
            else:
                _run([*end, "tc", "qdisc", "replace", "dev", self.interface, "root", "noqueue"])

    def received(self) -> int:
        """Bytes that came over the link from its far end."""
        return self._count("rx_bytes")

    def sent(self) -> int:
        """Bytes that went over the link to its far end."""
        return self._count("tx_bytes")

    def _count(self, name: str) -> int:
        return int(Path("/sys/class/net", self.interface, "statistics", name).read_text())


@contextmanager
def link(enter: Sequence[str], interface: str, near: str, far: str) -> Iterator[Link]:
    """Bring a link up, unshaped, until the block ends; one of the same name that was left is taken away first.

    :param interface: what both ends are called
    :param near: the machine's address; both are the ones of a /30
    :raises RuntimeError: when a command fails, with what it said, and while another process has such a link up
    """
    with _reserved(interface):
        yield from _up(enter, interface, near, far)


@contextmanager
def _reserved(interface: str) -> Iterator[None]:
    """Have the name of an interface to ourselves; the kernel gives it back however we end."""
    with socket.socket(socket.AF_UNIX) as held:
        try:
            held.bind(f"\0cir-link-{interface}")
        except OSError:
            message = f"{interface} is in use: another comparison, or its tests, run on the same engines"
            raise RuntimeError(message) from None
        yield


def _up(enter: Sequence[str], interface: str, near: str, far: str) -> Iterator[Link]:
    remove(enter, interface)
    # It ends at the end of its input, which is ours: also when we are killed.
    with subprocess.Popen(
        [*enter, *_WITH_US, "unshare", "--net", "--", "sh", "-c", "echo up && exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            made = Link(tuple(enter), interface, far, holder.pid)
            for argv in _commands(made, near):
                _run(argv)
            yield made
        finally:
            remove(enter, interface)
            holder.terminate()


def remove(enter: Sequence[str], interface: str) -> None:
    """Delete both ends, where they are there."""
    if Path("/sys/class/net", interface).exists():
        _run([*enter, "ip", "link", "delete", interface])


def _commands(made: Link, near: str) -> list[list[str]]:
    """What makes the pair, the other end in the namespace, and gives both their addresses."""
    here, there, name = list(made.enter), made.behind(), made.interface
    return [
        [*here, "ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", str(made.holder)],
        [*here, "ip", "address", "add", f"{near}/30", "dev", name],
        [*there, "ip", "address", "add", f"{made.far}/30", "dev", name],
        [*there, "ip", "link", "set", "lo", "up"],
        [*there, "ip", "link", "set", name, "up"],
        [*here, "ip", "link", "set", name, "up"],
    ]


def _run(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(argv)}` ended with status {done.returncode}: {done.stderr.strip()}")
