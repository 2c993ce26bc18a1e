"""Bytecode for the modules that the application is going to import, made while wheels arrive and behind its start.

What is compiled is decided by import statements: from the application's files, and from the commands of packages
that it or its command line names, through every wheel. Compiled files are linked back into the cache
beside the wheel, so that another layer with the same wheel has them at once. Bytecode only saves time: an
assembly never fails for want of it.

Whoever assembles the layer tells the compiler of its wheels (`Compiler`). A process beside it (see
`shim.provider.Assembly`) runs the compiler and keeps what it makes (`Attendant`), also when the first one has become
the application.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from shim.facts import Interpreter
from shim.provider import Attended, Hint, Workplace
from shim.providers.pypi import machine, wheel
from shim.providers.pypi.cache import BYTECODE, Entry
from shim.providers.pypi.compiler import PROGRAM
from shim.providers.pypi.layer import Layer

#: Variables that the base's interpreter may need to find its libraries.
_PASSED = ("LD_LIBRARY_PATH", "PATH")
#: Bytes of lines that may wait while it reads sources: nobody shall wait for it meanwhile.
_PIPE = 1 << 20
#: Where the compiler says what bytecode it makes.
_TAGS = 3
#: The status of wait(2) of a program that could not be started.
_FAILED = 127 << 8


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
        self._contested: frozenset[str] | set[str] = frozenset()
        self._link: Callable[[str, str, str, Entry, str], bool] = self._link_anew
        self._aside = Path()
        #: Whether several wheels bring a module, so that all has to be made before the layer is used.
        self.contested = False
        self.requests, self._input = os.pipe2(os.O_CLOEXEC)
        self._tags, self.tags = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # where the user has many pipes, it may be as large as others
            fcntl.fcntl(self._input, fcntl.F_SETPIPE_SZ, _PIPE)

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
        self._say(self._wheel(entry, self._known(entry, self._read_tag()) if has_some else set()))

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
        self._contested = set(self._layer.contested())
        self._link, self._aside = self._link_again, aside
        lines = [
            *self._beginning(),
            *(line for entry in entries for line in self._wheel(entry, self._known(entry, tag))),
        ]
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

    def _known(self, entry: Entry, tag: str) -> set[str]:
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
                if self._link(f"{folder}/{name}", place, f"crc32={checksum}", entry, source):
                    known.add(source)
        return known

    def _link_anew(self, bytecode: str, place: str, known: str, *_: object) -> bool:
        """Link bytecode into a layer that nobody uses yet."""
        self._layer.link_bytecode(bytecode, place, known)
        return True

    def _link_again(self, bytecode: str, place: str, known: str, entry: Entry, source: str) -> bool:
        """Link bytecode into a layer that is in use; whether it is of the file that is there, and could be linked."""
        mine = source not in self._contested and self._layer.has(entry, source)
        return mine and self._layer.relink_bytecode(self._aside, bytecode, place, known)

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


class Attendant:
    """Runs the compiler and keeps what it makes, until nothing is left to do."""

    def __init__(self, layer: Layer, workplace: Workplace, python: Interpreter) -> None:
        self._layer = layer
        self._python = python
        self._environment = workplace.environment
        self._cache = workplace.cache
        self._aside = workplace.aside
        site = workplace.target / layer.site
        layer.make_site()
        everything = "0" if workplace.hint.files or workplace.hint.modules else "1"
        aside = f"{os.path.relpath(workplace.aside, site)}/{os.urandom(8).hex()}"
        self._arguments = [layer.active_site, str(machine.workers()), everything, aside]
        self._arguments.append(str(workplace.niceness))
        #: ``site-packages``, since the layer gets another name meanwhile.
        self.site = os.open(site, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        #: By name of the bytecode below ``site-packages``: its number as a file, and its checksum.
        self._made: dict[str, tuple[int, str]] = {}
        #: What is not linked into the cache yet: `None` once it is known which files several wheels bring.
        self._waiting: dict[str, _Answer] | None = {}
        self._tag = ""
        self._rest = b""

    def run(self, requests: int, tags: int) -> Attended:
        """Compile what is asked for on a pipe, and tell on another what bytecode that is."""
        return self._result(self._converse(b"", -1) if self._start(requests, tags) else _FAILED)

    def resume(self, compiler: Compiler, entries: Iterable[Entry]) -> Attended:
        """Compile what is missing of wheels that were linked long ago."""
        requests, words = os.pipe2(os.O_CLOEXEC)
        nobody = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        if not self._start(requests, nobody):
            return self._result(_FAILED)
        self._read_tag()
        return self._result(self._converse(compiler.everything(entries, self._tag, self._aside), words))

    def _result(self, status: int) -> Attended:
        """What was made and is still there, after the compiler has ended with a status of wait(2).

        An application may have put its own in the place. What is missing was taken for the remains of a crash.
        """
        found = {}
        ended = os.WIFSIGNALED(status)
        for name, (number, checksum) in self._made.items():
            try:
                if os.stat(name, dir_fd=self.site).st_ino == number:
                    found[f"{self._layer.site}/{name}"] = f"crc32={checksum}"
            except FileNotFoundError:
                ended = True
        return Attended(found, whole=status == 0, ended=ended)

    def _start(self, requests: int, tags: int) -> bool:
        """Start the compiler, which gets these ends of pipes; `False` where it cannot be."""
        argv = [self._python.path, "-I", "-S", "-W", "ignore", "-c", PROGRAM, *self._arguments]
        passed = {name: self._environment[name] for name in _PASSED if name in self._environment}
        os.fchdir(self.site)
        self._output, answers = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            fcntl.fcntl(answers, fcntl.F_SETPIPE_SZ, _PIPE)
        actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_DUP2, requests, 0),
            (os.POSIX_SPAWN_DUP2, answers, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, tags, _TAGS),
        ]
        try:
            self._pid = os.posix_spawn(self._python.path, argv, passed, file_actions=actions)
        except OSError:
            return False
        finally:
            for descriptor in (answers, requests, tags):
                os.close(descriptor)
        return True

    def _read_tag(self) -> None:
        """Its first line; empty where it has died."""
        while b"\n" not in self._rest and (piece := os.read(self._output, 4096)):
            self._rest += piece
        first, _, self._rest = self._rest.partition(b"\n")
        self._tag = first.decode("ascii", "replace")

    def _converse(self, data: bytes, requests: int) -> int:
        """Write to it what it takes and keep what it answers, to the end; return its status."""
        to_say = memoryview(data)
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            if requests >= 0:
                os.set_blocking(requests, False)
                selector.register(requests, selectors.EVENT_WRITE)
            while selector.get_map():
                for key, _ in selector.select():
                    if key.fd == requests:
                        to_say = _write(requests, to_say)
                    over = not to_say if key.fd == requests else not self._hear()
                    if over:
                        selector.unregister(key.fd)
                        os.close(key.fd)
        return os.waitpid(self._pid, 0)[1]

    def _hear(self) -> bool:
        """Keep what it has answered; `False` at the end."""
        piece = os.read(self._output, 1 << 16)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._keep(line.decode("utf-8", "surrogateescape"))
        return bool(piece)

    def _keep(self, line: str) -> None:
        if not self._tag:
            self._tag = line
        elif line == ".":
            for answer in (self._waiting or {}).values():
                self._link(answer)
            self._waiting = None
        elif line.startswith("-"):
            self._made.pop(line[1:], None)
            if self._waiting:
                self._waiting.pop(line[1:], None)
        else:
            answer = _Answer(*line[1:].split("\t"))
            self._made[answer.made] = int(answer.number), answer.checksum
            if self._waiting is None:
                self._link(answer)
            else:
                self._waiting[answer.made] = answer

    def _link(self, answer: _Answer) -> None:
        """Link a compiled file into the cache; if somebody else has made it meanwhile, theirs stays.

        What was compiled must be the wheel's own file, and what is linked must be what was made of it: an application
        may change both in the layer.
        """
        entry = self._cache / answer.wheel
        place = entry / BYTECODE / self._tag / f"{answer.made}.{answer.checksum}"
        with contextlib.suppress(OSError):
            if (entry / wheel.SITE / answer.source).stat().st_ino != int(answer.origin):
                return
            try:
                os.link(answer.made, place, src_dir_fd=self.site)
            except FileNotFoundError:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.link(answer.made, place, src_dir_fd=self.site)
            if place.stat().st_ino != int(answer.number):
                place.unlink()


class _Answer(NamedTuple):
    """A compiled file and its source: paths below ``site-packages``, and numbers as files."""

    made: str
    number: str
    checksum: str
    wheel: str
    source: str
    origin: str


def _write(descriptor: int, data: memoryview) -> memoryview:
    """Write what can be written now; return the rest, nothing where nobody reads."""
    try:
        return data[os.write(descriptor, data) :]
    except BlockingIOError:
        return data
    except OSError:
        return data[:0]


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _module(path: str) -> str:
    """The path below ``site`` of a file that can be imported as a module, empty for others."""
    scheme, _, rest = path.partition("/")
    if scheme != wheel.SITE or not rest.endswith(".py"):
        return ""
    return rest if all(part.isidentifier() for part in rest[:-3].split("/")) else ""
