"""A machine of small programs: `cir` in a process of its own, engines that are `fakeengine`."""

from __future__ import annotations

import json
import platform
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import ocilayout

CHECKOUT = Path(__file__).parents[2]
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
#: Places that are this machine's, and cannot be named otherwise, become folders of the test.
_DRIVER = """\
import os, sys
from pathlib import Path
from buildah_plugin.apptainer import binding, filesystem, workplace
workplace._MEMORY = Path(os.environ["FAKE"], "memory")
binding._places = lambda: [workplace._MEMORY]
if mounts := os.environ.get("FAKE_MOUNTS"):
    filesystem._MOUNTS = Path(mounts)
if sys.argv[1] == "bud":
    from buildah_plugin.cli import main
else:
    from cirfile.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Machine:
    """Runs commands in ``folder``, which has what they use: ``tmp``, ``memory``, ``out``, ``store``, ``cache``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        for name in ("bin", "tmp", "memory", "out", "cache", "context"):
            (folder / name).mkdir()
        (folder / "context/Cirfile").write_text("FROM scratch\nCOPY a.txt /x/\n")
        (folder / "context/a.txt").write_text("a")
        own = _ARCHITECTURES[platform.machine()]
        ocilayout.write(folder / "shim", [own], {".cir/shim": "x"})
        self.sif = folder / "app.sif"
        self.sif.write_bytes(
            struct.pack("<32s10s3s3s16s8q", b"", b"SIF_MAGIC\0", b"01", b"00", b"i" * 16, 0, 0, 0, 0, 128, 0, 0, 0)
        )  # fmt: skip
        self.install("apptainer", "mksquashfs", "unsquashfs")
        self.environ = {
            "PATH": f"{folder}/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "TEMP": str(folder / "tmp"),  # not TMPDIR, which would be taken instead of memory
            "XDG_CACHE_HOME": str(folder / "cache"),
            "CIR_SHIM": f"oci:{folder}/shim",
            "PYTHONPATH": str(CHECKOUT),
            "FAKE": str(folder),
            "UV_DEFAULT_INDEX": "http://me:hush@index.example.com/simple",
        }

    def install(self, *names: str) -> None:
        """Put programs on PATH."""
        for name in names:
            program = self.folder / "bin" / name
            text = (Path(__file__).parent / "fakeengine.py").read_text()
            program.write_text(f"#!{sys.executable} -IS\n{text}")
            program.chmod(0o755)

    def start(self, *words: str, stop: str = "", name: str = "it", before: str = "") -> subprocess.Popen[str]:
        """Start a command; ``stop`` is where its program waits (see `fakeengine`), ``before`` a line of shell."""
        environ = self.environ | {"FAKE_STOP": stop, "FAKE_GO": str(self.folder / f"{name}.go")}
        running = subprocess.Popen(
            ["/bin/sh", "-c", f'{before}\nexec "$@"', "sh", sys.executable, "-c", _DRIVER, *words],
            cwd=self.folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(running)
        if stop:
            self.wait_for(self.folder / f"{name}.pid", running)
        return running

    def run(self, *words: str, status: int = 0, before: str = "") -> str:
        """Run a command and return what it printed."""
        running = self.start(*words, before=before, name="run")
        out, said = running.communicate(timeout=60)
        assert running.returncode == status, said
        return out

    def wait_for(self, path: Path, running: subprocess.Popen[str]) -> None:
        """Wait until a file is there."""
        deadline = time.monotonic() + 60
        while not path.exists():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline, f"{path} did not come"
            time.sleep(0.02)

    def program_runs(self, name: str = "it") -> bool:
        """Whether the program that a command waited for is still there."""
        try:
            number = (self.folder / f"{name}.pid").read_text()
            return Path("/proc", number, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def go(self, name: str = "it") -> None:
        """Let a program go on."""
        (self.folder / f"{name}.go").touch()

    def left(self) -> set[str]:
        """What commands have left where nothing should be, and their unfinished work in the cache."""
        found = [path for name in ("tmp", "memory", "out") for path in (self.folder / name).iterdir()]
        found += (self.folder / "cache/cir").glob("work-*")
        found += (self.folder / "memory").glob("cir-[0-9]*/.*")
        found += (self.folder / "cache/cir").glob("host/.*")
        return {str(path.relative_to(self.folder)) for path in found}

    def calls(self) -> list[dict[str, Any]]:
        """What the programs were asked."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def end(self) -> None:
        """End what still runs."""
        for running in self.started:
            running.kill()
            running.communicate()
        for path in self.folder.glob("*.pid"):
            path.with_suffix(".go").touch()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.end()
