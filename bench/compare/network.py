"""What lies behind the link of a run: its registry, and the mirror of the package index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from bench.compare.link import Link, link
from bench.compare.mirror.process import Mirror, mirror
from bench.compare.registry import registry


class Network(Protocol):
    """The way to registry and index, as the runner needs it."""

    def prepare(self) -> None:
        """Nothing is measured now: as fast as it goes, and the mirror keeps what it is asked for."""

    def measure(self, mbit: float) -> None:
        """From now on everything takes the link at this rate, 0 for no limit, and the mirror asks nobody."""

    def missed(self) -> list[str]:
        """What was asked of the mirror and not there, since this was asked last."""

    def received(self) -> float:
        """Bytes that came over the link."""

    def sent(self) -> float:
        """Bytes that went over the link."""


@dataclass(frozen=True)
class Shaped:
    """A link that is up, with a mirror behind it."""

    link: Link
    mirror: Mirror

    def prepare(self) -> None:
        """Nothing is measured now."""
        self.link.shape(0)
        self.mirror.record()

    def measure(self, mbit: float) -> None:
        """From now on everything takes the link at this rate."""
        self.mirror.serve()
        self.link.shape(mbit)

    def missed(self) -> list[str]:
        """What was not there."""
        return self.mirror.missed()

    def received(self) -> float:
        """Bytes that came over the link."""
        return self.link.received()

    def sent(self) -> float:
        """Bytes that went over the link."""
        return self.link.sent()


@contextmanager
def network(
    enter: Sequence[str], ends: tuple[str, str], address: str, index: str, folder: Path, record: Path
) -> Iterator[Shaped]:
    """Bring up a link with a registry and a mirror behind it, until the block ends.

    :param ends: the interface, and the machine's address on it
    :param address: of the registry, `host:port`
    :param index: of the mirror
    :param folder: of the registry, which is empty at first
    :param record: what the mirror has and keeps
    :raises RuntimeError: when one of them does not come up
    """
    interface, near = ends
    with ExitStack() as stack:
        made = stack.enter_context(link(enter, interface, near, address.partition(":")[0]))
        stack.enter_context(registry(made.behind(), address, folder))
        found = stack.enter_context(mirror(record, urlsplit(index).netloc, made.namespace))
        yield Shaped(made, found)
