"""How registries are asked: authentication, certificates, TLS - with the flags of Buildah and Skopeo.

``registries.conf`` and the usual auth files are read by those programs themselves. Credentials given on the
command line go on in a file of our own, so that they stand in no argv of ours.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cirfile.cli.errors import USAGE, CliError


@dataclass(frozen=True, slots=True)
class Access:
    """Flags of the command line; ``private`` is a folder for files that nobody else may read."""

    private: Path
    authfile: str = ""
    creds: str = ""
    cert_dir: str = ""
    tls_verify: bool | None = None

    def flags(self, name: str, side: str = "") -> list[str]:
        """Return the flags for the registry of ``name``; ``side`` is ``src-`` or ``dest-`` of a copy, or empty."""
        words = []
        authfile = self._login(name) if self.creds else self.authfile
        if authfile:
            words += [f"--{side}authfile", authfile]
        if self.cert_dir:
            words += [f"--{side}cert-dir", self.cert_dir]
        if self.tls_verify is not None:
            words.append(f"--{side}tls-verify={str(self.tls_verify).lower()}")
        return words

    def _login(self, name: str) -> str:
        """Write an auth file with the credentials for the registry of ``name`` (containers-auth.json(5))."""
        host = name.removeprefix("docker://").partition("/")[0]
        if ":" not in self.creds:
            raise CliError(USAGE, "--creds has no password", "write --creds USER:PASSWORD, or use --authfile")
        word = base64.b64encode(self.creds.encode()).decode()
        path = self.private / f"auth-{host.replace(':', '-')}.json"
        if not path.exists():
            # Written aside: another thread may be asking the same registry.
            handle, aside = tempfile.mkstemp(dir=self.private)
            with os.fdopen(handle, "w") as file:
                json.dump({"auths": {host: {"auth": word}}}, file)
            Path(aside).rename(path)
        return str(path)
