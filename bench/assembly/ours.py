"""One assembly by the shim's provider in a process of its own; prints its figures as JSON."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

BEGAN = time.perf_counter()


class Phases:
    """Notes when each phase began, in seconds since the start of the process."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}

    def phase(self, name: str, total: int = 0) -> None:  # noqa: ARG002
        """Note a phase."""
        self.begun[name] = round(time.perf_counter() - BEGAN, 3)

    def advance(self, amount: int) -> None:
        """Nothing is shown."""

    def note(self, text: str) -> None:
        """Nothing is shown."""


def main() -> None:
    """Assemble once and print the figures."""
    options = _options()

    from cirfile.codec import decode_lock
    from cirfile.manifest import Manifest
    from shim.companion import Companion
    from shim.facts import Facts, Interpreter
    from shim.provider import Hint, Workplace
    from shim.providers.pypi import PROVIDER, inflate, layer

    if options.libdeflate:
        found = inflate.library(options.libdeflate)
        inflate.library = lambda path="": found  # noqa: ARG005
    major, minor = options.python.rpartition("python")[2].split(".")
    python = Interpreter(options.python, (int(major), int(minor), 0))
    facts = Facts("amd64" if os.uname().machine == "x86_64" else "arm64", "glibc", _glibc(), python)
    target = options.store / "layer"
    target.mkdir(parents=True)
    # In a container the layer is reached through one fixed path. Here it is not, and bytecode that names
    # another path than the one it is imported from costs time at every import.
    layer.ACTIVE_LAYER = str(target)  # type: ignore[attr-defined]
    phases = Phases()
    selection = PROVIDER.select(decode_lock(options.lock.read_bytes()), facts)
    selected = time.perf_counter()
    hint = Hint((options.app,)) if options.app else Hint()
    place = Workplace(
        options.store / "cache",
        target,
        facts,
        Manifest(),
        phases,
        lambda: None,
        dict(os.environ),
        hint=hint,
    )
    place.aside.mkdir()
    assembly = PROVIDER.assembly(selection, place)
    companion = Companion.start(lambda: assembly.attend().whole, assembly.descriptors)
    assembly.run()
    if companion:
        companion.wait(lambda: None)
    ended = time.perf_counter()
    times = os.times()
    figures = {
        "select": round(selected - BEGAN, 3),
        "total": round(ended - BEGAN, 3),
        "phases": phases.begun,
        "cpu own": [round(times.user, 2), round(times.system, 2)],
        "cpu compiler": [round(times.children_user, 2), round(times.children_system, 2)],
    }
    print(json.dumps(figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--python", required=True, help="interpreter of the base")
    parser.add_argument(
        "--app", type=Path, help="what is going to be imported; everything is compiled without"
    )
    parser.add_argument("--libdeflate", default="", help="library to unpack with, instead of zlib")
    return parser.parse_args()


def _glibc() -> tuple[int, int]:
    name = os.confstr("CS_GNU_LIBC_VERSION") or "glibc 2.17"
    major, minor = name.split()[1].split(".")[:2]
    return int(major), int(minor)


if __name__ == "__main__":
    main()
