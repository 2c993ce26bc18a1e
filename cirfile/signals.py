"""Names of the Linux signals ``STOPSIGNAL`` may name, with or without ``SIG`` before them."""

from __future__ import annotations

import re

_NAMES = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP "
    "SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
)
#: All names, real-time signals included.
NAMES = (
    *_NAMES.split(),
    *(f"RTMIN+{n}" for n in range(1, 16)),
    *(f"RTMAX-{n}" for n in range(1, 15)),
)


def is_signal(text: str) -> bool:
    """Tell whether ``text`` is a signal: a name in any case, or a number other than 0."""
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text) != 0
    return text.upper().removeprefix("SIG") in NAMES
