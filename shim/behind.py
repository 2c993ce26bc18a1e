"""What goes on behind the start of the application: the rest of a layer that works without it.

A companion (see `shim.companion`) attends to the assembly from its beginning. Once the layer is published, this process
may become the application; the companion adds what is still to come, lists it, and makes the next start a warm one.
If it is ended before, as with a container that has little to do, the next start begins another one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shim import contents
from shim.companion import Companion
from shim.contents import UNFINISHED
from shim.progress import Silent
from shim.provider import Assembly
from shim.store import Store

#: Of what takes processors behind the application: that goes first where there are not enough for both.
NICENESS = 19
_NAME = "cir-behind"
_PUBLISHED = b"."
#: Seconds in which little is finished before the application starts, so that the next start is a warm one for certain.
_GRACE = 0.03
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25


@dataclass(frozen=True, slots=True)
class Goal:
    """A layer, the address that leads to it once it is finished, and whether to wait for that."""

    store: Store
    key: str
    address: str
    wait: bool


class Behind:
    """The companion of an assembly."""

    def __init__(self, goal: Goal, companion: Companion | None, part: int, word: int, attended: int) -> None:
        self._goal = goal
        self._companion = companion
        self._part = part
        self._word = word
        self._attended = attended

    @classmethod
    def start(cls, goal: Goal, folder: Path, assemblies: Sequence[Assembly], progress: Silent) -> Behind:
        """Begin to attend to assemblies that fill a folder. To be called while there is no other thread."""
        part = _lock(folder)
        attending = [assembly for assembly in assemblies if assembly.descriptors]
        if not attending:
            return cls(goal, None, part, -1, -1)
        told, word = os.pipe2(os.O_CLOEXEC)
        attended, done = os.pipe2(os.O_CLOEXEC)
        keep = {
            part,
            told,
            done,
            *(descriptor for assembly in attending for descriptor in assembly.descriptors),
        }
        companion = Companion.start(lambda: _attend(goal, part, attending, told, done), keep)
        os.close(told)
        os.close(done)
        if companion is None:
            progress.note("no process could be had to make bytecode; imports will be slower")
        return cls(goal, companion, part, word, attended)

    def published(self, assemblies: Sequence[Assembly], progress: Silent, check: Callable[[], None]) -> None:
        """A layer has got its place, this one or another's: let the rest go on, or wait for it.

        :param check: raises what shall end the wait
        """
        if not _is_that_of(self._goal, self._part):
            self.stop()
        elif self._companion is None:
            contents.finish(self._goal.store.path(self._goal.key), {})
        else:
            with contextlib.suppress(BrokenPipeError):  # it was killed
                os.write(self._word, _PUBLISHED)
            whole = any(assembly.has_to_be_whole() for assembly in assemblies)
            wait = self._goal.wait or whole or bool(select.select([self._attended], (), (), _GRACE)[0])
            _leave(self._companion, wait, progress, check)
            if self._goal.wait:
                _settle(self._goal, self._part)

    def stop(self) -> None:
        """End it with an assembly that has failed."""
        if self._companion:
            self._companion.kill()


def resume(
    goal: Goal, assemblies: Callable[[], Sequence[Assembly]], progress: Silent, check: Callable[[], None]
) -> None:
    """Have a published layer finished whose companion was ended; nothing where the layer cannot be written.

    :param check: raises what shall end the wait for another that is at work
    """
    part = _lock_when_free(goal, check)
    if part is None:
        return
    companion = Companion.start(lambda: _resume(goal, part, assemblies), {part})
    if companion:
        _leave(companion, goal.wait, progress, check)
    if goal.wait:
        _settle(goal, part)
    os.close(part)


def _lock_when_free(goal: Goal, check: Callable[[], None]) -> int | None:
    """The lock on a layer; `None` where it is finished or cannot be written, or nobody waits for who has it."""
    layer = goal.store.path(goal.key)
    pause = _FIRST_PAUSE
    while os.access(layer, os.W_OK):
        try:
            return _lock(layer)
        except BlockingIOError:
            if not goal.wait:
                break
        except OSError:  # finished, or not to be had
            break
        check()
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return None


def _leave(companion: Companion, wait: bool, progress: Silent, check: Callable[[], None]) -> None:
    """Let it go on, or wait for it where that is asked for or must be."""
    if companion.hidden and not wait:
        progress.debug("bytecode is made behind the application")
        return
    progress.phase("compile")
    try:
        if not companion.wait(check):
            progress.note("no bytecode could be made; imports will be slower")
    except BaseException:
        companion.kill()
        raise


def _attend(goal: Goal, part: int, assemblies: Sequence[Assembly], told: int, done: int) -> bool:
    """The companion of an assembly; the result is whether all was made."""
    _introduce_itself()
    hashes, whole = _together([assembly.attend() for assembly in assemblies])
    os.close(done)
    if os.read(told, 1) == _PUBLISHED:
        _finish(goal, hashes, part)
    return whole


def _resume(goal: Goal, part: int, assemblies: Callable[[], Sequence[Assembly]]) -> bool:
    """The companion of a start that has found the layer unfinished."""
    _introduce_itself()
    if not goal.wait:
        os.nice(NICENESS)
    if not _is_that_of(goal, part):
        return True
    hashes, whole = _together([assembly.resume() for assembly in assemblies()])
    _finish(goal, hashes, part)
    return whole


def _together(results: list[tuple[dict[str, str], bool]]) -> tuple[dict[str, str], bool]:
    hashes = {path: known for found, _ in results for path, known in found.items()}
    return hashes, all(whole for _, whole in results)


def _introduce_itself() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(_NAME)


def _lock(layer: Path) -> int:
    """The folder of files on their way, locked as far as the file system has locks; whoever has it open has the lock.

    A lock saves double work only: what is made gets its place by a rename.

    :raises BlockingIOError: while another works there
    :raises OSError: where it is not there or cannot be opened
    """
    part = os.open(layer / UNFINISHED, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(part)
        raise
    except OSError:
        pass
    return part


def _is_that_of(goal: Goal, part: int) -> bool:
    """Whether the folder of files on their way is that of the layer, which may be finished or another's."""
    try:
        return os.path.samestat(os.fstat(part), (goal.store.path(goal.key) / UNFINISHED).stat())
    except OSError:
        return False


def _settle(goal: Goal, part: int) -> None:
    """After a wait: finish what the companion could not, so that the layer is as whole as it can be."""
    if _is_that_of(goal, part):
        with contextlib.suppress(OSError):
            _finish(goal, {}, part)


def _finish(goal: Goal, hashes: dict[str, str], part: int) -> None:
    if _is_that_of(goal, part):
        contents.finish(goal.store.path(goal.key), hashes)
        if goal.address:
            goal.store.record(goal.address, goal.key)
