"""HTTP for a package client: kept connections, proxies, redirects that do not carry credentials away.

One `Client` a thread. Whether to try again is decided by the caller, from what the errors say.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from shim.errors import UNAVAILABLE, ShimError
from shim.providers.pypi.access import Access
from shim.providers.pypi.address import Address

CONNECT_SECONDS = 5.0
#: Without a byte for this long, an answer is taken for lost.
_STALL_SECONDS = 20.0
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_AGENT = "cir"
_ASK = "ask whoever runs that index"


class TransientError(Exception):
    """Worth another attempt: a broken connection or an overloaded server.

    ``wait`` is what the server asked for, in seconds; ``hint`` is set where nothing answered at all.
    """

    def __init__(self, message: str, wait: float = 0.0, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.wait = wait
        self.hint = hint


class MissingError(Exception):
    """The server does not have it (404 or 410)."""


class RangeError(ShimError):
    """The server has nothing from the byte on that was asked for (416)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer: status, kind, length (-1 if not told), where its body begins, how to read it.

    ``read`` fills a buffer and returns how much of it, 0 at the end; it raises `TransientError`.
    """

    status: int
    kind: str
    length: int
    start: int
    place: Address
    read: Callable[[memoryview], int]

    def whole(self, most: int) -> bytes:
        """The whole body. Raise `ShimError` (69) where it is longer than ``most`` bytes."""
        pieces, size = [], 0
        buffer = memoryview(bytearray(65536))
        while count := self.read(buffer):
            size += count
            if size > most:
                raise ShimError(UNAVAILABLE, f"{self.place} is longer than {most} bytes", _ASK)
            pieces.append(bytes(buffer[:count]))
        return b"".join(pieces)


class Client:
    """Requests from one thread, over connections that stay open."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._open: dict[tuple[str, str, int], http.client.HTTPConnection] = {}

    def get(self, address: Address, start: int = 0, accept: str = "*/*") -> Answer:
        """Ask for an address, from byte ``start`` on, and follow redirects.

        :raises TransientError: where another attempt may help
        :raises MissingError: where the server does not have it
        :raises RangeError: where it has less than ``start`` bytes, or just as many
        :raises ShimError: 69 where no attempt can help
        """
        place = address
        for _ in range(_MOST_REDIRECTS):
            answer, location = self._ask(place, start, accept)
            if answer is not None:
                return answer
            place = _redirected(place, location)
        raise ShimError(UNAVAILABLE, f"{address}: more than {_MOST_REDIRECTS} redirects", _ASK)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _ask(self, place: Address, start: int, accept: str) -> tuple[Answer | None, str]:
        """One request: an answer, or where it redirects to."""
        proxy = self._access.proxy(place)
        reused = place.origin in self._open
        try:
            response = self._send(place, proxy, start, accept)
        except (http.client.HTTPException, OSError) as error:
            self._forget(place)
            if not reused:
                raise self._unreachable(place, proxy, error) from None
            try:  # the server closed a connection that was kept; that says nothing about the server
                response = self._send(place, proxy, start, accept)
            except (http.client.HTTPException, OSError) as again:
                self._forget(place)
                raise self._unreachable(place, proxy, again) from None
        if response.status in _REDIRECTS:
            location = response.getheader("Location", "")
            self._finish(place, response)
            return None, location
        if response.status in (200, 206):
            return self._answer(place, response), ""
        self._finish(place, response)
        raise self._refused(place, response)

    def _send(
        self, place: Address, proxy: Address | None, start: int, accept: str
    ) -> http.client.HTTPResponse:
        connection = self._open.get(place.origin)
        if connection is None or connection.sock is None:  # http.client has closed it, as the server asked
            connection = self._connect(place, proxy)
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": _AGENT}
        if start:
            headers["Range"] = f"bytes={start}-"
        if credentials := self._access.credentials(place):
            headers["Authorization"] = _basic(*credentials)
        target = place.path
        if proxy and place.scheme == "http":
            target = place.text
            if proxy.user:
                headers["Proxy-Authorization"] = _basic(proxy.user, proxy.password)
        connection.request("GET", target, headers=headers)
        return connection.getresponse()

    def _connect(self, place: Address, proxy: Address | None) -> http.client.HTTPConnection:
        via = proxy or place
        connection: http.client.HTTPConnection
        if place.scheme == "https":
            context = self._access.tls()
            connection = http.client.HTTPSConnection(
                via.host, via.port, timeout=CONNECT_SECONDS, context=context
            )
            if proxy:
                headers = {"Proxy-Authorization": _basic(proxy.user, proxy.password)} if proxy.user else {}
                connection.set_tunnel(place.host, place.port, headers)
        else:
            connection = http.client.HTTPConnection(via.host, via.port, timeout=CONNECT_SECONDS)
        connection.connect()
        connection.sock.settimeout(_STALL_SECONDS)
        self._open[place.origin] = connection
        return connection

    def _answer(self, place: Address, response: http.client.HTTPResponse) -> Answer:
        length = response.length if response.length is not None else -1
        received = 0

        def read(buffer: memoryview) -> int:
            nonlocal received
            try:
                count = response.readinto(buffer)
            except (http.client.HTTPException, OSError) as error:
                self._forget(place)
                raise TransientError(f"{place}: the answer broke off: {_said(error)}") from None
            received += count
            if not count and received < length:
                self._forget(place)
                raise TransientError(f"{place}: the answer broke off after {received} of {length} bytes")
            return count

        start = 0
        if response.status == 206:
            start = _range_start(response.getheader("Content-Range", ""))
        kind = response.getheader("Content-Type", "")
        return Answer(response.status, kind, length, start, place, read)

    def _finish(self, place: Address, response: http.client.HTTPResponse) -> None:
        """Read a short body away so that the connection can be used again; give up on a long one."""
        try:
            response.read(65536)
            if not response.isclosed():
                self._forget(place)
        except (http.client.HTTPException, OSError):
            self._forget(place)

    def _forget(self, place: Address) -> None:
        connection = self._open.pop(place.origin, None)
        if connection is not None:
            connection.close()

    def _refused(self, place: Address, response: http.client.HTTPResponse) -> Exception:
        status = f"{response.status} {response.reason}".strip()
        if response.status in (404, 410):
            return MissingError(f"{place} is not there ({status})")
        if response.status in (401, 403):
            hint = f"put the credentials of {place.host} into a netrc file and name it in NETRC"
            if self._access.netrc_fault:
                hint = f"no login was sent, since {self._access.netrc_fault}; correct it"
            if self._access.credentials(place):
                hint = (
                    f"the credentials for {place.host} were sent; check that they are right and may read this"
                )
            return ShimError(UNAVAILABLE, f"{place} may not be read ({status})", hint)
        if response.status in _TRANSIENT:
            return TransientError(f"{place} answered {status}", _wait(response.getheader("Retry-After", "")))
        kind = RangeError if response.status == 416 else ShimError
        return kind(UNAVAILABLE, f"{place} answered {status}", _ASK)

    def _unreachable(self, place: Address, proxy: Address | None, error: Exception) -> Exception:
        """Name the host, the way taken to it and the cause."""
        way = f"through the proxy {proxy.authority}" if proxy else "directly, no proxy is set for it"
        if isinstance(error, ssl.SSLCertVerificationError):
            message = f"{place.authority} is not trusted: {error.verify_message} ({way})"
            source = self._access.authorities()
            hint = f"authorities come from {source}; name a bundle with yours in SSL_CERT_FILE"
            return ShimError(UNAVAILABLE, message, hint)
        hint = "check the name, the network and HTTPS_PROXY, or name a mirror in UV_DEFAULT_INDEX"
        if isinstance(error, socket.gaierror):
            return TransientError(
                f"{(proxy or place).host} has no address: {error.strerror} ({way})", hint=hint
            )
        return TransientError(f"{place.authority} cannot be reached: {_said(error)} ({way})", hint=hint)


def _redirected(place: Address, location: str) -> Address:
    try:
        target = place.join(location)
    except ValueError as error:
        message = f"{place} redirects to an address that cannot be used: {error}"
        raise ShimError(UNAVAILABLE, message, _ASK) from None
    if place.scheme == "https" and target.scheme == "http":
        raise ShimError(UNAVAILABLE, f"{place} redirects to {target}, which is not encrypted", _ASK)
    return target


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _wait(value: str) -> float:
    """The seconds a ``Retry-After`` header asks for: a number or a date (RFC 9110 §10.2.3)."""
    if value.isascii() and value.strip().isdigit():
        return float(value)
    if not value:
        return 0.0
    import email.utils
    import time

    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _range_start(value: str) -> int:
    """The first byte of ``Content-Range: bytes 5-9/10``; 0 where it cannot be read."""
    first = value.removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isascii() and first.isdigit() else 0


def _said(error: Exception) -> str:
    """The cause in a few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
