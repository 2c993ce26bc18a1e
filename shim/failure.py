"""The end of a start that failed: one message, one exit code, no traceback."""

from __future__ import annotations

import errno
import json
import os
import traceback
from collections.abc import Mapping
from typing import NoReturn

from shim.errors import DENIED, FULL, INTERNAL, PERMISSION, TRY_AGAIN, ShimError
from shim.guard import Interrupted

#: What file systems of disks and servers say when they fail: not what a mistake of ours would lead to.
_OF_STORES = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EREMOTEIO, errno.ENOTCONN, errno.EHOSTDOWN)


def end(error: BaseException, environment: Mapping[bytes, bytes]) -> NoReturn:
    """Write the message and exit. Never returns, and waits for no thread."""
    failure = of(error)
    log = environment.get(b"CIR_LOG", b"")
    _write(_render(failure, as_json=log == b"json"))
    if log == b"debug" and failure.code == INTERNAL:
        _write("".join(f"cir: debug: {line}\n" for line in _places(error)))
    os._exit(failure.code)


def of(error: BaseException) -> ShimError:
    """Any exception as a message with an exit code."""
    if isinstance(error, ShimError):
        return error
    if isinstance(error, Interrupted):
        message = f"ended by {error} while the platform layer was made"
        return ShimError(error.code, message, "what was fetched is kept, nothing half-made is left")
    if isinstance(error, OSError) and error.errno in FULL + DENIED:
        return _of_system(error)
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        message = "the container may have no more processes, which making the platform layer needs"
        return ShimError(TRY_AGAIN, message, "allow it more: `--pids-limit`, or `ulimit -u` of its user")
    if isinstance(error, OSError) and error.errno in _OF_STORES and _is_elsewhere(error.filename):
        message = f"{error.filename}: the file system failed: {(error.strerror or '').lower()}"
        return ShimError(
            TRY_AGAIN, message, "try again; if it stays, look at the disk or the server of the store"
        )
    if isinstance(error, MemoryError):
        message = "there is not enough memory to make the platform layer"
        return ShimError(TRY_AGAIN, message, "allow the container more")
    text = " ".join(str(error).split()) or type(error).__name__
    place = _places(error)[-1:]
    message = f"internal error: {type(error).__name__}: {text}" + (f" ({place[0]})" if place else "")
    return ShimError(INTERNAL, message, "this is a fault of the shim: please report it with this line")


def _is_elsewhere(name: object) -> bool:
    """Whether a file is not one of the image's own."""
    return isinstance(name, str | bytes) and not os.fsdecode(name).startswith("/.cir/")


def _of_system(error: OSError) -> ShimError:
    where = f"{error.filename}: " if error.filename else ""
    text = f"{where}{(error.strerror or '').lower()}"
    from shim import advice

    if error.errno in FULL:
        return ShimError(TRY_AGAIN, text, advice.space())
    return ShimError(PERMISSION, text, advice.store())


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]  # noqa: PTH119


def _render(failure: ShimError, *, as_json: bool) -> str:
    if as_json:
        fields = {"event": "error", "code": failure.code, "message": failure.message, "hint": failure.hint}
        return json.dumps(fields, separators=(",", ":")) + "\n"
    hint = f"cir: hint: {failure.hint}\n" if failure.hint else ""
    return f"cir: error: {failure.message}\n{hint}"


def _write(text: str) -> None:
    try:
        os.write(2, text.encode("utf-8", "replace"))
    except OSError:
        return
