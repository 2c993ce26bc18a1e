"""The shim starts on any base: without Python, with musl, and on nothing at all, on both architectures."""

from __future__ import annotations

import subprocess
import uuid

import pytest

from devtools.docker import Docker
from tests.e2e.conftest import Build

#: Base by name: the lines before the common ones, programs of it that print a file, and the machine's name; its shell.
BASES = {
    "musl": ("FROM musl:1\n", ["cat"], "busybox uname -m", ["sh"]),
    "debian without Python": ("FROM debian:12-slim\n", ["cat"], "uname -m", ["sh"]),
    "scratch": (
        "FROM scratch\nCOPY --from=musl:1 /bin/busybox /bin/busybox\n",
        ["/bin/busybox", "cat"],
        "busybox uname -m",
        ["/bin/busybox", "sh"],
    ),
}
CONFINED = ("--read-only", "-u", "4321:4321")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def run(docker: Docker, *words: str) -> subprocess.CompletedProcess[str]:
    argv = docker.argv("run", "--rm", "--network", "none", *words)
    return subprocess.run(argv, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("base", BASES)
def test_base(base: str, build: Build, docker: Docker) -> None:
    """One build for both architectures; command, arguments, user and status are as without a shim."""
    head, cat, uname, shell = BASES[base]
    command = ", ".join(f'"{word}"' for word in (*cat, "/app/words"))
    image = f"localhost/cir/base-{uuid.uuid4().hex[:8]}"
    text = f"{head}COPY words /app/\nENV A=image\nCMD [{command}]\n"
    build(text, {"words": "from a file\n"}, "--platform", "linux/amd64,linux/arm64", "-t", image, "--load")
    try:
        for architecture, machine in MACHINES.items():
            on = ("--platform", f"linux/{architecture}")
            done = run(docker, *on, image)
            assert (done.returncode, done.stdout, done.stderr) == (0, "from a file\n", "")
            script = f'PATH=$PATH:/bin; echo $({uname}) $A "$1" $$; exit 7'
            done = run(docker, *on, *CONFINED, image, *shell, "-c", script, "sh", "two words")
            assert (done.returncode, done.stdout, done.stderr) == (7, f"{machine} image two words 1\n", "")
    finally:
        docker.run("image", "rm", "-f", image)


@pytest.mark.parametrize("architecture", MACHINES)
def test_a_program_linked_with_musl(architecture: str, build: Build, docker: Docker) -> None:
    """The loader and the C library of the base are found, not those that the shim brings."""
    image = "localhost/cir/base-musl-hello"
    flags = ("--platform", f"linux/{architecture}", "-t", image, "--load")
    build('FROM musl:1\nENTRYPOINT ["musl-hello"]\n', {}, *flags)
    for extra in ((), CONFINED):
        done = run(docker, "--platform", f"linux/{architecture}", *extra, image)
        assert (done.returncode, done.stdout, done.stderr) == (0, "hello from musl\n", "")
