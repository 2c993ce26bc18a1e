"""Threads that work together: the first failure ends all of them, and what they hand over is bounded."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shim.provider import Choice
from shim.providers.pypi.ahead import Ahead
from shim.providers.pypi.archive import Buffer

_STEP = 0.1
#: How long to wait for threads to notice that they shall stop; one that waits for the network is left alone.
_PATIENCE = 1.0


class StoppedError(Exception):
    """Raised inside a thread that shall end because another has failed."""


class Crew:
    """Starts threads and waits for all of them."""

    def __init__(self, check: Callable[[], None]) -> None:
        """``check`` raises what shall end the work from outside, such as a deadline."""
        self._outer = check
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self._stopping = False
        self._lasting = threading.Lock()

    def check(self) -> None:
        """Raise whatever shall end the calling thread's work."""
        if self._stopping:
            raise StoppedError
        self._outer()

    @contextlib.contextmanager
    def lasting(self) -> Iterator[None]:
        """For what stays when the work ends: raise whatever shall end it, or be done before `stop` begins."""
        with self._lasting:
            self.check()
            yield

    def start(self, work: Callable[[], None]) -> threading.Thread:
        """Run ``work`` in a thread of its own. Raise `RuntimeError` where none can be had."""
        thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    def start_some(self, number: int, work: Callable[[], None]) -> int:
        """Run ``work`` in so many threads, or in fewer where the container may not have as many; return how many.

        :raises RuntimeError: where not even one can be had
        """
        for started in range(number):
            try:
                self.start(work)
            except RuntimeError:
                if not started:
                    raise
                return started
        return number

    def wait(self) -> None:
        """Wait until all have ended; raise the first error of any."""
        for thread in self._threads:
            while thread.is_alive() and not self._errors:
                thread.join(_STEP)
                self._outer()
        if self._errors:
            raise self._errors[0]
        self._threads.clear()

    def stop(self) -> None:
        """Make all of them end, for a failure; does nothing after `wait` has returned."""
        with self._lasting:
            self._stopping = True
        end = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StoppedError:
            pass
        except BaseException as error:  # handed to whoever waits
            self._errors.append(error)
            self._stopping = True


@dataclass(frozen=True, slots=True)
class Parcel:
    """A verified archive: its bytes, what unpacked it ahead, its part of the budget, what to close in the end."""

    choice: Choice
    data: Buffer
    ahead: Ahead
    size: int
    held: contextlib.ExitStack


class Channel:
    """Parcels from fetchers to unpackers, with a budget of bytes between them."""

    def __init__(self, budget: int, check: Callable[[], None]) -> None:
        self._budget = budget
        self._check = check
        self._reserved = 0
        self._givers = 0
        self._parcels: deque[Parcel] = deque()
        self._changed = threading.Condition()

    def expect(self, givers: int) -> None:
        """Say how many threads will put parcels; each says `leave` at its end."""
        self._givers = givers

    def reserve(self, size: int) -> None:
        """Wait for room for ``size`` bytes; one parcel always has room."""
        with self._changed:
            while self._reserved and self._reserved + size > self._budget:
                self._wait()
            self._reserved += size

    def put(self, parcel: Parcel) -> None:
        """Hand a parcel over."""
        with self._changed:
            self._parcels.append(parcel)
            self._changed.notify_all()

    def take(self) -> Parcel | None:
        """The next parcel; `None` once no more will come."""
        with self._changed:
            while not self._parcels:
                if not self._givers:
                    return None
                self._wait()
            return self._parcels.popleft()

    def done(self, parcel: Parcel) -> None:
        """Give a parcel's room back."""
        parcel.held.close()
        with self._changed:
            self._reserved -= parcel.size
            self._changed.notify_all()

    def leave(self) -> None:
        """No more parcels from the calling thread."""
        with self._changed:
            self._givers -= 1
            self._changed.notify_all()

    def _wait(self) -> None:
        self._changed.wait(_STEP)
        self._check()
