"""The layer as a virtual environment, and cache entries hard-linked into it.

A virtual environment (PEP 405) needs no program to be made: ``pyvenv.cfg`` names the folder of the base's
interpreter, ``bin`` links to it. A file that several wheels bring is taken from the last by name, so that
equal selections give equal layers in whatever order wheels arrive.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import threading
from pathlib import Path

from shim import unfinished
from shim.contents import NAME
from shim.errors import UNAVAILABLE, ShimError
from shim.facts import Interpreter
from shim.paths import ACTIVE_LAYER
from shim.providers.pypi import wheel
from shim.providers.pypi.cache import Entry

_CONFIGURATION = """home = {home}
include-system-site-packages = false
version = {version}
"""
#: Links cannot be made here: another file system, too many links, or a file system without them.
_NO_LINK = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.EACCES, errno.ENOSYS)
_RESERVED = ("pyvenv.cfg", "layer.json", NAME, unfinished.NAME, "sbom.json")


class LostError(Exception):
    """A file that a cache entry lists is not there."""


class Layer:
    """A layer being filled; wheels may be added from several threads."""

    def __init__(self, target: Path, python: Interpreter) -> None:
        self._target = str(target)
        self._python = (
            f"python{python.tag}{'t' * ('t' in python.abiflags)}"  # a debug build has no folder of its own
        )
        self.site = f"lib/{self._python}/site-packages"
        self.hashes: dict[str, str] = {}
        #: Hashes of bytecode that was linked since the layer has been in use.
        self.relinked: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._contested: set[str] = set()
        self._made: set[str] = set()
        self._lock = threading.Lock()

    @property
    def active_site(self) -> str:
        """``site-packages`` as it is called while the layer is active."""
        return f"{ACTIVE_LAYER}/{self.site}"

    def begin(self, python: Interpreter) -> None:
        """Make the environment itself; running again changes nothing."""
        self._folder("bin")
        self._folder(self.site)
        version = ".".join(str(part) for part in python.version)
        text = _CONFIGURATION.format(home=Path(python.path).parent, version=version)
        Path(self._target, "pyvenv.cfg").write_text(text)
        for name in ("python", "python3", self._python):
            with contextlib.suppress(FileExistsError):
                Path(self._target, "bin", name).symlink_to(python.path)

    def add(self, entry: Entry, project: str) -> None:
        """Link every file of an entry to its place. Raise `LostError` where one is not there.

        Adding the same wheel again afterwards, from an entry that is whole, makes up for what was linked before.
        """
        source, record = f"{entry.folder}", f"{wheel.SITE}/{entry.contents.dist_info}/RECORD"
        headers = any(file.path.startswith(f"{wheel.HEADERS}/") for file in entry.contents.files)
        for file in entry.contents.files:
            place = self._place(file.path, project)
            adapted = headers and file.path == record
            if not self._claim(place, project, "" if adapted else file.hash):
                continue
            self._folder(place.rpartition("/")[0])
            try:
                if adapted:
                    self._record(f"{source}/{file.path}", place, project)
                else:
                    self._link(f"{source}/{file.path}", place, project)
            except FileNotFoundError:
                if (entry.folder / file.path).exists():  # then it is the layer that is gone
                    raise
                raise LostError(file.path) from None

    def make_site(self) -> None:
        """Make ``site-packages``. Raise `FileNotFoundError` where the layer is gone."""
        self._folder(self.site)

    def know(self, entry: Entry, project: str) -> None:
        """Note the files of an entry that was added when the layer was made."""
        for file in entry.contents.files:
            self._claim(self._place(file.path, project), project, file.hash)

    def has(self, entry: Entry, path: str) -> bool:
        """Whether a file below ``site-packages`` is an entry's own, which no application has changed."""
        try:
            return Path(self._target, self.site, path).samefile(entry.folder / wheel.SITE / path)
        except OSError:
            return False

    def link_bytecode(self, source: str, path: str, known: str) -> None:
        """Link a bytecode file, whose hash is known, to ``path`` below ``site-packages``."""
        place = f"{self.site}/{path}"
        self.hashes[place] = known
        self._folder(place.rpartition("/")[0])
        self._link(source, place, self._owners.get(place, ""))

    def relink_bytecode(self, aside: Path, source: str, path: str, known: str) -> bool:
        """As `link_bytecode`, in a layer that is in use; where no link can be made, what is there stays."""
        place = f"{self.site}/{path}"
        target, made = Path(self._target, place), aside / os.urandom(8).hex()
        try:
            if not (target.exists() and target.samefile(source)):
                self._folder(place.rpartition("/")[0])
                os.link(source, made)
                made.replace(target)
        except OSError:
            made.unlink(missing_ok=True)
            return False
        self.relinked[place] = known
        return True

    def forget_bytecode(self, path: str) -> None:
        """Remove all bytecode of a source below ``site-packages``."""
        module = Path(self._target, self.site, path)
        for made in module.parent.glob(f"__pycache__/{glob.escape(module.stem)}.*"):
            made.unlink(missing_ok=True)
            self.hashes.pop(f"{made.relative_to(self._target)}", None)

    def contested(self) -> list[str]:
        """Files below ``site-packages`` of several projects; which one stays is only sure at the end."""
        with self._lock:
            prefix = f"{self.site}/"
            return [place[len(prefix) :] for place in self._contested if place.startswith(prefix)]

    def _claim(self, place: str, project: str, known: str) -> bool:
        """Note that a project brings a file with a hash; whether it may stay, as far as is known now."""
        with self._lock:
            owner = self._owners.setdefault(place, project)
            if owner != project:
                self._contested.add(place)
            if owner > project:
                return False
            self._owners[place] = project
            self.hashes[place] = known
            return True

    def _place(self, path: str, project: str) -> str:
        """Where a file of an entry goes in the layer."""
        scheme, _, rest = path.partition("/")
        if scheme == wheel.SITE:
            return f"{self.site}/{rest}"
        if scheme == wheel.SCRIPTS:
            return f"bin/{rest}"
        if scheme == wheel.HEADERS:
            return f"include/site/{self._python}/{project}/{rest}"
        if rest in _RESERVED or wheel.is_interpreter(rest):
            raise ShimError(
                UNAVAILABLE, f"{project} brings `{rest}`, which belongs to the layer", "leave it out"
            )
        return rest

    def _folder(self, folder: str) -> None:
        """Make a folder below the layer's, never that itself: once it was given up it must not come back."""
        if not folder or folder in self._made:
            return
        self._folder(folder.rpartition("/")[0])
        place = Path(self._target, folder)
        try:
            place.mkdir()
        except (FileExistsError, NotADirectoryError):
            if not place.is_dir():
                raise _in_the_way(folder) from None
        self._made.add(folder)

    def _record(self, source: str, place: str, project: str) -> None:
        """RECORD of a wheel with headers names their folder, which depends on the Python version."""
        text = Path(source).read_text("utf-8")
        target = Path(self._target, place)
        target.unlink(missing_ok=True)
        target.write_text(text.replace("/include/site/{python}/", f"/include/site/{self._python}/{project}/"))

    def _link(self, source: str, place: str, project: str) -> None:
        try:
            try:
                os.link(source, f"{self._target}/{place}")
            except FileExistsError:  # said before it is said that no link can be made at all
                self._replace(source, place, project)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            self._copy(source, place, project)

    def _replace(self, source: str, place: str, project: str) -> None:
        """Put a file in the place of another project's, unless that has become the owner meanwhile."""
        with self._lock:
            if self._owners.get(place, project) != project:
                return
            try:
                Path(self._target, place).unlink(missing_ok=True)
            except (IsADirectoryError, PermissionError):
                raise _in_the_way(place) from None
            os.link(source, f"{self._target}/{place}")

    def _copy(self, source: str, place: str, project: str) -> None:
        """Put a copy there, whole, unless another project has become the owner meanwhile."""
        aside = f"{self._target}/.{os.urandom(8).hex()}"
        shutil.copyfile(source, aside)
        shutil.copymode(source, aside)
        with self._lock:
            if self._owners.get(place, project) != project:
                Path(aside).unlink()
                return
            try:
                Path(aside).replace(Path(self._target, place))
            except (IsADirectoryError, PermissionError):
                raise _in_the_way(place) from None


def _in_the_way(place: str) -> ShimError:
    message = f"`{place}` is a file in one wheel and a folder in another"
    return ShimError(UNAVAILABLE, message, "these packages cannot be installed together")
