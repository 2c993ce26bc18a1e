"""Complete a manifest with its locks: have them made, read them, remember them for the other platforms."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from cirfile import locking
from cirfile.plan import Plan, Platform
from frontend import lock
from frontend.context import Context
from frontend.errors import MOST_EXCERPTS, BuildError
from frontend.gateway.client import Gateway
from frontend.gateway.errors import GatewayError, with_message
from frontend.llb import ops
from frontend.llb.marshal import marshal
from frontend.lower import location
from frontend.options import Options


@dataclass(frozen=True, slots=True)
class Locked:
    """A manifest complete with its locks, their file systems, and the bytes of each lock."""

    manifest: bytes
    files: Mapping[str, ops.State]
    locks: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the resolver said to one question: a file system and a lock for each ecosystem."""

    files: Mapping[str, ops.State]
    locks: Mapping[str, bytes]


class Locker:
    """Locks the plans of one build; equal questions are asked once, whatever thread asks."""

    def __init__(self, gateway: Gateway, options: Options, context: Context) -> None:
        self._gateway = gateway
        self._options = options
        self._context = context
        self._known: dict[bytes, _Answer] = {}
        self._mutex = threading.Lock()

    def complete(self, plan: Plan, platform: Platform, no_cache: bool = False) -> Locked:
        """Return the manifest of ``plan`` with its locks; ``platform`` is where the resolver runs.

        With ``no_cache`` it runs even if the server remembers the answer.
        Raise `GatewayError` where the resolver fails (its reasons are in the build log).
        """
        question = locking.question(plan.manifest)
        with self._mutex:
            if question not in self._known:
                self._known[question] = self._resolve(plan, question, platform, no_cache)
            found = self._known[question]
        # Manifests differ in more than their question, e.g. in `WORKDIR /$TARGETARCH`.
        return Locked(locking.complete(plan.manifest, found.locks), found.files, found.locks)

    def _resolve(self, plan: Plan, question: bytes, platform: Platform, no_cache: bool) -> _Answer:
        files: dict[str, ops.State] = {}
        locks: dict[str, bytes] = {}
        for ecosystem in locking.wanted(plan.manifest):
            requirements = len(plan.manifest.of(ecosystem))
            step = lock.LockStep(question, ecosystem, requirements, self._written(plan, ecosystem), no_cache)
            own = lock.own_image(self._options, platform)
            files[ecosystem] = lock.lower(step, own, self._options, platform, self._gateway.caps)
            locks[ecosystem] = self._read(files[ecosystem], step)
        return _Answer(files, locks)

    def _read(self, files: ops.State, step: lock.LockStep) -> bytes:
        ref = self._gateway.solve(marshal(files), self._options.cache_imports)
        try:
            return self._gateway.read_file(ref, f"{step.ecosystem}.json")
        except FileNotFoundError:
            raise BuildError(
                f"the resolver wrote no lock for {step.ecosystem}; this is a fault of ours"
            ) from None
        except GatewayError as error:
            if "did not complete successfully" not in error.status.message:
                raise
            message = f"the {step.ecosystem} requirements cannot be locked; `{step.name}` above says why"
            raise GatewayError(with_message(error.status, message)) from None

    def _written(self, plan: Plan, ecosystem: str) -> tuple[ops.Location, ...]:
        """Return where the requirements of an ecosystem are written, each place once."""
        source = self._context.definition.source
        spans = zip(plan.manifest.requirements, plan.trace.requirements, strict=False)
        places = dict.fromkeys(span for requirement, span in spans if requirement.ecosystem == ecosystem)
        return tuple(location(source, span) for span in list(places)[:MOST_EXCERPTS])
