"""Runs the compiler beside the assembly and keeps what it makes, also when the assembly has become the application.

What it has compiled is linked into the cache, beside its wheel, and told to whoever finishes the layer. See
`shim.provider.Assembly`, and `shim.providers.pypi.compiler` for what is said and answered.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
from collections.abc import Iterable
from typing import NamedTuple

from shim.facts import Interpreter
from shim.provider import Attended, Workplace
from shim.providers.pypi import machine, wheel
from shim.providers.pypi.bytecode import PIPE, Compiler
from shim.providers.pypi.cache import BYTECODE, Entry
from shim.providers.pypi.compiler import PROGRAM
from shim.providers.pypi.layer import Layer

#: Variables that the base's interpreter may need to find its libraries.
_PASSED = ("LD_LIBRARY_PATH", "PATH")
#: Where the compiler says what bytecode it makes.
_TAGS = 3
#: The status of wait(2) of a program that could not be started.
_FAILED = 127 << 8


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
        numbers = str(machine.workers()), str(workplace.niceness)
        self._arguments = [layer.active_site, numbers[0], everything, aside, numbers[1]]
        #: ``site-packages``, since the layer gets another name meanwhile.
        self.site = os.open(site, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        #: By name of the bytecode below ``site-packages``.
        self._made: dict[str, _Answer] = {}
        #: Whether it is known by now which files several wheels bring: the cache gets nothing before.
        self._sure = False
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
        for name, answer in self._made.items():
            try:
                if os.stat(name, dir_fd=self.site).st_ino == int(answer.number):
                    found[f"{self._layer.site}/{name}"] = f"crc32={answer.checksum}"
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
            fcntl.fcntl(answers, fcntl.F_SETPIPE_SZ, PIPE)
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
            self._sure = True
            for answer in self._made.values():
                self._link(answer)
        elif line.startswith("-"):
            self._made.pop(line[1:], None)
        else:
            answer = _Answer(*line[1:].split("\t"))
            self._made[answer.made] = answer
            if self._sure:
                self._link(answer)

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
