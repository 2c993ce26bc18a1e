"""What tests and tools know of the engines: bring them up, run commands among them, reach their registry."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devtools.engines import binfmt, enter, lifecycle
from devtools.engines.instance import Instance, current


@dataclass(frozen=True)
class Engines:
    """Running engines.

    :param instance: names and numbers of this set of engines
    :param holder: process id of the process that keeps their mount namespace
    """

    instance: Instance
    holder: int

    @classmethod
    def ensure(cls) -> Engines:
        """Return the engines of the current cache folder, brought up if they are down.

        :raises DevError: when they cannot be brought up
        """
        instance = current()
        return cls(instance, lifecycle.up(instance))

    @property
    def registry(self) -> str:
        """The registry as `host:port`, as the engines and this machine reach it."""
        return self.instance.registry

    @property
    def bridge_ip(self) -> str:
        """Address of this machine that containers reach; a test's server may listen there."""
        return self.instance.bridge_ip

    @property
    def spare_registry(self) -> str:
        """An address, `host:port`, where a test may put a registry of its own: Docker takes it without TLS."""
        return self.instance.spare_registry

    @property
    def bridge_registry(self) -> str:
        """The registry as `host:port`, as containers reach it."""
        return self.instance.bridge_registry

    def command(self, argv: Sequence[str], *, cwd: Path | None = None, user: bool = False) -> list[str]:
        """Return the argument list that runs `argv` among the engines; more arguments may be appended.

        :param cwd: working directory (default: the present one)
        :param user: as the unprivileged account, for rootless engines
        :raises DevError: when `cwd` cannot be shown among the engines
        """
        folder = enter.visible(self.holder, cwd or Path.cwd())
        return enter.command(self.instance, self.holder, list(argv), folder, user=user)

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        user: bool = False,
        check: bool = True,
        text_input: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` among the engines; its outputs are captured.

        :param env: variables on top of the present environment
        :raises subprocess.CalledProcessError: when it fails and `check` is set
        :raises subprocess.TimeoutExpired: when it takes longer than `timeout` seconds; it has been killed
            then
        """
        return subprocess.run(
            self.command(argv, cwd=cwd, user=user),
            check=check,
            input=text_input,
            stdin=subprocess.DEVNULL if text_input is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            env=os.environ | dict(env or {}),
            timeout=timeout,
        )

    def emulation(self, on: bool) -> None:
        """Let this machine run arm64 programs, or not: a build that succeeds without has run none.

        :raises DevError: when something else than these engines keeps them running
        """
        (binfmt.enable if on else binfmt.disable)(self.instance, self.holder)


def own_docker() -> bool:
    """Whether the user's own Docker answers and has buildx."""
    if not shutil.which("docker"):
        return False
    return all(_succeeds(["docker", *arguments]) for arguments in (("buildx", "version"), ("info",)))


def _succeeds(argv: list[str]) -> bool:
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
