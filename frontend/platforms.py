"""Platforms as text: read, normalise and write them as containerd does, so that ids agree with the client's."""

from __future__ import annotations

import platform as host

from cirfile.plan import Platform
from frontend.llb import ops

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
#: Variants that mean the same as none, by architecture.
_PLAIN_VARIANTS = {"amd64": ("v1",), "arm64": ("8", "v8", "v8.0")}


class PlatformError(ValueError):
    """A text that names no platform."""


def parse(text: str) -> Platform:
    """Read ``os/arch[/variant]``, ``os`` or ``arch`` alone. Raise `PlatformError` where it is none."""
    parts = text.strip().lower().split("/")
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise PlatformError(f"`{text}` is not a platform; write `linux/amd64` or `linux/arm64`")
    if len(parts) == 1:
        if parts[0] in ("linux", "windows", "darwin", "freebsd"):
            return normalize(Platform(parts[0], local().architecture))
        return normalize(Platform("linux", parts[0]))
    return normalize(Platform(parts[0].partition("(")[0], parts[1], parts[2] if len(parts) == 3 else ""))


def parse_list(text: str) -> tuple[Platform, ...]:
    """Read a comma-separated list; a platform named twice counts once."""
    found = dict.fromkeys(parse(part) for part in text.split(",") if part.strip())
    return tuple(found)


def normalize(platform: Platform) -> Platform:
    """Return the platform under its canonical name: ``linux/arm64``, not ``linux/aarch64/v8``."""
    system = {"macos": "darwin"}.get(platform.os, platform.os)
    architecture, variant = platform.architecture, platform.variant
    if architecture in _ARCHITECTURES:
        architecture, implied = _ARCHITECTURES[architecture]
        variant = variant or implied
    if architecture == "arm":
        variant = variant or "v7"
        variant = variant if variant.startswith("v") else f"v{variant}"
    if variant in _PLAIN_VARIANTS.get(architecture, ()):
        variant = ""
    return Platform(system, architecture, variant)


def local() -> Platform:
    """Return the platform this program runs on, which is that of the build server."""
    return normalize(Platform("linux", host.machine().lower()))


def to_llb(platform: Platform) -> ops.Platform:
    """Return the platform as the graph writes it."""
    return ops.Platform(platform.os, platform.architecture, platform.variant)


def to_oci(platform: Platform) -> dict[str, str]:
    """Return the platform as OCI JSON writes it."""
    fields = {"architecture": platform.architecture, "os": platform.os, "variant": platform.variant}
    return {key: value for key, value in fields.items() if value}
