"""The words of ``EXPOSE``: ``port``, ``port-port``, each with ``/tcp``, ``/udp`` or ``/sctp``.

As the stock frontend does, addresses and host ports before the port (``ip:host:port``) are checked and
then ignored.
"""

from __future__ import annotations

import re

_LARGEST = 65535


def exposed(word: str) -> tuple[str, ...]:
    """Return ``word`` as ``port/protocol``, one for each port. Raise `ValueError` saying what is wrong."""
    *before, container = word.split(":")
    host = before.pop() if before else ""
    address = ":".join(before)
    ports, _, protocol = container.partition("/")
    if not ports:
        raise ValueError(f"`{word}` names no port")
    if protocol.lower() not in ("", "tcp", "udp", "sctp"):
        raise ValueError(f"`{protocol}` is no protocol")
    if address:
        _check_address(address)
    first, last = _range(ports)
    if host:
        first_host, last_host = _range(host)
        if last != first and last_host - first_host != last - first:
            raise ValueError(f"the ranges `{host}` and `{ports}` differ in length")
    return tuple(f"{port}/{protocol.lower() or 'tcp'}" for port in range(first, last + 1))


def _check_address(address: str) -> None:
    import ipaddress  # here, because hardly any file needs it

    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        raise ValueError(f"`{address}` is no IP address") from None


def _range(text: str) -> tuple[int, int]:
    start, dash, end = text.partition("-")
    first = _port(start)
    last = _port(end) if dash and end != start else first
    if last < first:
        raise ValueError(f"the range `{text}` ends before it begins")
    return first, last


def _port(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text) or not 0 <= int(text) <= _LARGEST:
        raise ValueError(f"`{text}` is not a port (0 to {_LARGEST})")
    return int(text)
