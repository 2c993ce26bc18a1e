"""A registry for one run: it is filled with images nobody wants afterwards, and its folder goes with it."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 20.0


@contextmanager
def registry(enter: Sequence[str], address: str, folder: Path) -> Iterator[None]:
    """Serve at ``host:port`` until the block ends.

    :raises RuntimeError: when it does not answer, with what it said
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "registry.json"
    storage = {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}}
    settings.write_text(
        json.dumps({"version": 0.1, "log": {"level": "error"}, "storage": storage, "http": {"addr": address}})
    )
    log = folder / "registry.log"
    with (
        log.open("wb") as talk,
        subprocess.Popen(
            [*enter, "docker-registry", "serve", str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=talk,
            stderr=talk,
        ) as process,
    ):
        try:
            _wait(process, address, log)
            yield
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{address}/v2/", timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"no registry at {address}: {log.read_text(errors='replace')[-1000:]}")
