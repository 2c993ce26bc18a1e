"""What the header of a SIF tells: which image it is, for which architecture, and whether the file is whole.

The format is that of https://github.com/apptainer/sif: a header of 128 bytes, then descriptors of 585 bytes.
"""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass
from pathlib import Path

from cirfile.cli.errors import INVALID, NO_INPUT, NOT_PROMISED, CliError

_HEADER = struct.Struct("<32s10s3s3s16s8q")
_DESCRIPTOR = struct.Struct("<i?3I3q")
_DESCRIPTOR_SIZE = 585
_MAGIC = b"SIF_MAGIC\0"
_ARCHITECTURES = {b"02": "amd64", b"04": "arm64", b"08": "ppc64le", b"11": "s390x", b"12": "riscv64"}
_MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


@dataclass(frozen=True, slots=True)
class Sif:
    """A SIF: its file, its identifier (a copy has the same), and the architecture of its programs."""

    path: Path
    identifier: str
    architecture: str

    def check_machine(self) -> None:
        """Raise `CliError` (78) where this machine does not run its programs."""
        own = _MACHINES.get(platform.machine(), platform.machine())
        if self.architecture not in (own, ""):
            raise CliError(
                NOT_PROMISED, f"{self.path} is for {self.architecture}, this machine is {own}",
                f"build it with --platform linux/{own}",
            )  # fmt: skip


def read(path: Path) -> Sif:
    """Read the header of a SIF. Raise `CliError` where there is none (66), or where the file is not whole (65)."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size or _HEADER.unpack(header)[1] != _MAGIC:
                raise CliError(
                    INVALID, f"{path} is no SIF, the format of Apptainer's images",
                    "name a file that `cir build --engine apptainer` or `apptainer build` has made",
                )  # fmt: skip
            fields = _HEADER.unpack(header)
            total, offset = fields[8], fields[9]
            file.seek(offset)
            needed = _end(file.read(total * _DESCRIPTOR_SIZE), offset + total * _DESCRIPTOR_SIZE)
        found = path.stat().st_size
    except FileNotFoundError:
        raise CliError(NO_INPUT, f"there is no {path}", "check its name, or build it") from None
    except OSError as error:
        raise CliError(NO_INPUT, f"{path}: {(error.strerror or '').lower()}") from None
    if found < needed:
        raise CliError(
            INVALID,
            f"{path} is cut short: it has {found} of {needed} bytes",
            "copy it again, or build it again",
        )
    return Sif(path, fields[4].hex(), _ARCHITECTURES.get(fields[3][:2], ""))


def _end(descriptors: bytes, least: int) -> int:
    """Where the last object of a file ends."""
    whole = len(descriptors) // _DESCRIPTOR_SIZE * _DESCRIPTOR_SIZE
    ends = [least]
    for start in range(0, whole, _DESCRIPTOR_SIZE):
        _, used, _, _, _, offset, size, _ = _DESCRIPTOR.unpack_from(descriptors, start)
        if used:
            ends.append(offset + size)
    return max(ends)
