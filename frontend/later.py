"""A value that is being worked out in a thread: the server answers several questions at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Later(Generic[Value]):
    """Start ``work`` now; `get` waits for its value, or raises what it raised."""

    def __init__(self, work: Callable[[], Value]) -> None:
        self._work = work
        self._value: list[Value] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value.append(self._work())
        except BaseException as error:
            # Nothing is swallowed: whoever asks for the value gets it.
            self._error = error

    def get(self) -> Value:
        """Return the value, when it is there."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value[0]
