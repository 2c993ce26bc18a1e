"""The locks of a plan, made on this machine by the resolver the frontend uses, and kept by their question.

An answer is kept in ``$XDG_CACHE_HOME/cir/locks/<digest of the question>.json``, as BuildKit keeps the step that makes
it: until it is deleted, or ``--no-cache`` asks anew.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildah_plugin.talk import Talk
from cirfile import codec, locking
from cirfile.cli.errors import CliError
from cirfile.manifest import Manifest

#: Another one where answers change and questions do not: here those with conditions, since facts include others.
_REVISION = b"facts include others"


@dataclass(frozen=True, slots=True)
class Locker:
    """Makes locks. ``environ`` and ``secrets`` are what the resolver may use (see `cirfile.resolver.resolve`)."""

    cache: Path
    environ: Mapping[str, str]
    secrets: Path
    talk: Talk
    no_cache: bool = False

    def locks(self, manifest: Manifest) -> dict[str, bytes]:
        """Return the locks a manifest needs, by ecosystem. Raise `CliError` where one cannot be made."""
        asked = locking.question(manifest)
        return {ecosystem: self._lock(manifest, ecosystem, asked) for ecosystem in locking.wanted(manifest)}

    def _lock(self, manifest: Manifest, ecosystem: str, asked: bytes) -> bytes:
        key = ecosystem.encode() + asked + (_REVISION if _has_conditions(manifest, ecosystem) else b"")
        kept = self.cache / f"{hashlib.sha256(key).hexdigest()}.json"
        if not self.no_cache and (found := _read(kept)) is not None:
            self.talk.say(f"lock: {ecosystem} requirements unchanged")
            return found
        from cirfile.resolver import ResolverError, resolve  # here, because most builds resolve nothing

        count = len(manifest.of(ecosystem))
        with self.talk.phase(f"lock: {count} {ecosystem} requirement{'s' * (count != 1)} resolved"):
            try:
                resolution = resolve(manifest, self.environ, self.secrets)
            except ResolverError as error:
                raise CliError(error.code, error.message, error.hint) from None
        for remark in resolution.remarks:
            self.talk.say(f"note: {remark}")
        data = codec.encode_lock(resolution.lock)
        _write(kept, data)
        return data


def _has_conditions(manifest: Manifest, ecosystem: str) -> bool:
    return any(each.when for each in (*manifest.of(ecosystem), *manifest.constraints))


def _read(path: Path) -> bytes | None:
    """Return a lock that was kept, `None` where there is none or it is damaged."""
    try:
        data = path.read_bytes()
        codec.decode_lock(data)
    except (OSError, codec.CodecError):
        return None
    return data


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(aside).rename(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
