"""Addresses of indexes and files: their parts, and how they may be shown."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from urllib.parse import unquote, urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """An absolute ``http`` or ``https`` address, apart from the credentials written into it."""

    scheme: str
    host: str
    port: int
    path: str
    user: str = ""
    password: str = ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what credentials belong to."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Host and port as a ``Host`` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """The address without credentials, as it is sent."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def __str__(self) -> str:
        """The address as it may be shown: no credentials, no query (which may hold a signature)."""
        return self.text.partition("?")[0]

    def shared(self, other: Address) -> int:
        """With how many same parts both paths begin."""
        own, others = (address.path.partition("?")[0].split("/") for address in (self, other))
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(own, others, strict=False)))

    def join(self, reference: str) -> Address:
        """The address that a link on this page leads to. Raise `ValueError` where it is none."""
        return parse(urljoin(self.text, reference))


def parse(url: str) -> Address:
    """Read an address.

    :raises ValueError: for anything but a whole http or https address; its text is safe to show
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("an address cannot be read") from None
    if parts.scheme not in _PORTS or not host:
        raise ValueError(f"`{parts.scheme}://{host or ''}` is not an http or https address")
    if any(character <= " " or character == "\x7f" for character in url) or not url.isascii():
        raise ValueError(f"the address on {host} has characters that an address cannot have")
    if ":" not in host and not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
        raise ValueError(f"`{host[:80]}` is no name of a host")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Address(parts.scheme, host, port or _PORTS[parts.scheme], path, user, password)
