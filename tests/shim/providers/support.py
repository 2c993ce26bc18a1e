"""What the tests of providers share: facts of a base, locks of wheels that an index serves, a workplace."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cirfile.lock import Artifact, Component, Lock
from cirfile.manifest import Manifest, Requirement
from shim.companion import Companion
from shim.facts import Facts, Interpreter
from shim.provider import Selection, Workplace
from shim.providers.pypi import PROVIDER
from shim.providers.pypi.ahead import Ahead
from shim.providers.pypi.crew import Crew
from shim.providers.pypi.inflate import Library
from shim.providers.pypi.selection import select
from tests.support.index import Index
from tests.support.wheels import Wheel, sha256

#: The interpreter of the tests stands for that of a base.
PYTHON = Interpreter(os.path.realpath(sys.executable), (*sys.version_info[:2], sys.version_info[2]))
FACTS = Facts("amd64", "glibc", (2, 36), PYTHON)


@dataclass
class Recorded:
    """A progress display that remembers what it was told."""

    phases: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def phase(self, name: str, total: int = 0) -> None:
        self.phases.append(name)

    def advance(self, amount: int) -> None:
        with self.lock:
            self.bytes += amount

    def note(self, text: str) -> None:
        self.notes.append(text)


def lock_of(wheels: Iterable[Path], root: str, index: str = "") -> Lock:
    """A lock of wheel files, as if `root` served them below ``/files/``."""
    components = [
        Component(
            path.name.split("-")[0].replace("_", "-").lower(),
            path.name.split("-")[1],
            (Artifact(path.name, f"{root}/files/{path.name}", sha256(path), path.stat().st_size),),
            index=index,
        )
        for path in wheels
    ]
    return Lock("pypi", tuple(sorted(components, key=lambda component: component.name)))


def workplace(folder: Path, **changes: object) -> Workplace:
    """A workplace with a cache and an empty target below ``folder``; ``changes`` replace its fields."""
    target = folder / "layer"
    target.mkdir(parents=True, exist_ok=True)
    fields: dict[str, object] = {
        "cache": folder / "cache",
        "target": target,
        "facts": FACTS,
        "manifest": Manifest(requirements=(Requirement("pypi", "demo"),)),
        "progress": Recorded(),
        "check": lambda: None,
        "environment": {"HOME": str(folder), "PATH": os.environ["PATH"]},
    }
    return Workplace(**(fields | changes))  # type: ignore[arg-type]


def serve(folder: Path, *wheels: Wheel) -> list[Path]:
    """Write wheels into a folder for an index and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [wheel.write(folder) for wheel in wheels]


def assemble(index: Index, wheels: Iterable[Path], place: Workplace, private: str = "") -> Selection:
    """Select all wheels from an index and assemble them; `private` is the index that the lock names."""
    selection = select(lock_of(wheels, index.root, private), place.facts)
    fill(selection, place)
    return selection


def fill(selection: Selection, place: Workplace) -> dict[str, str]:
    """Assemble a selection to the end, with a companion; return the hashes of both."""
    place.aside.mkdir(exist_ok=True)
    assembly = PROVIDER.assembly(selection, place)
    answers, answer = os.pipe()

    def attend() -> bool:
        found = assembly.attend()
        with os.fdopen(answer, "w", encoding="utf-8") as stream:
            json.dump(found.hashes, stream)
        return found.whole

    companion = Companion.start(attend, {answer, *assembly.descriptors})
    os.close(answer)
    try:
        hashes = dict(assembly.run())
        with os.fdopen(answers, encoding="utf-8") as stream:
            text = stream.read()
        assert companion
        if not companion.wait(lambda: None):
            place.progress.note("no bytecode")
        later: dict[str, str] = json.loads(text or "{}")
        return hashes | later
    except BaseException:
        if companion:
            companion.kill()
        raise
    finally:
        shutil.rmtree(place.aside)


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every file below a folder; links count with their target."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = (os.fsencode(path.readlink()), 0)
        elif path.is_file():
            found[str(path.relative_to(folder))] = (path.read_bytes(), path.stat().st_mode & 0o777)
    return found


class Download:
    """An archive that arrives as a test says."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = bytearray(data)

    def part(self, begin: int, end: int) -> memoryview:
        return memoryview(self._data)[begin:end]


def arrived(folder: Path, data: bytes, fast: Library | None = None, steps: int = 7) -> Ahead:
    """All of an archive has arrived, in so many steps; each comes when the one before was used up."""
    reached = iter(range(1, steps + 1))

    def more() -> None:
        made.arrived(len(data) * next(reached, steps) // steps)

    crew = Crew(more)
    made = Ahead(folder, fast, crew)
    made.follow(Download(data))
    crew.wait()
    return made
