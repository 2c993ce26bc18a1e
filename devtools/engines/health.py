"""Whether the engines answer: asked over their own sockets, without starting a client."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass

from devtools.engines import binfmt, config, state
from devtools.engines.instance import Instance


@dataclass(frozen=True)
class Health:
    """What answered at one moment.

    :param holder: process id of the holder, None when the engines are down
    :param docker: version of dockerd, empty when it does not answer
    :param registry: whether the registry answers
    :param arm64: whether arm64 programs run on this machine
    """

    holder: int | None
    docker: str
    registry: bool
    arm64: bool

    @property
    def is_up(self) -> bool:
        """Whether everything that `up` starts is there."""
        return self.holder is not None and bool(self.docker) and self.registry


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket's path instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def check(instance: Instance) -> Health:
    """Ask the holder, dockerd, the registry and the kernel's table of emulators; takes a few milliseconds."""
    holder = state.load(instance.root)
    if holder is None or not holder.is_alive():
        return Health(None, "", False, False)
    pid = holder.pid
    return Health(pid, docker_version(pid), registry_answers(instance), binfmt.is_enabled(pid))


def docker_version(holder: int) -> str:
    """Version that dockerd tells, empty when it does not answer."""
    connection = UnixConnection(f"/proc/{holder}/root{config.DOCKER_SOCKET}", 5.0)
    try:
        connection.request("GET", "/_ping")
        server = connection.getresponse().getheader("Server", "")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    return server.removeprefix("Docker/").partition(" ")[0]


def registry_answers(instance: Instance) -> bool:
    """Whether both addresses of the registry speak the distribution protocol."""
    return all(_speaks_registry(address) for address in config.registry_addresses(instance).values())


def _speaks_registry(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=5.0)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
