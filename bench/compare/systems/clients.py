"""Clients of image engines: Docker with buildx, and Buildah or CIR's own builder with Podman; the same few commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.compare.systems.host import Host

#: What is built where an image is for two platforms.
PLATFORMS = ("linux/amd64", "linux/arm64")


class Client(Protocol):
    """What building, shipping and running takes."""

    @property
    def host(self) -> Host:
        """Where it works."""

    def versions(self) -> dict[str, str]:
        """Programs and their versions."""

    def build(self, file: Path, tag: str, flags: Sequence[str], cache: str, *, cold: bool) -> None:
        """Build a file with its folder as context into the engine's store.

        :param cache: names what is cached: a cold build begins with nothing, later ones of the name see what it left
        """

    def build_two(self, file: Path, tag: str, flags: Sequence[str], cache: str, *, cold: bool) -> None:
        """The same for two platforms."""

    def push(self, tag: str) -> None:
        """Push."""

    def push_two(self, file: Path, tag: str, flags: Sequence[str], cache: str) -> None:
        """Push what was built for two platforms."""

    def pull(self, tag: str) -> None:
        """Pull."""

    def run(self, tag: str, flags: Sequence[str], command: Sequence[str]) -> float:
        """Seconds until the first line of a container's output."""

    def remove(self, images: Sequence[str], volumes: Sequence[str]) -> None:
        """Remove, where they are there."""

    def forget_builds(self, images: Sequence[str]) -> None:
        """Remove images where they are there, and what building has cached, whoever built."""


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

    def build(self, file: Path, tag: str, flags: Sequence[str], cache: str, *, cold: bool) -> None:
        """`docker buildx build`; a cold one has neither layers nor what is in cache mounts."""
        self._build(file, tag, flags, cache, uv=self.host.uv, cold=cold)

    def build_two(self, file: Path, tag: str, flags: Sequence[str], cache: str, *, cold: bool) -> None:
        """The same for two platforms, with an image that has uv for both."""
        flags = [*flags, "--platform", ",".join(PLATFORMS)]
        self._build(file, tag, flags, cache, uv=f"docker-image://{self.host.uv_image}", cold=cold)

    def _build(self, file: Path, tag: str, flags: Sequence[str], cache: str, *, uv: str, cold: bool) -> None:
        contexts = [f"uv={uv}"]
        if file.name.startswith("Dockerfile.uv"):
            contexts += [f"{name}=docker-image://{image}" for name, image in self.host.uv_bases.items()]
        self.host.run(
            "docker", "buildx", "build", "--provenance=false", "-t", tag, "-f", str(file), *_secret(self.host),
            *(word for context in contexts for word in ("--build-context", context)),
            *self.host.index_arguments(file.name), *(["--no-cache"] if cold else []),
            "--build-arg", f"BUILDKIT_CACHE_MOUNT_NS={cache}", *flags, str(file.parent),
        )  # fmt: skip

    def push(self, tag: str) -> None:
        """`docker push`."""
        self.host.run("docker", "push", "-q", tag)

    def push_two(self, file: Path, tag: str, flags: Sequence[str], cache: str) -> None:
        """`docker buildx build --push` of what is cached, as the README has it."""
        self.build_two(file, tag, [*flags, "--push"], cache, cold=False)

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

    def forget_builds(self, images: Sequence[str]) -> None:
        """`docker image rm`, `docker builder prune`."""
        self.host.run("docker", "image", "rm", "-f", *images)
        self.host.run("docker", "builder", "prune", "--all", "--force")


@dataclass(frozen=True)
class Buildah:
    """Buildah builds and pushes, Podman pulls and runs; both as root, with the host's network as their defaults say."""

    host: Host

    def versions(self) -> dict[str, str]:
        """Of both."""
        return {name: self.host.run(name, "--version").split()[2] for name in ("buildah", "podman")}

    def build(self, file: Path, tag: str, flags: Sequence[str], cache: str, *, cold: bool) -> None:
        """`buildah bud`; what its cache mounts hold lies in the folder for temporary files."""
        folder = file.parent.with_name(f"{file.parent.name}-tmp-{cache}")
        folder.mkdir(exist_ok=True)
        self.host.run(
            "env", f"TMPDIR={folder}", "buildah", "bud", "--network=host", "--layers", "-t", tag, "-f", str(file),
            *_secret(self.host), "--build-context", f"uv={self.host.uv}", *self.host.index_arguments(file.name),
            *(["--no-cache"] if cold else []), *flags, str(file.parent),
        )  # fmt: skip

    def build_two(self, file: Path, tag: str, flags: Sequence[str], cache: str, *, cold: bool) -> None:
        """The same for two platforms."""
        self.build(file, tag, [*flags, "--platform", ",".join(PLATFORMS)], cache, cold=cold)

    def push(self, tag: str) -> None:
        """`buildah push`."""
        self.host.run("buildah", "push", "-q", "--tls-verify=false", tag, f"docker://{tag}")

    def push_two(self, file: Path, tag: str, flags: Sequence[str], cache: str) -> None:  # noqa: ARG002 - it is there
        """`buildah manifest push`."""
        self.host.run(
            "buildah", "manifest", "push", "--all", "-q", "--tls-verify=false", tag, f"docker://{tag}"
        )

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

    def forget_builds(self, images: Sequence[str]) -> None:
        """`podman rmi`, and what `--layers` keeps, which are images without a name."""
        self.host.run("podman", "rmi", "-f", "-i", *images)
        self.host.run("podman", "image", "prune", "--force")


@dataclass(frozen=True)
class CirBuildah(Buildah):
    """`cir build --engine buildah` in the place of `buildah bud`; the base alone is still Buildah's to build."""

    def build(self, file: Path, tag: str, flags: Sequence[str], cache: str, *, cold: bool) -> None:
        """Build a Cirfile; a cold build has an empty cache folder: no lock, no metadata of packages, no shim."""
        if not file.name.startswith("Cirfile"):
            super().build(file, tag, flags, cache, cold=cold)
            return
        folder = file.parent.with_name(f"{file.parent.name}-cache-{cache}")
        self.host.run(
            "env", f"XDG_CACHE_HOME={folder}", *self.host.cir, "build", "--engine", "buildah", "-t", tag,
            "-f", str(file), *_secret(self.host), *self.host.index_arguments(file.name), *flags, str(file.parent),
        )  # fmt: skip


def _secret(host: Host) -> list[str]:
    return ["--secret", f"id=cir_ca,src={host.ca}"] if host.ca else []
