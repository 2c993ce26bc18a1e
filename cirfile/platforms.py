"""OCI platforms as text: ``linux/arm64``, ``arm64``, ``linux/arm/v7``, with the usual other names."""

from __future__ import annotations

import re

from cirfile.plan import Platform

_PART = re.compile(r"[A-Za-z0-9_-]+\Z")
_ARCHITECTURES = {
    "i386": ("386", ""), "x86_64": ("amd64", ""), "x86-64": ("amd64", ""), "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"), "armel": ("arm", "v6"),
}  # fmt: skip
_SYSTEMS = {"macos": "darwin"}
_KNOWN_SYSTEMS = ("linux", "windows", "darwin", "freebsd")


def parse_platform(text: str) -> Platform:
    """Read a platform and normalise it (``arm64/v8`` has no variant). Raise `ValueError` where it is none."""
    parts = text.lower().split("/")
    if len(parts) > 3 or not all(_PART.match(part) for part in parts):
        raise ValueError(f"`{text}` is not a platform")
    if len(parts) == 1:
        if parts[0] in _SYSTEMS or parts[0] in _KNOWN_SYSTEMS:
            return Platform(_SYSTEMS.get(parts[0], parts[0]), Platform().architecture)
        parts = ["linux", *parts]
    architecture, variant = _ARCHITECTURES.get(parts[1], (parts[1], ""))
    variant = parts[2] if len(parts) == 3 else variant
    if (architecture, variant) in (("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")):
        variant = ""
    if architecture == "arm" and variant in ("", "5", "6", "7", "8"):
        variant = f"v{variant or 7}"
    return Platform(_SYSTEMS.get(parts[0], parts[0]), architecture, variant)


def parse_list(text: str) -> tuple[Platform, ...]:
    """Read a comma-separated list; a platform named twice counts once. Raise `ValueError` where one is none."""
    return tuple(dict.fromkeys(parse_platform(part.strip()) for part in text.split(",") if part.strip()))


def normalize(platform: Platform) -> Platform:
    """Return the platform under its canonical name: ``linux/arm64``, not ``linux/aarch64/v8``."""
    return parse_platform(str(platform))


def to_oci(platform: Platform) -> dict[str, str]:
    """Return the platform as OCI JSON writes it."""
    fields = {"architecture": platform.architecture, "os": platform.os, "variant": platform.variant}
    return {key: value for key, value in fields.items() if value}
