"""One component's archive into memory or a file: found, fetched, resumed, verified against the lock."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from shim.errors import UNAVAILABLE, ShimError
from shim.provider import Choice, Progress
from shim.providers.pypi.access import Access
from shim.providers.pypi.address import Address, parse
from shim.providers.pypi.ahead import Ahead
from shim.providers.pypi.archive import Buffer
from shim.providers.pypi.cache import Cache
from shim.providers.pypi.client import (
    CONNECT_SECONDS,
    Answer,
    Client,
    MissingError,
    RangeError,
    TransientError,
)
from shim.providers.pypi.indexes import Indexes, page_address
from shim.providers.pypi.sink import Sink, open_sink, wrong

_ATTEMPTS = 6
#: Attempts where nothing answers at all: somebody waits in front of it for the cause.
_SILENT_ATTEMPTS = 3
_LONGEST_WAIT = 60.0
_LARGEST_PAGE = 64 << 20


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every fetch shares. ``check`` raises once the assembly is to end."""

    access: Access
    indexes: Indexes
    cache: Cache
    progress: Progress
    check: Callable[[], None]


class Fetcher:
    """Fetches archives one after another over the same connections; one a thread."""

    def __init__(self, shared: Surroundings) -> None:
        self._shared = shared
        self._client = Client(shared.access)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextlib.contextmanager
    def fetch(self, choice: Choice, follower: Ahead | None = None) -> Iterator[Buffer]:
        """The verified bytes of a component's archive, valid inside the ``with``; a follower sees them arrive.

        :raises ShimError: 69 where it cannot be had or is another than the lock says
        """
        with open_sink(choice, self._shared.cache) as sink, contextlib.ExitStack() as ends:
            if follower is not None:
                ends.callback(follower.lose)
                sink.tell(follower)
            continued = sink.received > 0
            if not sink.right():
                self._retrying(choice, sink)
            if continued and not sink.right():
                sink.reset()  # what an earlier start had left was wrong: once more, from nothing
                self._retrying(choice, sink)
            if not sink.right():
                how = "shorter" if sink.received < choice.artifact.size else "another"
                sink.reset()
                raise wrong(choice, how)
            yield sink.data()

    def _attempt(self, choice: Choice, sink: Sink) -> None:
        missed: list[Exception] = []
        for place in self._places(choice, missed):
            before = sink.received
            try:
                self._receive(place, sink)
            except MissingError as error:
                missed.append(error)
            except (ShimError, TransientError) as error:
                if sink.received > before or not self._has_another(choice, place, error):
                    raise
                missed.append(error)
            else:
                return
        later = next((error for error in missed if isinstance(error, TransientError)), None)
        if later is not None:
            raise later
        said = "; ".join(map(str, missed)) or "no index has it"
        message = f"{choice.artifact.name} cannot be found: {said}"
        hint = "build the image again if the index removed it, or name an index that has it in UV_INDEX"
        raise ShimError(UNAVAILABLE, message, hint)

    def _has_another(self, choice: Choice, place: Address, error: Exception) -> bool:
        """Whether the lock's own address is left where an index named at deployment has given nothing."""
        indexes = self._shared.indexes
        if not indexes.own(choice) or not indexes.first(choice):
            return False
        try:
            is_last = place.text == parse(choice.artifact.url).text
        except ValueError:
            is_last = True
        return not is_last and getattr(error, "code", UNAVAILABLE) == UNAVAILABLE

    def _receive(self, place: Address, sink: Sink) -> None:
        answer = self._ask(place, sink)
        if answer.start != sink.received:
            sink.reset()
            if answer.start:
                raise TransientError(f"{place} answered another part than was asked for")
        if answer.length > 0:
            sink.expect(sink.received + answer.length)
        while count := answer.read(sink.room()):
            sink.took(count)
            self._shared.progress.advance(count)
            self._shared.check()

    def _ask(self, place: Address, sink: Sink) -> Answer:
        """Ask for what is still to come; for the whole where nothing is, since then what is there is wrong."""
        try:
            return self._client.get(place, sink.received)
        except RangeError:
            if not sink.received:
                raise
            sink.reset()
            return self._client.get(place)

    def _places(self, choice: Choice, missed: list[Exception]) -> Iterator[Address]:
        """Where the file may be, the likeliest first; pages are only looked at when it comes to it."""
        indexes = self._shared.indexes
        if indexes.first(choice):
            yield from self._listed(choice, missed)
        if indexes.own(choice):
            try:
                yield parse(choice.artifact.url)
            except ValueError as error:
                missed.append(ValueError(f"the lock's address is unusable: {error}"))
        if not indexes.first(choice):
            yield from self._listed(choice, missed)

    def _listed(self, choice: Choice, missed: list[Exception]) -> Iterator[Address]:
        """Where indexes named at deployment list the file; none of them stands in the way of the lock's address."""
        is_needed = not self._shared.indexes.own(choice)
        for index in self._shared.indexes.places(choice):
            try:
                yield self._on_page(index, choice)
            except (MissingError, ValueError) as error:
                missed.append(error)
            except (ShimError, TransientError) as error:
                if is_needed or getattr(error, "code", UNAVAILABLE) != UNAVAILABLE:
                    raise
                missed.append(error)

    def _on_page(self, index: Address, choice: Choice) -> Address:
        """Where a project's page says that the file is, with the login of the index if it is on the same server.

        :raises MissingError: where it does not list the file, or leads to it without TLS
        :raises ValueError: where it cannot be read
        """
        from shim.providers.pypi import pages  # only where a deployment names indexes

        place = page_address(index, choice.name)
        answer = self._client.get(place, accept=pages.ACCEPT)
        try:
            found = pages.find(answer.whole(_LARGEST_PAGE), answer.kind, answer.place, choice)
        except ValueError as error:
            raise ValueError(f"{place} cannot be read: {error}") from None
        if found is None:
            raise MissingError(f"{place} does not list it with this SHA-256")
        if index.scheme == "https" and found.scheme == "http":
            raise MissingError(f"{place} leads to {found}, which is not encrypted")
        if found.origin == index.origin and not (found.user or found.password):
            return replace(found, user=index.user, password=index.password)
        return found

    def _retrying(self, choice: Choice, sink: Sink) -> None:
        """Try again after transient errors, with growing pauses; not at all long where nothing answers.

        What comes counts as progress, so that large files get over any number of breaks.
        """
        began, number, best = time.monotonic(), 0, sink.received
        while True:
            number += 1
            self._shared.check()
            try:
                self._attempt(choice, sink)
            except TransientError as error:
                if sink.received > best:
                    began, number, best = time.monotonic(), 1, sink.received
                waited = time.monotonic() - began
                silent = bool(error.hint) and (number == _SILENT_ATTEMPTS or waited > CONNECT_SECONDS - 0.5)
                if number == _ATTEMPTS or silent or error.wait > _LONGEST_WAIT:
                    message = f"{choice.artifact.name} cannot be fetched: {error.message}"
                    hint = error.hint or "try again later; what has been fetched is kept"
                    raise ShimError(UNAVAILABLE, message, hint) from None
                self._pause(max(error.wait, random.uniform(0.5, 1.0) * 0.2 * 2**number))  # noqa: S311
            else:
                return

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._shared.check()
            time.sleep(min(left, 0.2))
