"""Bytecode for the modules that the application is going to import, made while other wheels still arrive.

What is compiled is decided by import statements: from the application's files, and from the commands of packages
that it or its command line names, through every wheel. Compiled files are linked back into the cache
beside the wheel, so that another layer with the same wheel has them at once. Bytecode only saves time: an
assembly never fails for want of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from shim.facts import Interpreter
from shim.provider import Hint
from shim.providers.pypi import wheel
from shim.providers.pypi.cache import BYTECODE, Entry
from shim.providers.pypi.compiler import PROGRAM
from shim.providers.pypi.layer import Layer

#: Variables that the base's interpreter may need to find its libraries.
_PASSED = ("LD_LIBRARY_PATH", "PATH")
#: Bytes of lines that may wait while it reads sources: nobody shall wait for it meanwhile.
_PIPE = 1 << 20


class Compiler:
    """A running compiler; wheels are added as they are linked.

    It compiles what the application is going to import, and everything where nothing is known of that.
    """

    def __init__(self, layer: Layer, target: Path, hint: Hint) -> None:
        self._layer = layer
        self._site = target / layer.site
        self._hint = hint
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._tagged = threading.Event()
        self._tag = ""
        self._pid = 0
        self._input = -1
        self._reader: threading.Thread | None = None

    def start(self, python: Interpreter, workers: int, environment: Mapping[str, str]) -> bool:
        """Start the base's interpreter; `False` where it cannot be."""
        if python.implementation != "cpython":
            return False
        everything = "0" if self._hint.files or self._hint.modules else "1"
        arguments = [str(self._site), self._layer.active_site, str(workers), everything]
        argv = [python.path, "-I", "-S", "-W", "ignore", "-c", PROGRAM, *arguments]
        passed = {name: environment[name] for name in _PASSED if name in environment}
        requests, self._input = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # where the user has many pipes, it may be as large as others
            fcntl.fcntl(self._input, fcntl.F_SETPIPE_SZ, _PIPE)
        output, answers = os.pipe2(os.O_CLOEXEC)
        actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_DUP2, requests, 0),
            (os.POSIX_SPAWN_DUP2, answers, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        try:
            self._pid = os.posix_spawn(python.path, argv, passed, file_actions=actions, setpgroup=0)
        except OSError:
            os.close(output)
            return False
        finally:
            os.close(requests)
            os.close(answers)
        self._reader = threading.Thread(target=self._read, args=(output,), daemon=True)
        self._reader.start()
        self._say(
            [
                *(f"@{path}" for path in self._hint.files if "\n" not in str(path)),
                *(f"*{module}" for module in self._hint.modules),
            ]
        )
        return True

    def expect(self, folder: Path, names: Iterable[str]) -> None:
        """Tell it of modules of a wheel that still arrives, below a folder's ``site``; they count once it is added."""
        place = f"{folder}/{wheel.SITE}"
        modules = [module for name in names if (module := _module(f"{wheel.SITE}/{name}"))]
        if self._pid and modules and not {"\n", "\t"} & set(place):
            self._say([f">{place}", *(f"~{module}" for module in modules)])

    def add(self, entry: Entry) -> None:
        """Give it a wheel's modules, and link the bytecode that the cache already has."""
        if not self._pid:
            return
        modules = [path for file in entry.contents.files if (path := _module(file.path))]
        self._tagged.wait()
        known = set(self._known(entry))
        with self._lock:
            self._entries.update(dict.fromkeys(modules, entry))
        lines = [f"{'=' if path in known else '+'}{path}" for path in modules]
        lines += [f"*{module}" for name, module in entry.contents.commands if name in self._hint.words]
        self._say([*lines, "!"])

    def finish(self) -> bool:
        """Wait until everything in scope is compiled; whether that went well."""
        if not self._pid:
            return False
        self._say(["."])
        while self._reader and self._reader.is_alive():  # in short steps, so that a signal ends the wait
            self._reader.join(0.1)
        self._forget_contested()
        if self._reap() == 0:
            return True
        self._forget_unanswered()
        return False

    def stop(self) -> None:
        """End it at once, if it still runs."""
        if self._pid:
            self._kill(self._pid)
            self._reap()

    def _reap(self) -> int:
        pid, self._pid = self._pid, 0
        os.close(self._input)
        status = 1
        with contextlib.suppress(ChildProcessError):
            status = os.waitpid(pid, 0)[1]
        if status:
            # Its workers outlive it by what they were given; of the first process they are children then.
            self._kill(pid)
            with contextlib.suppress(ChildProcessError):
                while True:
                    os.waitpid(-pid, 0)
        return status

    @staticmethod
    def _kill(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)

    def _say(self, lines: list[str]) -> None:
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        with self._lock, contextlib.suppress(OSError):  # it died: seen when it is reaped
            while data:
                data = data[os.write(self._input, data) :]

    def _read(self, output: int) -> None:
        try:
            with open(output, encoding="utf-8", errors="surrogateescape") as stream:
                self._tag = stream.readline().strip()
                self._tagged.set()
                for line in stream:
                    self._keep(*line.rstrip("\n").split("\t"))
        finally:
            self._tagged.set()

    def _forget_contested(self) -> None:
        """Remove the bytecode of files that several wheels bring: it may be of the one that did not stay."""
        for path in self._layer.contested():
            module = self._site / path
            for made in module.parent.glob(f"__pycache__/{module.stem}.*"):
                made.unlink(missing_ok=True)

    def _forget_unanswered(self) -> None:
        """Remove the bytecode of which nobody has said that it was written whole: its writer was killed."""
        for folder, _, names in os.walk(self._site):
            for name in names:
                path = Path(folder, name)
                if (
                    name.endswith(".pyc")
                    and f"{self._layer.site}/{path.relative_to(self._site)}" not in self._layer.hashes
                ):
                    path.unlink(missing_ok=True)

    def _keep(self, source: str, made: str, checksum: str) -> None:
        """Link a compiled file into the cache; if somebody else has made it meanwhile, theirs stays."""
        self._layer.hashes[f"{self._layer.site}/{made}"] = f"crc32={checksum}"
        if self._layer.is_contested(source):
            return
        folder = self._bytecode(self._entries[source])
        place = f"{folder}/{made}.{checksum}"
        with contextlib.suppress(OSError):
            try:
                os.link(self._site / made, place)
            except FileNotFoundError:
                Path(place).parent.mkdir(parents=True, exist_ok=True)
                os.link(self._site / made, place)

    def _known(self, entry: Entry) -> list[str]:
        """Link what the cache has of a wheel's bytecode; return the modules it belongs to."""
        root = self._bytecode(entry)
        known = []
        for folder, _, names in os.walk(root) if self._tag else ():
            package = folder[len(root) + 1 :].rpartition("/")[0]
            for name in names:
                made, _, checksum = name.rpartition(".")
                place = f"{folder[len(root) + 1 :]}/{made}"
                self._layer.link_bytecode(f"{folder}/{name}", place, f"crc32={checksum}")
                module = f"{name.partition('.')[0]}.py"
                known.append(f"{package}/{module}" if package else module)
        return known

    def _bytecode(self, entry: Entry) -> str:
        return f"{entry.folder}/{BYTECODE}/{self._tag}"


def _module(path: str) -> str:
    """The path below ``site`` of a file that can be imported as a module, empty for others."""
    scheme, _, rest = path.partition("/")
    if scheme != wheel.SITE or not rest.endswith(".py"):
        return ""
    return rest if all(part.isidentifier() for part in rest[:-3].split("/")) else ""
