"""One Docker to work with: the user's own where it has a working buildx, else that of the test engines."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devtools.engines.api import Engines, own_docker
from devtools.errors import DevError

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
