"""What is to be done: the layer of which image, where, with what of this machine."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from buildah_plugin.apptainer.engine import Engine
from buildah_plugin.apptainer.sif import Sif
from buildah_plugin.apptainer.store import LayerStore
from buildah_plugin.talk import Talk
from cirfile.cli.host import Host

#: Seconds that everything may take, the wait for another process included; `CIR_TIMEOUT` says otherwise.
DEADLINE = 1800.0


@dataclass(frozen=True, slots=True)
class Job:
    """A layer to be found or made."""

    engine: Engine
    sif: Sif
    store: LayerStore
    machine: Host
    talk: Talk
    deadline: float = DEADLINE

    def names(self) -> tuple[str, str]:
        """What the image may be recorded under: with this processor's features, if they matter to it, and without."""
        common = f"cir-sif-1\0{self.sif.identifier}\0{os.environ.get('CIR_ACCELERATOR', '')}"
        with_processor, without = (
            hashlib.sha256(f"{common}\0{part}".encode()).hexdigest() for part in (_processor(), "")
        )
        return with_processor, without

    def name(self, manifest: bytes) -> str:
        """The one to record it under, as its manifest cares for the processor."""
        return self.names()[b'"microarch"' not in manifest]


def _processor() -> str:
    """The features of the processor, as the shim takes them into account."""
    try:
        head = Path("/proc/cpuinfo").read_text()[: 16 << 10]
    except OSError:
        return ""
    lines = (line for line in head.splitlines() if line.startswith(("flags", "Features")))
    return next(lines, "").partition(":")[2].strip()
