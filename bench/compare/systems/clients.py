"""Clients of image engines: Docker with buildx, and Buildah with Podman; the same few commands of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.compare.systems.host import Host


class Client(Protocol):
    """What building, shipping and running takes."""

    @property
    def host(self) -> Host:
        """Where it works."""

    def versions(self) -> dict[str, str]:
        """Programs and their versions."""

    def build(self, file: Path, tag: str, flags: Sequence[str]) -> None:
        """Build a file with its folder as context into the engine's store."""

    def cold(self, namespace: str) -> list[str]:
        """Flags of a build with nothing cached; later builds with ``warm(namespace)`` see what it cached."""

    def warm(self, namespace: str) -> list[str]:
        """Flags of a build after a cold one."""

    def push(self, tag: str) -> None:
        """Push."""

    def pull(self, tag: str) -> None:
        """Pull."""

    def run(self, tag: str, flags: Sequence[str], command: Sequence[str]) -> float:
        """Seconds until the first line of a container's output."""

    def remove(self, images: Sequence[str], volumes: Sequence[str]) -> None:
        """Remove, where they are there."""


@dataclass(frozen=True)
class Docker:
    """Docker with the containerd image store."""

    host: Host

    def versions(self) -> dict[str, str]:
        """Of the daemon and of buildx."""
        buildx = self.host.run("docker", "buildx", "version").split()
        return {
            "docker": self.host.run("docker", "version", "-f", "{{.Server.Version}}").strip(),
            "buildx": buildx[1],
        }

    def build(self, file: Path, tag: str, flags: Sequence[str]) -> None:
        """`docker buildx build`."""
        secret = ["--secret", f"id=cir_ca,src={self.host.ca}"] if self.host.ca else []
        self.host.run(
            "docker", "buildx", "build", "--provenance=false", "-t", tag, "-f", str(file), *secret,
            "--build-context", f"uv={self.host.uv}", *self.host.index_arguments, *flags, str(file.parent),
        )  # fmt: skip

    def cold(self, namespace: str) -> list[str]:
        """Neither layers nor cache mounts."""
        return ["--no-cache", *self.warm(namespace)]

    def warm(self, namespace: str) -> list[str]:
        """Cache mounts of the cold build."""
        return ["--build-arg", f"BUILDKIT_CACHE_MOUNT_NS={namespace}"]

    def push(self, tag: str) -> None:
        """`docker push`."""
        self.host.run("docker", "push", "-q", tag)

    def pull(self, tag: str) -> None:
        """`docker pull`."""
        self.host.run("docker", "pull", "-q", tag)

    def run(self, tag: str, flags: Sequence[str], command: Sequence[str]) -> float:
        """`docker run`."""
        return self.host.first_line("docker", "run", "--rm", *flags, tag, *command)

    def remove(self, images: Sequence[str], volumes: Sequence[str]) -> None:
        """`docker image rm`, `docker volume rm`."""
        if images:
            self.host.run("docker", "image", "rm", "-f", *images)
        if volumes:
            self.host.run("docker", "volume", "rm", "-f", *volumes)


@dataclass(frozen=True)
class Buildah:
    """Buildah builds and pushes, Podman pulls and runs; both as root, with the host's network as their defaults say."""

    host: Host

    def versions(self) -> dict[str, str]:
        """Of both."""
        return {name: self.host.run(name, "--version").split()[2] for name in ("buildah", "podman")}

    def build(self, file: Path, tag: str, flags: Sequence[str]) -> None:
        """`buildah bud`."""
        secret = ["--secret", f"id=cir_ca,src={self.host.ca}"] if self.host.ca else []
        self.host.run(
            "buildah", "bud", "--network=host", "--layers", "-t", tag, "-f", str(file), *secret,
            "--build-context", f"uv={self.host.uv}", *self.host.index_arguments, *flags, str(file.parent),
        )  # fmt: skip

    def cold(self, namespace: str) -> list[str]:  # noqa: ARG002 - Buildah's cache mounts have no namespaces
        """No layers; Buildah's cache mounts cannot be set aside, so uv's cache stays, to the peer's advantage."""
        return ["--no-cache"]

    def warm(self, namespace: str) -> list[str]:  # noqa: ARG002 - as above
        """Nothing more."""
        return []

    def push(self, tag: str) -> None:
        """`buildah push`."""
        self.host.run("buildah", "push", "-q", "--tls-verify=false", tag, f"docker://{tag}")

    def pull(self, tag: str) -> None:
        """`podman pull`."""
        self.host.run("podman", "pull", "-q", "--tls-verify=false", tag)

    def run(self, tag: str, flags: Sequence[str], command: Sequence[str]) -> float:
        """`podman run`."""
        return self.host.first_line("podman", "run", "--rm", *flags, tag, *command)

    def remove(self, images: Sequence[str], volumes: Sequence[str]) -> None:
        """`podman rmi`, `podman volume rm`."""
        if images:
            self.host.run("podman", "rmi", "-f", "-i", *images)
        if volumes:
            self.host.run("podman", "volume", "rm", "-f", *volumes)
