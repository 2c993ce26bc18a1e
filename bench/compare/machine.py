"""What a phase takes of the machine, the same for every system: its work is done by daemons, containers and clients.

So everything but wall time is read from the whole machine, which must be quiet: processor time, bytes received,
disk space, and by how much the memory of all processes rose.
"""

from __future__ import annotations

import hashlib
import os
import platform
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

_MEMORY_EVERY = 0.05
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Meter:
    """Measures its `with` block into ``values``.

    :param disk: a folder on the disk whose use is measured
    :param link: tells the bytes that came over the link of the run
    :param sent: tells those that went over it
    """

    def __init__(self, disk: Path, link: Callable[[], float], sent: Callable[[], float]) -> None:
        self._disk, self._link, self._sending = disk, link, sent
        self.values: dict[str, float] = {}

    def __enter__(self) -> Meter:
        os.sync()
        self._used, self._cpu = _used(self._disk), _cpu()
        self._received, self._elsewhere = self._link(), _received()
        self._sent = self._sending()
        self._stop = threading.Event()
        self._most = self._before = _occupied()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._start
        cpu = _cpu() - self._cpu
        received, elsewhere = self._link() - self._received, _received() - self._elsewhere
        sent = self._sending() - self._sent
        self._stop.set()
        self._watcher.join()
        os.sync()
        self.values |= {
            "seconds": seconds,
            "cpu": cpu,
            "peak": self._most - self._before,
            "received": received,
            "sent": sent,
            "elsewhere": elsewhere,
            "disk": _used(self._disk) - self._used,
        }

    def _watch(self) -> None:
        while not self._stop.wait(_MEMORY_EVERY):
            self._most = max(self._most, _occupied())


def drop_page_cache() -> None:
    """Write what is to be written and forget what was read.

    :raises OSError: where the kernel does not let us
    """
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def describe() -> dict[str, str]:
    """The machine that figures are from.

    ``boot`` tells machines apart that have the same name, and ``pace`` how fast each was: virtual machines with the
    same processor differ by half.
    """
    memory = next(
        line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")
    )
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return {
        "cores": str(os.cpu_count()),
        "processor": models[0].partition(":")[2].strip() if models else platform.machine(),
        "memory": f"{int(memory.split()[1]) / 2**20:.0f} GiB",
        "kernel": platform.release(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "boot": _BOOT.read_text().strip()[:8],
        "pace": f"{min(_work() for _ in range(5)):.3f} s",
    }


def _work() -> float:
    """Seconds for a little of what builds and deployments do most, on one core: hashing, unpacking, compiling."""
    data = bytes(range(256)) * (1 << 15)
    start = time.perf_counter()
    hashlib.sha256(data * 8).digest()
    zlib.decompress(zlib.compress(data))
    for _ in range(80):
        compile("value = [(a, b) for a in range(9) for b in (a, a + 1)]\n" * 50, "work", "exec")
    return time.perf_counter() - start


def _cpu() -> float:
    """Seconds that the processors worked: all but idle, waiting, and stolen."""
    user, nice, system, _, _, interrupt, soft = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + interrupt + soft) / os.sysconf("SC_CLK_TCK")


def _received() -> float:
    """Bytes received by real interfaces: what did not come over the link, as packages of the distribution."""
    total = 0
    for line in Path("/proc/net/dev").read_text().splitlines()[2:]:
        name, _, numbers = line.partition(":")
        if Path("/sys/class/net", name.strip(), "device").exists():
            total += int(numbers.split()[0])
    return total


def _occupied() -> float:
    """Bytes that processes have written and that are in no file on a disk: theirs alone, shared memory, tmpfs.

    What a phase needs besides is page cache, which the kernel gives back. So available memory says less: how much of
    it the kernel counts as cache changes while a phase reads files.
    """
    lines = Path("/proc/meminfo").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("AnonPages:", "Shmem:")))


def _used(path: Path) -> float:
    found = os.statvfs(path)
    return (found.f_blocks - found.f_bfree) * found.f_frsize
