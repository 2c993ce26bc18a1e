"""The resolver: requirements of a manifest in, a lock for every promised platform out.

It runs uv and so is one of the two edges of this package where processes and files are touched; what
is decided on the way (`question`, `cirfile.pylock`) is pure.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cirfile import pylock
from cirfile.demands import DemandError, demanded
from cirfile.lock import Lock
from cirfile.manifest import Manifest
from cirfile.resolver.errors import ResolverError
from cirfile.resolver.question import question
from cirfile.resolver.uv import SECRETS, ask

__all__ = ["Resolution", "ResolverError", "resolve"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """A lock, and remarks that a person should read."""

    lock: Lock
    remarks: tuple[str, ...] = ()


def resolve(
    manifest: Manifest, environ: Mapping[str, str] | None = None, secrets: Path = SECRETS
) -> Resolution:
    """Lock the ``pypi`` requirements of ``manifest``.

    ``environ`` gives proxies, certificates and netrc (default: the environment of this process),
    ``secrets`` the folder with ``cir_netrc`` and ``cir_ca``. Raise `ResolverError` with exit code 65
    (requirements that contradict each other or can't be read), 69 (an index or a package is not there),
    70 (uv itself failed) or 78 (no build for a promised platform).
    """
    asked = question(manifest)
    try:
        demands = demanded(manifest)
    except DemandError as error:
        raise ResolverError(pylock.INVALID, str(error), "use `--hash=sha256:...`") from None
    if not asked.requirements:
        nothing = Lock("pypi", (), asked.promise.requires_python, asked.as_of)
        return Resolution(nothing, tuple(_remarks(nothing, False, asked.unneeded)))
    with tempfile.TemporaryDirectory(prefix="cir-resolver-") as folder:
        answer = ask(asked, Path(folder), os.environ if environ is None else environ, secrets)
    try:
        lock = pylock.read(
            answer.pylock,
            asked.promise,
            answer.relations,
            demands=demands,
            as_of=asked.as_of,
            resolver=answer.version,
        )
    except pylock.PylockError as error:
        raise ResolverError(error.code, error.message, error.hint) from None
    return Resolution(lock, (*answer.warnings, *_remarks(lock, asked.promise.minors == (), asked.unneeded)))


def _remarks(lock: Lock, any_python: bool, unneeded: tuple[str, ...]) -> list[str]:
    remarks = [f"`{text}` is needed on no promised platform and was left out" for text in unneeded]
    if any_python and lock.components:
        remarks.append(
            f"the base does not tell its Python, so the lock covers Python {lock.requires_python}; "
            "`PLATFORMS python=3.12` makes it smaller"
        )
    return remarks
