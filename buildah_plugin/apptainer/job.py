"""What is to be done: the layer of which image, where, with what of this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from buildah_plugin.apptainer.engine import Engine
from buildah_plugin.apptainer.sif import Sif
from buildah_plugin.apptainer.store import LayerStore
from buildah_plugin.talk import Talk
from cirfile.cli.host import INDEXES, Host

#: Seconds that everything may take, the wait for another process included; `CIR_TIMEOUT` says otherwise.
DEADLINE = 1800.0


@dataclass(frozen=True, slots=True)
class Job:
    """A layer to be found or made.

    :param settings: variables of the application's container that the user sets and that are for the shim, too
    """

    engine: Engine
    sif: Sif
    store: LayerStore
    machine: Host
    talk: Talk
    deadline: float = DEADLINE
    settings: Mapping[str, str] = field(default_factory=dict)

    def setting(self, name: str) -> str:
        """A setting of the shim: the user's for the container, else this process's."""
        return self.settings.get(name, os.environ.get(name, ""))

    @property
    def offline(self) -> bool:
        """Whether nothing may be fetched."""
        return self.setting("CIR_OFFLINE") == "1"

    def names(self) -> tuple[str, ...]:
        """What the image may be recorded under: with the processor's features and the indexes, if they matter to it."""
        return tuple(self._name(*parts) for parts in product((_processor(), ""), (self._indexes(), "")))

    def name(self, manifest: bytes) -> str:
        """The one to record it under, by what its manifest cares for, as `shim.warm.address` has it."""
        is_locked = b'"pin":{' not in manifest or b'"pin":{"mode":"lock"}' in manifest
        processor = _processor() if b'"microarch"' in manifest else ""
        return self._name(processor, "" if is_locked else self._indexes())

    def _name(self, processor: str, indexes: str) -> str:
        parts = ("cir-sif-1", self.sif.identifier, self.setting("CIR_ACCELERATOR"), processor, indexes)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

    def _indexes(self) -> str:
        given = {**dict(self.machine.beside(self.settings).indexes), **self.settings}
        found = ((name, self.setting(f"CIR_{name}") or given.get(name, "")) for name in INDEXES)
        return "\0".join(f"{name}={value}" for name, value in found if value)


def _processor() -> str:
    """The features of the processor, as the shim takes them into account."""
    try:
        head = Path("/proc/cpuinfo").read_text()[: 16 << 10]
    except OSError:
        return ""
    lines = (line for line in head.splitlines() if line.startswith(("flags", "Features")))
    return next(lines, "").partition(":")[2].strip()
