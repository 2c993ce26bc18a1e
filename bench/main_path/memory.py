"""Peak memory of the shim on the warm path and of the frontend during a build."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from bench.main_path.builds import Builds
from bench.main_path.sample import Goal
from bench.main_path.starts import Starts

#: What the frontend image starts; the clients of a build name the image, not this.
FRONTEND = b"/usr/lib/cir/start.pyc"
ASK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def shim(starts: Starts) -> Goal:
    """Peak of the process that was the shim and became the application: execve(2) keeps ``ru_maxrss``."""
    kilobytes = int(
        starts.engine.run(*starts.flags(starts.store), starts.bare, "/usr/bin/python3", "-c", ASK)
    )
    return Goal("memory", "shim, warm, until it has become the application", kilobytes / 1024, 40, "MiB")


def frontend(builds: Builds) -> Goal:
    """Peak of the frontend's process, seen from outside while a build runs."""
    peak, stop = [0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(peak, stop))
    watcher.start()
    builds.change()
    builds.build("Cirfile", "-t", "bench/a")
    stop.set()
    watcher.join()
    if not peak[0]:
        raise RuntimeError("the frontend's process was never seen")
    return Goal("memory", "frontend during a build", peak[0] / 1024, 120, "MiB")


def _watch(peak: list[int], stop: threading.Event) -> None:
    while not stop.is_set():
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if FRONTEND in (process / "cmdline").read_bytes():
                    peak[0] = max(peak[0], _high_water(process))
            except OSError:
                continue  # it has ended
        time.sleep(0.002)


def _high_water(process: Path) -> int:
    lines = (process / "status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
