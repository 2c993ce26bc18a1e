"""The host that builds and runs: how to start programs on it, and its registry."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.main_path.variants import TYPES

_LONGEST = 3600.0
#: A registry asked for none of these gives one of the manifests instead.
_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
)


class CommandError(RuntimeError):
    """A command failed; the message names it and has the end of what it said."""


@dataclass(frozen=True)
class Host:
    """Where everything is measured.

    :param enter: words that run a command among the engines
    :param registry: `host:port` of a registry for this run alone
    :param frontend: the image that builds Cirfiles
    :param uv: folder with the program `uv`
    :param uv_image: an image that has it for two platforms, for builds that are for both
    :param uv_bases: images of Python with uv, by the names that Dockerfiles have for them
    :param ca: file with trusted certificates, or empty
    :param index: address of the package index, behind the same link as the registry; empty for the clients' own
    :param cir: words that begin a command of `cir`, with the environment of its installation
    """

    enter: tuple[str, ...]
    registry: str
    frontend: str
    uv: str
    ca: str = ""
    index: str = ""
    uv_image: str = ""
    uv_bases: Mapping[str, str] = field(default_factory=dict)
    cir: tuple[str, ...] = ("cir",)

    @classmethod
    def from_json(cls, text: str) -> Host:
        """Read what `./dev bench` hands over."""
        given = json.loads(text)
        names = ("registry", "frontend", "uv", "uv_image", "ca", "index")
        texts = {name: given[name] for name in names}
        return cls(tuple(given["enter"]), cir=tuple(given["cir"]), uv_bases=given["uv_bases"], **texts)

    def index_arguments(self, recipe: str) -> tuple[str, ...]:
        """Flags that name the package index to the build of a file: for uv and CIR, and for pip, which asks twice."""
        if not self.index:
            return ()
        given = {"UV_DEFAULT_INDEX": self.index}
        if not recipe.startswith("Cirfile"):
            given |= {"PIP_INDEX_URL": self.index, "PIP_TRUSTED_HOST": str(urlsplit(self.index).hostname)}
        return tuple(word for name, value in given.items() for word in ("--build-arg", f"{name}={value}"))

    def run(self, *argv: str, cwd: Path | None = None) -> str:
        """Run a command and return its output.

        :raises CommandError: when it fails or takes longer than an hour
        """
        try:
            done = subprocess.run(
                self._argv(argv, cwd), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=_LONGEST,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"{_short(argv)}: not done after {_LONGEST:.0f} s") from error
        if done.returncode:
            raise CommandError(
                f"{_short(argv)}: status {done.returncode}: {(done.stderr or done.stdout)[-1500:]}"
            )
        return done.stdout

    def first_line(self, *argv: str) -> float:
        """Seconds until a command's first line of output; waits for its end.

        :raises CommandError: when it fails, prints nothing, or takes longer than an hour
        """
        start = time.perf_counter()
        with (
            tempfile.TemporaryFile() as talk,
            subprocess.Popen(
                self._argv(argv, None), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=talk,
            ) as process,
            _ended_after(process, _LONGEST),
        ):  # fmt: skip
            assert process.stdout is not None
            line = process.stdout.readline()
            seconds = time.perf_counter() - start
            process.communicate()
            talk.seek(0)
            said = talk.read().decode(errors="replace")
        if process.returncode or not line:
            raise CommandError(f"{_short(argv)}: status {process.returncode}: {said[-1500:]}")
        return seconds

    def manifest(self, name: str, tag: str = "1") -> dict[str, Any]:
        """The manifest of an image for this machine, or of an artifact, in the registry."""
        with self._open(name, tag) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def forget(self, name: str, keep: int = 0, tag: str = "1") -> None:
        """Take an image and its blobs, but for its first layers, out of the registry: a push moves them again.

        The manifest goes as well: some clients push nothing where it is there.
        """
        try:
            with self._open(name, tag) as answer:
                digest, found = answer.headers["Docker-Content-Digest"], json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return
            raise
        blobs = (found["config"], *found["layers"][keep:])
        for place in (f"manifests/{digest}", *(f"blobs/{blob['digest']}" for blob in blobs)):
            address = f"http://{self.registry}/v2/{name}/{place}"
            try:
                urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=30).close()
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.NOT_FOUND:  # one digest may be there twice
                    raise

    def _open(self, name: str, tag: str) -> Any:
        address = f"http://{self.registry}/v2/{name}/manifests/{tag}"
        request = urllib.request.Request(address, headers={"Accept": f"{TYPES}, {_INDEX_TYPES}"})
        return urllib.request.urlopen(request, timeout=30)

    def _argv(self, argv: Sequence[str], cwd: Path | None) -> list[str]:
        return [*self.enter, *(["env", "-C", str(cwd)] if cwd else []), *argv]


@contextmanager
def _ended_after(process: subprocess.Popen[bytes], limit: float) -> Iterator[None]:
    """Kill a program that is still there after so many seconds."""
    watch = threading.Timer(limit, process.kill)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def unique() -> int:
    """A number that no image of this host was made with."""
    return time.time_ns() // 1_000_000 * 1000 + os.getpid() % 1000


def seconds(act: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _short(argv: Sequence[str]) -> str:
    words = " ".join(argv)
    return words if len(words) < 200 else f"{words[:200]} ..."
