"""What goes on behind the start of the application: the rest of a layer that works without it.

A companion (see `shim.companion`) attends to the assembly from its beginning. Once the layer is published, this process
may become the application; the companion adds what is still to come, lists it, and makes the next start a warm one.
If it is ended before, as with a container that has little to do, the next start begins another one.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shim import contents, unfinished
from shim.companion import Companion
from shim.progress import Silent
from shim.provider import Assembly, Attended
from shim.store import Store

#: Of what takes processors behind the application: that goes first where there are not enough for both.
NICENESS = 19
_NAME = "cir-behind"
_PUBLISHED = b"."
#: Seconds in which little is finished before the application starts, so that the next start is a warm one for certain.
_GRACE = 0.03
#: After so many starts that ended before their layer was finished the next one waits for it.
_STARTS = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25


@dataclass(frozen=True, slots=True)
class Goal:
    """A layer, and the address that leads to it once it is finished.

    ``wait`` tells whether to wait for that, ``whole`` whether also for another start that is at work.
    """

    store: Store
    key: str
    address: str
    wait: bool
    whole: bool

    @property
    def layer(self) -> Path:
        """Where the layer is once it is published."""
        return self.store.path(self.key)


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
        part = unfinished.lock(folder)
        unfinished.own(part)
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
        try:
            if unfinished.is_that_of(self._goal.layer, self._part):
                self._go_on(assemblies, progress, check)
            else:
                self.stop()
        finally:
            for descriptor in (self._part, self._word, self._attended):
                if descriptor >= 0:
                    os.close(descriptor)

    def _go_on(self, assemblies: Sequence[Assembly], progress: Silent, check: Callable[[], None]) -> None:
        if self._companion is None:
            _settle(self._goal, self._part)
            return
        with contextlib.suppress(BrokenPipeError):  # it was killed
            os.write(self._word, _PUBLISHED)
        wait = self._goal.wait or _has_to_be_whole(assemblies)
        _leave(self._companion, wait or self._has_attended(), progress, check)
        if self._goal.wait:
            _settle(self._goal, self._part)

    def _has_attended(self) -> bool:
        return bool(select.select([self._attended], (), (), _GRACE)[0])

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
    try:
        often = unfinished.own(part) > _STARTS
        made = assemblies()
        keep = {part, *(descriptor for assembly in made for descriptor in assembly.descriptors)}
        companion = Companion.start(lambda: _resume(goal, part, made), keep)
        if companion:
            _leave(companion, goal.wait or often or _has_to_be_whole(made), progress, check)
        if goal.wait:
            _settle(goal, part)
    except OSError as error:  # the layer works without it
        progress.debug(f"{goal.layer}: nothing can be added: {error.strerror}")
    finally:
        os.close(part)


def _has_to_be_whole(assemblies: Sequence[Assembly]) -> bool:
    return any(assembly.has_to_be_whole() for assembly in assemblies)


def _lock_when_free(goal: Goal, check: Callable[[], None]) -> int | None:
    """The lock on a layer; `None` where it is finished or cannot be written, or nobody waits for who has it."""
    pause = _FIRST_PAUSE
    while os.access(goal.layer, os.W_OK):
        try:
            return unfinished.lock(goal.layer)
        except BlockingIOError:
            if not goal.whole:
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
    attended = _together([assembly.attend for assembly in assemblies])
    os.close(done)
    return os.read(told, 1) == _PUBLISHED and _finish(goal, part, attended)


def _resume(goal: Goal, part: int, assemblies: Sequence[Assembly]) -> bool:
    """The companion of a start that has found the layer unfinished."""
    _introduce_itself()
    if not goal.wait:
        os.nice(NICENESS)
    return _finish(goal, part, _together([assembly.resume for assembly in assemblies]))


def _together(makers: Sequence[Callable[[], Attended]]) -> Attended:
    results = [make() for make in makers]
    hashes = {path: known for result in results for path, known in result.hashes.items()}
    return Attended(hashes, all(result.whole for result in results), any(result.ended for result in results))


def _introduce_itself() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(_NAME)


def _settle(goal: Goal, part: int) -> None:
    """After a wait, or without a companion: finish what is not, so that the layer is as whole as it can be."""
    with contextlib.suppress(OSError, ValueError):  # it stays unfinished, and works
        _finish(goal, part, Attended({}, whole=False))


def _finish(goal: Goal, part: int, attended: Attended) -> bool:
    """Finish a layer; not one whose compiler was ended, which another start goes on with unless this one is to wait."""
    if unfinished.is_that_of(goal.layer, part) and (goal.wait or not attended.ended):
        contents.finish(goal.layer, attended.hashes)
        if goal.address:
            goal.store.record(goal.address, goal.key)
    return attended.whole
