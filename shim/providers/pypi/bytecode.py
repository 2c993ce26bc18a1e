"""Bytecode for the modules that the application is going to import, made while wheels arrive and behind its start.

What is compiled is decided by import statements: from the application's files, and from the commands of packages
that it or its command line names, through every wheel. Compiled files are linked back into the cache
beside the wheel, so that another layer with the same wheel has them at once. Bytecode only saves time: an
assembly never fails for want of it.

This is what whoever assembles the layer says to the compiler; `shim.providers.pypi.attendant` runs it in a process
beside, and keeps what it makes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from shim.provider import Hint
from shim.providers.pypi import wheel
from shim.providers.pypi.cache import BYTECODE, Entry
from shim.providers.pypi.layer import Layer

#: Bytes of lines that may wait while it reads sources: nobody shall wait for it meanwhile.
PIPE = 1 << 20

#: Links bytecode into the layer: its file, its place below ``site-packages``, its hash, and the wheel and the source
#: that it is of; whether that is done.
_Link = Callable[[str, str, str, Entry, str], bool]


class Compiler:
    """What is said to the compiler: wheels, as they are linked.

    It compiles what the application is going to import, and everything where nothing is known of that.
    """

    def __init__(self, layer: Layer, hint: Hint) -> None:
        self._layer = layer
        self._hint = hint
        self._lock = threading.Lock()
        self._tag: str | None = None
        self._open = True
        #: Whether several wheels bring a module, so that all has to be made before the layer is used.
        self.contested = False
        self.requests, self._input = os.pipe2(os.O_CLOEXEC)
        self._tags, self.tags = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # where the user has many pipes, it may be as large as others
            fcntl.fcntl(self._input, fcntl.F_SETPIPE_SZ, PIPE)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The ends of pipes that the attendant needs, and this process no more once that runs."""
        return self.requests, self.tags

    def begin(self) -> None:
        """Name what to begin with."""
        self._say(self._beginning())

    def expect(self, folder: Path, names: Iterable[str]) -> None:
        """Tell it of modules of a wheel that still arrives, below a folder's ``site``; they count once it is added."""
        place = f"{folder}/{wheel.SITE}"
        modules = [module for name in names if (module := _module(f"{wheel.SITE}/{name}"))]
        if modules and not {"\n", "\t"} & set(place):
            self._say([f">{place}", *(f"~{module}" for module in modules)])

    def add(self, entry: Entry) -> None:
        """Give it a wheel's modules, and link the bytecode that the cache already has."""
        has_some = (entry.folder / BYTECODE).exists()  # else nobody has to wait until its tag is known
        known = self._known(entry, self._read_tag(), self._link) if has_some else set()
        self._say(self._wheel(entry, known))

    def finish(self) -> None:
        """Say that this was all. It compiles on as long as there is something to do."""
        self._say(self._end())
        self.close()

    def close(self) -> None:
        """Say no more. Without `finish` before, it ends at once."""
        with self._lock:
            for descriptor in (self._input, self._tags) if self._open else ():
                os.close(descriptor)
            self._open = False

    def everything(self, entries: Iterable[Entry], tag: str, aside: Path) -> bytes:
        """All that is to be said of wheels that were linked long ago."""
        contested = set(self._layer.contested())

        def link(bytecode: str, place: str, known: str, entry: Entry, source: str) -> bool:
            mine = source not in contested and self._layer.has(entry, source)
            return mine and self._layer.relink_bytecode(aside, bytecode, place, known)

        lines = self._beginning()
        for entry in entries:
            lines += self._wheel(entry, self._known(entry, tag, link))
        return _lines([*lines, *self._end()])

    def _beginning(self) -> list[str]:
        files = (f"@{path}" for path in self._hint.files if "\n" not in str(path))
        return [*files, *(f"*{module}" for module in self._hint.modules)]

    def _wheel(self, entry: Entry, known: set[str]) -> list[str]:
        modules = [path for file in entry.contents.files if (path := _module(file.path))]
        lines = [f"<{entry.folder.name}", *(f"{'=' if path in known else '+'}{path}" for path in modules)]
        lines += [f"*{module}" for name, module in entry.contents.commands if name in self._hint.words]
        return [*lines, "!"]

    def _end(self) -> list[str]:
        """Files that several wheels bring get no bytecode: it may be of the one that did not stay."""
        contested = self._layer.contested()
        self.contested = bool(contested)
        for path in contested:
            self._layer.forget_bytecode(path)
        return [*(f"-{path}" for path in contested), "."]

    @staticmethod
    def _known(entry: Entry, tag: str, link: _Link) -> set[str]:
        """Link what the cache has of a wheel's bytecode; return the modules it belongs to."""
        root = f"{entry.folder}/{BYTECODE}/{tag}"
        known: set[str] = set()
        for folder, _, names in os.walk(root) if tag else ():
            package = folder[len(root) + 1 :].rpartition("/")[0]
            for name in names:
                made, _, checksum = name.rpartition(".")
                place = f"{folder[len(root) + 1 :]}/{made}"
                module = f"{name.partition('.')[0]}.py"
                source = f"{package}/{module}" if package else module
                if link(f"{folder}/{name}", place, f"crc32={checksum}", entry, source):
                    known.add(source)
        return known

    def _link(self, bytecode: str, place: str, known: str, *_: object) -> bool:
        self._layer.link_bytecode(bytecode, place, known)
        return True

    def _read_tag(self) -> str:
        """What bytecode it makes; empty where it could not be started."""
        with self._lock:
            if self._tag is None and self._open:
                with open(self._tags, "rb", closefd=False) as stream:
                    self._tag = stream.readline().strip().decode("ascii", "replace")
            return self._tag or ""

    def _say(self, lines: list[str]) -> None:
        data = _lines(lines)
        with self._lock, contextlib.suppress(OSError):  # it died: the layer works without it
            while data and self._open:
                data = data[os.write(self._input, data) :]


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _module(path: str) -> str:
    """The path below ``site`` of a file that can be imported as a module, empty for others."""
    scheme, _, rest = path.partition("/")
    if scheme != wheel.SITE or not rest.endswith(".py"):
        return ""
    return rest if all(part.isidentifier() for part in rest[:-3].split("/")) else ""
