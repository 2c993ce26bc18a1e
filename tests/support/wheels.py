"""Tiny wheels made on the fly, well-formed by default and broken where a test asks for it."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: The earliest time a zip archive can hold; fixed so that the same wheel has the same digest.
_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Wheel:
    """What a tiny wheel contains; ``files`` maps archive names to contents, metadata comes by itself.

    ``entry_points`` is the text of that file, ``requires`` are PEP 508 requirements, ``modes`` Unix modes by
    archive name (0644 otherwise), ``extra`` members that RECORD does not list, ``record`` replaces RECORD.
    """

    name: str
    version: str = "1.0"
    tag: str = "py3-none-any"
    files: Mapping[str, bytes | str] = field(default_factory=dict, hash=False)
    entry_points: str = ""
    requires: tuple[str, ...] = ()
    modes: Mapping[str, int] = field(default_factory=dict, hash=False)
    extra: Mapping[str, bytes] = field(default_factory=dict, hash=False)
    record: str | None = None
    purelib: bool = True
    wheel_version: str = "1.0"

    @property
    def escaped(self) -> str:
        """The name as file names carry it."""
        return self.name.replace("-", "_").replace(".", "_")

    @property
    def filename(self) -> str:
        """The file name of the wheel."""
        return f"{self.escaped}-{self.version}-{self.tag}.whl"

    @property
    def dist_info(self) -> str:
        """The name of the metadata folder."""
        return f"{self.escaped}-{self.version}.dist-info"

    def members(self) -> dict[str, bytes]:
        """Every member of the archive by name, RECORD last."""
        members = {name: _bytes(content) for name, content in self.files.items()}
        lines = [f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"]
        lines += [f"Requires-Dist: {requirement}\n" for requirement in self.requires]
        members[f"{self.dist_info}/METADATA"] = "".join(lines).encode()
        root = "true" if self.purelib else "false"
        wheel = f"Wheel-Version: {self.wheel_version}\nGenerator: test\nRoot-Is-Purelib: {root}\n"
        members[f"{self.dist_info}/WHEEL"] = f"{wheel}Tag: {self.tag}\n".encode()
        if self.entry_points:
            members[f"{self.dist_info}/entry_points.txt"] = self.entry_points.encode()
        record = f"{self.dist_info}/RECORD"
        text = record_of(members) + f"{record},,\n"
        members.update(self.extra)
        members[record] = (text if self.record is None else self.record).encode()
        return members

    def write(self, folder: Path) -> Path:
        """Write the wheel into ``folder`` and return its path."""
        path = folder / self.filename
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.members().items():
                info = zipfile.ZipInfo(name, _TIME)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3
                info.external_attr = (0o100000 | self.modes.get(name, 0o644)) << 16
                archive.writestr(info, content)
        return path


def record_of(members: Mapping[str, bytes]) -> str:
    """RECORD lines of the members, without the line of RECORD itself."""
    return "".join(
        f"{_quoted(name)},{_digest(content)},{len(content)}\n" for name, content in members.items()
    )


def sha256(path: Path) -> str:
    """SHA-256 of a file in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(content: bytes) -> str:
    raw = hashlib.sha256(content).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name


def _bytes(content: bytes | str) -> bytes:
    return content if isinstance(content, bytes) else content.encode()
