"""A wheel's archive to a folder by install scheme, every file verified on the way.

The same result as pypa/installer and uv give, up to differences listed in ``bench/assembly/README.md``. No
code of the wheel runs.
"""

from __future__ import annotations

import hashlib
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from shim.contents import spelled
from shim.providers.pypi import scripts, wheel
from shim.providers.pypi.ahead import Placed, place
from shim.providers.pypi.archive import ArchiveError, Buffer, Member, members
from shim.providers.pypi.cache import Contents, File
from shim.providers.pypi.files import Folder
from shim.providers.pypi.inflate import Inflater, Library, inflater, whole

#: Larger members need not go through memory as a whole.
_LARGE = 16 << 20
_INSTALLER = b"cir\n"
#: Files of ``.dist-info`` that the installer writes or leaves out, whatever the wheel brought.
_OWN = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_HASHES = ("sha256", "sha384", "sha512")


class Unpacker:
    """One wheel on its way into a folder."""

    def __init__(
        self,
        data: Buffer,
        project: str,
        folder: Path,
        fast: Library | None,
        ahead: Mapping[str, Placed] = MappingProxyType({}),
    ) -> None:
        """``ahead`` is what lies in the folder already, by name; whether it is right is seen here."""
        self._members = {member.name: member for member in members(data)}
        self._inflater: Inflater = inflater(whole(data), fast)
        self._ahead = self._right(ahead, folder)
        self._files = Folder(folder)
        self._rows: dict[str, tuple[str, int]] = {}
        self.dist_info = wheel.dist_info(list(self._members), project)

    def run(self) -> Contents:
        """Unpack everything. Raise `ArchiveError` for what a wheel may not be, `OSError` for the disk."""
        wheel.check_version(self._metadata("WHEEL"))
        hashes = wheel.record_hashes(self._metadata("RECORD"))
        points = tuple(wheel.entry_points(self._metadata("entry_points.txt", optional=True)))
        left_out = {f"{self.dist_info}/{name}" for name in _OWN}
        for name, member in self._members.items():
            if name not in left_out:
                self._place(member, wheel.destination(name, self.dist_info), hashes.get(name))
        for point in points:
            if f"{wheel.SCRIPTS}/{point.name}" not in self._rows:
                self._add(f"{wheel.SCRIPTS}/{point.name}", scripts.console_script(point), 0o755)
        self._add(f"{wheel.SITE}/{self.dist_info}/INSTALLER", _INSTALLER, 0o644)
        self._record()
        files = tuple(File(path, size, known) for path, (known, size) in self._rows.items())
        return Contents(self.dist_info, files, tuple((point.name, point.module) for point in points))

    def _metadata(self, name: str, optional: bool = False) -> bytes:
        member = self._members.get(f"{self.dist_info}/{name}")
        if member is None:
            if optional:
                return b""
            raise ArchiveError(f"the wheel has no {name}")
        if member.size > _LARGE:
            raise ArchiveError(f"{name} is too large")
        return bytes(self._inflater.read(member))

    def _right(self, ahead: Mapping[str, Placed], folder: Path) -> Mapping[str, Placed]:
        """What was unpacked ahead, if all of it is of this archive: its headers agreed with the central directory."""
        for name, placed in ahead.items():
            member = self._members.get(name)
            if member is None or replace(member, executable=False) != placed.member:
                ahead = {}
                break
        if not ahead and folder.exists():
            shutil.rmtree(folder)
        return ahead

    def _place(self, member: Member, path: str, expected: tuple[str, str] | None) -> None:
        if path in self._rows:
            raise ArchiveError(f"`{member.name}` and another member are the same file")
        if member.name in self._ahead and self._take_over(self._ahead[member.name], member, expected):
            return
        script = path.startswith(f"{wheel.SCRIPTS}/")
        mode = 0o755 if member.executable or script else 0o644
        if member.size > _LARGE:
            algorithm = _algorithm(member, expected)
            with self._files.opened(path, mode) as target:
                digest = self._inflater.copy(member, target, algorithm)
            self._rows[path] = (_check(member, algorithm, digest, expected), member.size)
            return
        content = self._inflater.read(member)
        written = _verify(member, content, expected)
        if script and (changed := scripts.with_interpreter(bytes(content))) != content:
            self._add(path, changed, mode)
            return
        self._files.write(path, content, mode)
        self._rows[path] = (written, member.size)

    def _take_over(self, placed: Placed, member: Member, expected: tuple[str, str] | None) -> bool:
        """Whether a file that was unpacked ahead is what RECORD lists; one of another hash is unpacked anew."""
        path = place(member)
        if expected is None or not expected[0].startswith("sha256="):
            self._files.remove(path)
            return False
        self._rows[path] = (_check(member, "sha256", placed.digest, expected), member.size)
        if member.executable:
            self._files.make_executable(path)
        return True

    def _add(self, path: str, content: bytes, mode: int) -> None:
        self._files.write(path, content, mode)
        self._rows[path] = (spelled("sha256", hashlib.sha256(content).digest()), len(content))

    def _record(self) -> None:
        """Write RECORD anew: with the files added, and with the places of those outside ``site``."""
        own = f"{self.dist_info}/RECORD"
        rows = sorted((recorded(path), *row) for path, row in self._rows.items())
        lines = [f"{_quoted(path)},{digest},{size}\n" for path, digest, size in rows]
        content = "".join([*lines, f"{_quoted(own)},,\n"]).encode()
        self._add(f"{wheel.SITE}/{own}", content, 0o644)


def recorded(path: str) -> str:
    """A path of an entry as RECORD writes it: relative to ``lib/pythonX.Y/site-packages``.

    Headers go to a folder named by the Python version, which an entry does not know: ``{python}`` stands
    for it.
    """
    scheme, _, rest = path.partition("/")
    if scheme == wheel.SITE:
        return rest
    if scheme == wheel.SCRIPTS:
        return f"../../../bin/{rest}"
    return f"../../../{rest}" if scheme == wheel.DATA else f"../../../include/site/{{python}}/{rest}"


def _verify(member: Member, content: Buffer, expected: tuple[str, str] | None) -> str:
    """Compare with RECORD, or with the archive's checksum where RECORD does not list the file."""
    if expected is None:
        if zlib.crc32(content) != member.crc:
            raise ArchiveError(f"`{member.name}` is damaged: its checksum is another")
        return spelled("sha256", hashlib.sha256(content).digest())
    algorithm = _algorithm(member, expected)
    return _check(member, algorithm, hashlib.new(algorithm, content).digest(), expected)


def _algorithm(member: Member, expected: tuple[str, str] | None) -> str:
    """What RECORD hashes a file with."""
    algorithm = expected[0].partition("=")[0] if expected else "sha256"
    if algorithm not in _HASHES:
        raise ArchiveError(f"RECORD gives `{member.name}` a {algorithm[:20]!r} hash; it must be SHA-2")
    return algorithm


def _check(member: Member, algorithm: str, digest: bytes, expected: tuple[str, str] | None) -> str:
    found = spelled(algorithm, digest)
    if expected is not None:
        hashed, size = expected
        if hashed.rstrip("=") != found or (size and size != str(member.size)):
            raise ArchiveError(f"`{member.name}` is not the file that the wheel's RECORD lists")
    return found


def _quoted(path: str) -> str:
    return '"' + path.replace('"', '""') + '"' if "," in path or '"' in path else path
