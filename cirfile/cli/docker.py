"""Docker as a program: starting it, and reading images without running them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cirfile.cli.errors import INVALID, NO_INPUT, UNAVAILABLE, CliError
from cirfile.layout import LABEL_VERSION

Reader = Callable[[str], str]


def call(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``docker ARGUMENTS`` and capture its output. Raise `CliError` (69) where there is no docker."""
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, check=False)
    except OSError:
        raise _no_docker() from None


def attached(arguments: Sequence[str], *, aside: bool = False) -> int:
    """Run ``docker ARGUMENTS`` on our own streams; return its exit status. Where we are ended, it is told to.

    :param aside: its results go to stderr as well, since stdout is for ours
    """
    try:
        child = subprocess.Popen(["docker", *arguments], stdout=sys.stderr if aside else None)
    except OSError:
        raise _no_docker() from None
    with child:
        try:
            return child.wait()
        finally:
            if child.poll() is None:
                child.terminate()  # it tells its daemon, or the container


def become(arguments: Sequence[str]) -> int:
    """Become ``docker ARGUMENTS``, so that signals, terminal and exit status are its own."""
    try:
        os.execvp("docker", ["docker", *arguments])  # noqa: S606 - an argv list, no shell
    except OSError:
        raise _no_docker() from None


def need_buildx() -> None:
    """Raise `CliError` (69) where this docker has no buildx."""
    if call("buildx", "version").returncode != 0:
        raise CliError(UNAVAILABLE, "this docker has no buildx", "install the buildx plug-in of Docker")


def _no_docker() -> CliError:
    return CliError(UNAVAILABLE, "there is no `docker` on PATH", "install Docker with its buildx plug-in")


def remote_config(reference: str, platform: str) -> dict[str, Any]:
    """Return the ``config`` object of an image in a registry. Raise `CliError` (69) where buildx can't tell."""
    result = call("buildx", "imagetools", "inspect", "--format", "{{json .Image}}", reference)
    if result.returncode != 0:
        need_buildx()
        reason = last_line(result.stderr).removeprefix("ERROR: ")
        raise CliError(UNAVAILABLE, reason, "start Docker, or `docker login` to the registry of the base")
    try:
        found = json.loads(result.stdout)
    except ValueError:
        found = None
    # An index answers with one object a platform, a single image with the object itself.
    if isinstance(found, dict):
        image = found if "config" in found else _of_platform(found, platform)
        config = image.get("config") if isinstance(image, dict) else None
        if isinstance(config, dict):
            return config
    raise CliError(
        UNAVAILABLE, f"`docker buildx imagetools` names no image for {platform}", "check --platform"
    )


def _of_platform(images: dict[str, Any], platform: str) -> Any:
    """Return the image of a platform; some versions of buildx say ``linux/arm64/v8`` for ``linux/arm64``."""
    return images.get(platform, images.get(f"{platform}/v8"))


def ensure_image(reference: str, platform: str = "") -> dict[str, Any]:
    """Return what the engine knows of an image, pulling it where it is not there.

    Raise `CliError` where it does not exist (66) or is no image of ours (65).
    """
    found = _inspect(reference)
    if found is None:
        flags = ["--platform", platform] if platform else []
        pulled = call("pull", "--quiet", *flags, reference)
        if pulled.returncode != 0:
            raise CliError(
                NO_INPUT, f"image {reference}: {last_line(pulled.stderr)}", "check its name, or build it"
            )
        found = _inspect(reference) or {}
    config = found.get("Config") or {}
    if LABEL_VERSION not in (config.get("Labels") or {}):
        raise CliError(
            INVALID, f"{reference} was not built from a Cirfile (it has no label `{LABEL_VERSION}`)",
            "use docker itself, or build it with `cir build`",
        )  # fmt: skip
    return found


def _inspect(reference: str) -> dict[str, Any] | None:
    result = call("image", "inspect", reference)
    if result.returncode != 0:
        if b"Cannot connect" in result.stderr or b"permission denied" in result.stderr:
            raise CliError(UNAVAILABLE, last_line(result.stderr), "start Docker, or set DOCKER_HOST")
        return None
    found = json.loads(result.stdout)
    return dict(found[0]) if found else None


@contextmanager
def opened(reference: str, platform: str = "") -> Iterator[Callable[[str], bytes | None]]:
    """Give a function that reads one file of an image (`None`: not there); nothing of the image is run."""
    created = call("create", *(["--pull=never", "--platform", platform] if platform else []), reference)
    if created.returncode != 0 and platform:
        # What is there is for another platform, and stays: manifest and locks are the same in all of them.
        created = call("create", "--pull=never", reference)
    if created.returncode != 0:
        raise CliError(UNAVAILABLE, f"image {reference}: {last_line(created.stderr)}")
    container = created.stdout.decode().strip()
    try:
        yield lambda path: _single(call("cp", f"{container}:{path}", "-"))
    finally:
        call("rm", "--force", container)


def _single(copied: subprocess.CompletedProcess[bytes]) -> bytes | None:
    if copied.returncode != 0:
        return None
    with tarfile.open(fileobj=io.BytesIO(copied.stdout)) as tar:
        streams = (tar.extractfile(member) for member in tar if member.isreg())
        return next((stream.read() for stream in streams if stream is not None), None)


def last_line(output: bytes) -> str:
    """Return the last line a program wrote: where programs put the reason."""
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"
