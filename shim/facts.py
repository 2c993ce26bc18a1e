"""Platform facts: what the machine and the base of this container are, as a frozen value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The base's Python: absolute path, version, and the ABI flags of its wheel tag (``t`` for free threading)."""

    path: str
    version: tuple[int, int, int]
    implementation: str = "cpython"
    abiflags: str = ""

    @property
    def tag(self) -> str:
        """The minor version as users write it, e.g. ``3.11``."""
        return f"{self.version[0]}.{self.version[1]}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What selects builds. ``arch`` in OCI words, ``libc`` one of ``glibc``, ``musl``, ``none`` (``scratch``)."""

    arch: str
    libc: str
    libc_version: tuple[int, int] = (0, 0)
    python: Interpreter | None = None
    accelerator: str = "none"
    microarch: str = ""
