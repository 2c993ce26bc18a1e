"""Platforms between the language, the graph and OCI JSON; ids agree with those of the client."""

from __future__ import annotations

import platform as host

from cirfile.plan import Platform
from cirfile.platforms import parse_platform
from frontend.llb import ops


class PlatformError(ValueError):
    """A text that names no platform."""


def parse(text: str) -> Platform:
    """Read ``os/arch[/variant]``, ``os`` or ``arch`` alone. Raise `PlatformError` where it is none."""
    try:
        return parse_platform(text.strip())
    except ValueError as error:
        raise PlatformError(f"{error}; write `linux/amd64` or `linux/arm64`") from None


def parse_list(text: str) -> tuple[Platform, ...]:
    """Read a comma-separated list; a platform named twice counts once."""
    return tuple(dict.fromkeys(parse(part) for part in text.split(",") if part.strip()))


def local() -> Platform:
    """Return the platform this program runs on, which is that of the build server."""
    return parse(f"linux/{host.machine()}")


def to_llb(platform: Platform) -> ops.Platform:
    """Return the platform as the graph writes it."""
    return ops.Platform(platform.os, platform.architecture, platform.variant)
