"""``python -m cirfile.resolver QUESTION OUTDIR``: resolve the manifest in the file QUESTION.

argv: QUESTION, a file with a manifest without locks (`cirfile.codec.encode_manifest`); OUTDIR, an
existing folder. Environment: proxies, ``SSL_CERT_FILE``, ``NETRC``. Reads
``/run/secrets/cir_netrc`` and ``/run/secrets/cir_ca`` where they are there. Writes
``OUTDIR/pypi.json`` (`cirfile.codec.encode_lock`), whole or not at all. Speaks on stderr. Exit codes:
0, 64 usage, 65 question invalid or requirements contradict each other, 69 index unreachable or
package missing, 70 internal, 78 no build for a promised platform.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cirfile.codec import CodecError, decode_manifest, encode_lock
from cirfile.lock import Lock
from cirfile.resolver import resolve
from cirfile.resolver.errors import INTERNAL, INVALID, ResolverError

USAGE = 64
INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """Answer one question; return the exit status."""
    if len(argv) != 2:
        say("usage: python -m cirfile.resolver QUESTION OUTDIR")
        return USAGE
    try:
        _answer(Path(argv[0]), Path(argv[1]))
    except ResolverError as error:
        say(str(error))
        return error.code
    except OSError as error:
        say(f"error: {error.filename or 'the resolver'}: {error.strerror or error}")
        return INTERNAL
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def say(text: str) -> None:
    """Speak to the person who reads the build log."""
    sys.stderr.write(f"{text}\n")


def _answer(source: Path, folder: Path) -> None:
    started = time.monotonic()
    try:
        manifest = decode_manifest(source.read_bytes())
    except CodecError as error:
        raise ResolverError(INVALID, f"{source}: {error}") from None
    resolution = resolve(manifest)
    data = encode_lock(resolution.lock)
    aside = folder / ".pypi.json"
    aside.write_bytes(data)
    aside.replace(folder / "pypi.json")
    for remark in resolution.remarks:
        say(f"note: {remark}")
    say(_summary(resolution.lock, len(data), time.monotonic() - started))


def _summary(lock: Lock, size: int, seconds: float) -> str:
    artifacts = sum(len(component.artifacts) for component in lock.components)
    return (
        f"locked {len(lock.components)} components with {artifacts} artifacts "
        f"for Python {lock.requires_python} "
        f"({size} bytes, {lock.resolver or 'nothing to ask'}, {seconds:.1f} s)"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
