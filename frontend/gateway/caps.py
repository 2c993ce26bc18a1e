"""What the server can do, as it says in its answer to ``Ping``, and what it runs on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from frontend.llb.ops import Platform
from frontend.proto import caps_pb2, gateway_pb2

#: Without these no build is possible; every server since BuildKit 0.7 (Docker 20.10) has them.
REQUIRED_FRONTEND = ("proto.refarray", "return", "readfile")
REQUIRED_LLB = ("file.base",)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Names of capabilities that are enabled, and the reasons the server gives for disabled ones."""

    frontend: frozenset[str] = frozenset()
    llb: frozenset[str] = frozenset()
    disabled: tuple[tuple[str, str], ...] = ()
    platforms: tuple[Platform, ...] = ()

    def missing(self) -> str:
        """Return why this server cannot build at all, empty if it can."""
        absent = [cap for cap in REQUIRED_FRONTEND if cap not in self.frontend]
        absent += [cap for cap in REQUIRED_LLB if cap not in self.llb]
        if not absent:
            return ""
        return f"the build server lacks {', '.join(absent)}: BuildKit 0.7 (Docker 20.10) or newer is needed"

    def refusal(self, cap: str) -> str:
        """Return why ``cap`` cannot be used, empty if it can."""
        if cap in self.llb or cap in self.frontend:
            return ""
        reason = dict(self.disabled).get(cap)
        if reason is not None:
            return f"`{cap}` is disabled on the build server" + (f": {reason}" if reason else "")
        return f"`{cap}` is not supported by the build server, update it"


def from_pong(pong: gateway_pb2.PongResponse) -> Capabilities:
    """Read the answer to ``Ping``."""
    both = (*pong.FrontendAPICaps, *pong.LLBCaps)
    platforms = pong.Workers[0].platforms if pong.Workers else ()
    return Capabilities(
        frontend=_enabled(pong.FrontendAPICaps),
        llb=_enabled(pong.LLBCaps),
        disabled=tuple((cap.ID, cap.DisabledReasonMsg) for cap in both if not cap.Enabled),
        platforms=tuple(
            Platform(p.OS, p.Architecture, p.Variant, p.OSVersion, tuple(p.OSFeatures)) for p in platforms
        ),
    )


def _enabled(caps: Iterable[caps_pb2.APICap]) -> frozenset[str]:
    return frozenset(cap.ID for cap in caps if cap.Enabled)
