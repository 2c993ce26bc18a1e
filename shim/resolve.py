"""`PIN as-of` and `PIN latest`: resolve at deployment, for this one machine.

Resolution belongs to uv, here as at build time. uv itself is a pinned, hashed component: its static
wheel is named in ``uv.json`` beside this module when the shim image is made, and is fetched, verified and
kept in the store by the same code as every other wheel. It runs with an environment made from nothing.

An answer is kept in the store, so that one store gives every container the same layer, also without
network: `as-of` never asks twice, `latest` asks again when `CIR_MODE=materialize`.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cirfile import pylock
from cirfile.codec import CodecError, decode_lock, encode_lock
from cirfile.demands import DemandError, demanded
from cirfile.hold import claim_or_wait
from cirfile.lock import Artifact, Lock
from cirfile.manifest import Manifest
from cirfile.promise import Promise
from shim import promise
from shim.choice import Choices
from shim.errors import INTERNAL, INVALID, UNAVAILABLE, ShimError
from shim.facts import Facts
from shim.key import layer_key
from shim.materialize import Work, materialize
from shim.progress import Silent
from shim.provider import Choice, Hint, Selection
from shim.providers.pypi import handover
from shim.store import Store

ECOSYSTEM = "pypi"
PIN = Path(__file__).with_name("uv.json")

_CREDENTIALS = re.compile(r"(://)[^/@\s]+@")
_ORNAMENTS = re.compile(r"^[^\w`'\"(]+|^(?:error|hint|warning): ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be resolved, and for whom. ``check`` raises once the deadline has passed."""

    manifest: Manifest
    facts: Facts
    environment: Mapping[str, str]
    progress: Silent
    check: Callable[[], None]


def locked(
    address: str,
    request: Request,
    stores: Iterable[Store],
    writable: Callable[[], Store],
    *,
    afresh: bool,
    offline: bool,
) -> Lock:
    """The kept answer of an address, or a new one, which is kept.

    :param stores: where an answer may be kept
    :param writable: gives a store to work in
    :param afresh: ask again if the image says `PIN latest`
    :raises ShimError: 69 where an index or a package is not there, 78 where no build fits this machine
    """
    afresh = afresh and request.manifest.pin.mode == "latest"
    answers = (kept(store.answer(address)) for store in stores)
    answer = None if afresh else next(filter(None, answers), None)
    if answer:
        return answer
    if offline:
        message = f"this image is resolved at deployment (PIN {request.manifest.pin.mode}), and CIR_OFFLINE=1"
        raise ShimError(UNAVAILABLE, message, "start it once with network and the same store")
    store = writable()
    path = store.answer(address)
    if afresh:
        return _ask_and_keep(request, store, path)
    claim = claim_or_wait(
        store.claim(path.name), lambda: bool(kept(path)), request.progress.phase, request.check
    )
    if claim is None:
        return kept(path) or _ask_and_keep(request, store, path)
    claim.keep()
    try:
        return _ask_and_keep(request, store, path)
    finally:
        claim.release()


def kept(path: Path) -> Lock | None:
    """An answer that was kept, if it can be read."""
    try:
        return decode_lock(path.read_bytes())
    except (OSError, CodecError):
        return None


def _ask_and_keep(request: Request, store: Store, path: Path) -> Lock:
    lock = _ask(request, store)
    store.keep(path.name, encode_lock(lock))
    return lock


def _ask(request: Request, store: Store) -> Lock:
    uv = _tool(request, store)
    request.progress.phase("resolve")
    work = store.begin("resolve")
    work.hold.keep()
    try:
        _write_input(request, work.folder)
        text = _run(_command(request, uv), work.folder, _environment(request, store, work.folder))
    finally:
        store.abandon(work)
    as_of = request.manifest.pin.date or ""
    try:
        return pylock.read(
            text,
            _this_machine(request.facts),
            demands=demanded(request.manifest),
            as_of=as_of,
            resolver="uv",
        )
    except DemandError as error:
        raise ShimError(INVALID, str(error), "use `--hash=sha256:...`") from None
    except pylock.PylockError as error:
        raise ShimError(error.code, error.message, error.hint) from None


def _tool(request: Request, store: Store) -> Path:
    """The uv of the store, fetched if it is not there."""
    selection = Selection(ECOSYSTEM, (_pinned(),))
    key = layer_key([selection], request.facts)
    if not (store.has(key) and store.is_sound(key)):
        request.progress.note("fetching uv, which resolves the requirements of this image here")
        choices = Choices(request.facts, key, (selection,), {ECOSYSTEM: Lock(ECOSYSTEM, ())})
        work = Work(
            choices=choices,
            manifest=request.manifest,
            progress=request.progress,
            check=request.check,
            environment=request.environment,
            offline=False,
            hint=Hint(),
            address="",
            wait=True,
            whole=True,
        )
        materialize(work, store)
    return store.path(key) / "bin/uv"


def _pinned() -> Choice:
    """The wheel of uv that the shim image names."""
    try:
        pin = json.loads(PIN.read_bytes())
        artifact = Artifact(pin["name"], pin["url"], pin["sha256"], pin["size"])
        return Choice("uv", pin["version"], artifact, reason="named by the shim image")
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{PIN}: this shim names no uv to resolve with ({type(error).__name__})"
        raise ShimError(INTERNAL, message, "build the shim image again, or use PIN lock") from None


def _write_input(request: Request, folder: Path) -> None:
    needed = promise.needed(request.manifest, request.facts)
    asked = sorted({r.text for r in needed if r.ecosystem == ECOSYSTEM})
    constraints = (c for c in request.manifest.constraints if c.ecosystem == ECOSYSTEM)
    narrowed = sorted({c.text for c in constraints if promise.fulfilled(c.when, request.facts)})
    (folder / "requirements.in").write_text("".join(f"{text}\n" for text in asked))
    (folder / "constraints.txt").write_text("".join(f"{text}\n" for text in narrowed))


def _command(request: Request, uv: Path) -> list[str]:
    python = request.facts.python
    assert python is not None  # noqa: S101 - `choice.check` has refused a base without Python
    date = request.manifest.pin.date
    as_of = ["--exclude-newer", date if "T" in date else f"{date}T23:59:59Z"] if date else []
    return [
        str(uv),
        *("pip", "compile", "requirements.in", "--constraints", "constraints.txt"),
        *("--format", "pylock.toml", "--only-binary", ":all:", "--python", python.path),
        *("--no-config", "--no-header", "--no-progress", "--quiet"),
        *as_of,
    ]


def _environment(request: Request, store: Store, folder: Path) -> dict[str, str]:
    return handover.environment(request.environment, request.manifest, folder) | {
        "TMPDIR": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "UV_CACHE_DIR": str(store.cache("uv")),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_HTTP_RETRIES": "2",
        "NO_COLOR": "1",
        "TZ": "UTC",
    }


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """The answer of uv; a signal or the deadline ends it with us."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    text = " ".join(_ORNAMENTS.sub("", _CREDENTIALS.sub(r"\1***@", done.stderr)).split())
    contradict = "unsatisfiable" in text and "not found" not in text
    code = INVALID if contradict else UNAVAILABLE
    hint = "check the requirements, the index settings and the network; or lock at build with PIN lock"
    raise ShimError(code, f"the requirements cannot be resolved: {text[:600]}", hint)


def _this_machine(facts: Facts) -> Promise:
    """The promise that covers this machine and nothing else."""
    python = facts.python
    minors = ((python.version[0], python.version[1]),) if python else ()
    free = bool(python and "t" in python.abiflags)
    return Promise(
        arches=(facts.arch,),
        libcs=(facts.libc,),
        pythons=() if free else minors,
        free_threaded=minors if free else (),
    )
