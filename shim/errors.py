"""What can go wrong at run time: a message, a way out and an exit code (``sysexits.h``)."""

from __future__ import annotations

import errno

USAGE = 64
INVALID = 65
UNAVAILABLE = 69
INTERNAL = 70
TRY_AGAIN = 75
PERMISSION = 77
NOT_PROMISED = 78

#: System errors that mean a full disk or quota, and those that mean a missing permission.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


class ShimError(Exception):
    """Ends the start: ``message`` names the place and the cause, ``hint`` the way out."""

    def __init__(self, code: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
