"""Calls of the gateway by name, bytes in and bytes out.

Apart from `client`, so that the first calls, which carry nothing, are under way while the messages of the
protocol are imported.
"""

from __future__ import annotations

from typing import Any

from frontend.gateway.quickgrpc import grpc

SERVICE = "/moby.buildkit.v1.frontend.LLBBridge/"
MAX_MESSAGE = 16 << 20
#: The server has its own limit of ten seconds for the first byte; this one is for its answer.
FIRST_SECONDS = 60.0
#: Calls without content that every build needs. Where a server does not know one, nobody asks for its answer.
FIRST = ("Ping", "Inputs")
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    # Details of errors come as metadata, with whole files in them; by itself gRPC takes 8 KiB for sure.
    ("grpc.max_metadata_size", MAX_MESSAGE),
    ("grpc.default_authority", "localhost"),
    ("grpc.enable_http_proxy", 0),
    # There is one connection and no second: what fails on it has failed.
    ("grpc.enable_retries", 0),
)


class Wire:
    """One connection, with the first calls begun. Calls may come from several threads."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._calls: dict[str, Any] = {}
        self._begun = {name: self._call(name).future(b"", timeout=FIRST_SECONDS) for name in FIRST}

    def ask(self, name: str, request: bytes) -> bytes:
        """Return the answer of one call. Raise ``grpc.RpcError``."""
        begun = self._begun.pop(name, None)
        answer: bytes = self._call(name)(request) if begun is None else begun.result()
        return answer

    def _call(self, name: str) -> Any:
        if name not in self._calls:
            self._calls[name] = self._channel.unary_unary(SERVICE + name)
        return self._calls[name]
