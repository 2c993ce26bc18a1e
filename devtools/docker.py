"""One Docker to work with: the user's own where it has a working buildx, else that of the test engines."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devtools.engines import bases, lifecycle
from devtools.engines.api import Engines, own_docker
from devtools.errors import DevError
from devtools.progress import say

#: Where distributions keep the bundle of trusted certificates; company CAs are in it, too.
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")


@dataclass(frozen=True)
class Docker:
    """A way to run `docker`: the argv before the sub-command, and who it belongs to."""

    prefix: tuple[str, ...]
    owner: str

    def argv(self, *arguments: str) -> list[str]:
        """The complete command line for a docker sub-command."""
        return [*self.prefix, *arguments]

    def run(
        self, *arguments: str, check: bool = True, show: bool = False, text_input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a sub-command; its output is captured, or goes to our stderr with `show`.

        :raises DevError: with the end of its output when it fails and `check` is set
        """
        done = subprocess.run(
            self.argv(*arguments), input=text_input, text=True, errors="replace",
            stdout=2 if show else subprocess.PIPE, stderr=None if show else subprocess.PIPE,
        )  # fmt: skip
        if check and done.returncode:
            words = " ".join(("docker", *arguments))
            tail = "" if show else "\n".join((done.stderr or done.stdout).splitlines()[-25:])
            raise DevError(f"`{words}` ended with status {done.returncode}", "\n" + tail if tail else "")
        return done


def find(*, own: bool = True) -> Docker:
    """The user's own Docker if `own` and it works, else the engines', brought up if need be.

    :raises DevError: when neither is to be had
    """
    if own and own_docker():
        return Docker(("docker",), "own")
    engines = Engines.ensure()
    return Docker(tuple(engines.command(["docker"])), "engines")


def hindrance() -> str:
    """Why there is neither a Docker of the user's nor a way to bring up the test engines; empty where there is one."""
    if own_docker():
        return ""
    try:
        lifecycle.require_root()
    except DevError as error:
        return f"no Docker with buildx answers, and {error.problem}"
    return ""


def for_tests(engines: Engines, *, own: bool = True) -> Docker:
    """The user's own Docker if `own` and tests can work with it, else the engines'; says which, and why not.

    Registry, base images and emulators are those of the engines in either case.
    """
    theirs = Docker(tuple(engines.command(["docker"])), "engines")
    if not own or not own_docker():
        return theirs
    mine = Docker(("docker",), "own")
    if reason := unfit(mine, engines.registry, bases.digests()):
        say(f"tests use the engines' Docker, not yours: {reason} (see docs/engines.md)")
        return theirs
    say("tests use your own Docker")
    return mine


def unfit(found: Docker, registry: str, digests: Mapping[str, str]) -> str:
    """Why tests cannot work with a Docker that has buildx; empty if they can.

    They mount folders of this machine, build for two architectures at once, and use base images that only
    the engines' registry has.

    :param registry: of the engines, as `host:port`
    :param digests: of the base images by name
    """
    told = found.run("info", "--format", "{{json .}}", check=False)
    info = json.loads(told.stdout) if told.returncode == 0 else {}
    if info.get("Name") != socket.gethostname():
        return "it runs on another machine"
    if not _keeps_indexes(info):
        return "its image store holds one platform an image"
    mirrors = (info.get("RegistryConfig") or {}).get("Mirrors") or ()
    if f"http://{registry}" not in [mirror.rstrip("/") for mirror in mirrors]:
        return f"http://{registry} is not among its registry mirrors"
    for name, digest in digests.items():
        kept = found.run("image", "inspect", "--format", "{{json .RepoDigests}}", name, check=False)
        if kept.returncode == 0 and digest not in kept.stdout:
            return f"its {name} is another image than the tests'"
    return ""


def keeps_indexes(found: Docker) -> bool:
    """Whether this Docker's image store can hold one image for several platforms (the containerd store)."""
    told = found.run("info", "--format", "{{json .}}", check=False)
    return told.returncode == 0 and _keeps_indexes(json.loads(told.stdout))


def _keeps_indexes(info: dict[str, Any]) -> bool:
    return "io.containerd.snapshotter" in json.dumps(info.get("DriverStatus"))


def certificates() -> Path | None:
    """The host's CA bundle, to be forwarded to builds and containers; None where there is none."""
    for place in (os.environ.get("SSL_CERT_FILE"), *BUNDLES):
        if place and Path(place).is_file():
            return Path(place)
    return None


def certificate_secret() -> list[str]:
    """Flags of a build that hand it the host's CA bundle."""
    bundle = certificates()
    return ["--secret", f"id=cir_ca,src={bundle}"] if bundle else []


def certificate_mount() -> list[str]:
    """Flags of a run that hand it the host's CA bundle."""
    bundle = certificates()
    if bundle is None:
        return []
    inside = "/run/cir/ca.crt"
    return ["-v", f"{bundle}:{inside}:ro", "-e", f"SSL_CERT_FILE={inside}"]
