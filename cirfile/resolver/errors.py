"""What can go wrong while resolving: a message, a way out, and an exit code (``sysexits.h``)."""

from __future__ import annotations

INVALID = 65
UNAVAILABLE = 69
INTERNAL = 70
NOT_PROMISED = 78


class ResolverError(Exception):
    """Ends the resolution: ``message`` names place and cause, ``hint`` the way out; no credentials."""

    def __init__(self, code: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Draw the error as it stands in a build log."""
        return f"error: {self.message}" + (f"\nhint: {self.hint}" if self.hint else "")
