"""What ends a command early: a message, a way out and an exit status (``sysexits.h``)."""

from __future__ import annotations

import errno

#: System errors that mean a full disk or quota, and those that mean missing rights.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)

FINDINGS = 1
USAGE = 64
INVALID = 65
NO_INPUT = 66
UNAVAILABLE = 69
INTERNAL = 70
TRY_AGAIN = 75
PERMISSION = 77
NOT_PROMISED = 78
INTERRUPTED = 130

#: Status and meaning, for the reference page.
STATUSES = (
    (0, "done"),
    (
        FINDINGS,
        "`lint` found something, `lock --check` found the lock out of date; `build` and `run` with BuildKit: as Docker",
    ),
    (2, "the command line is wrong"),
    (USAGE, "the command can't do what was asked with this input"),
    (INVALID, "the Cirfile, manifest or lock is invalid, or requirements contradict each other"),
    (NO_INPUT, "a file or an image does not exist"),
    (UNAVAILABLE, "an index, a registry or the engine can't be reached"),
    (INTERNAL, "a fault of `cir` itself (`CIR_LOG=debug` shows where), or of the file system"),
    (TRY_AGAIN, "try again: the deadline passed, or a disk or quota is full"),
    (PERMISSION, "a registry or this account's rights do not allow it"),
    (NOT_PROMISED, "something has no build for a platform"),
    (INTERRUPTED, "interrupted; 143 and 129 where SIGTERM or SIGHUP ended it"),
)


class CliError(Exception):
    """``message`` names the place and the cause, ``hint`` the way out."""

    def __init__(self, code: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Draw the error for a terminal."""
        return f"error: {self.message}" + (f"\nhint: {self.hint}" if self.hint else "")


def status_of(error: OSError) -> int:
    """The exit status for an error of the system."""
    return TRY_AGAIN if error.errno in FULL else PERMISSION if error.errno in DENIED else INTERNAL
