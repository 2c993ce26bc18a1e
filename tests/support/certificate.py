"""A private certificate authority for tests, and a server certificate of it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and key for a server, and the CA file a client must be given to trust it."""

    ca: Path
    certificate: Path
    key: Path

    @property
    def pair(self) -> tuple[Path, Path]:
        """What `Index` takes as ``tls``."""
        return self.certificate, self.key


def make_certificate(folder: Path, *names: str) -> Certificate:
    """Make a private CA and a certificate of it for DNS names and addresses."""
    made = Certificate(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    entries = ",".join(f"IP:{name}" if re.fullmatch(r"[\d.]+", name) else f"DNS:{name}" for name in names)
    new = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    ca_key = folder / "ca.key"
    _openssl(*new, "-subj", "/CN=test CA", "-keyout", str(ca_key), "-out", str(made.ca))
    leaf = ["-CA", str(made.ca), "-CAkey", str(ca_key), "-addext", f"subjectAltName={entries}"]
    leaf += ["-addext", "basicConstraints=critical,CA:FALSE"]
    _openssl(*new, *leaf, "-subj", "/CN=test index", "-keyout", str(made.key), "-out", str(made.certificate))
    return made


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", "req", *arguments], check=True, capture_output=True)
