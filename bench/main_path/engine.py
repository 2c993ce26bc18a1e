"""The Docker under test, as a command line."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.main_path.variants import TYPES


@dataclass(frozen=True)
class Engine:
    """How to run docker, where its registry is, which frontend builds Cirfiles, and the flags that forward the CA."""

    docker: tuple[str, ...]
    registry: str
    frontend: str
    secret: tuple[str, ...] = ()
    mount: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Engine:
        """Read what `./dev bench --only` hands over."""
        given = json.loads(text)
        lists = {key: tuple(given.get(key, ())) for key in ("docker", "secret", "mount")}
        return cls(registry=given["registry"], frontend=given["frontend"], **lists)

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run a docker sub-command and return its output; raise where it fails."""
        done = subprocess.run([*self.docker, *arguments], capture_output=True, text=True, errors="replace")
        if check and done.returncode:
            raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout

    def seconds(self, *arguments: str) -> float:
        """Wall time of a docker sub-command."""
        start = time.perf_counter()
        self.run(*arguments)
        return time.perf_counter() - start

    def first_line(self, arguments: Sequence[str]) -> tuple[float, str]:
        """Seconds until a container's first line of output, and the line; waits for its end."""
        start = time.perf_counter()
        with subprocess.Popen(
            [*self.docker, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            seconds = time.perf_counter() - start
            _, talk = process.communicate()
        if process.returncode or not line:
            raise RuntimeError(f"docker {' '.join(arguments)}: {talk[-2000:]}")
        return seconds, line

    def layers(self, name: str, tag: str = "1") -> list[tuple[str, int]]:
        """Digest and compressed bytes of each layer of an image in the registry."""
        request = urllib.request.Request(
            f"http://{self.registry}/v2/{name}/manifests/{tag}", headers={"Accept": TYPES}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            manifest: dict[str, Any] = json.load(answer)
        return [(layer["digest"], int(layer["size"])) for layer in manifest["layers"]]
