"""Become a program for which, and for all it starts, the kernel has no locks and no hard links.

    python3 without_links.py PROGRAM [ARGUMENT...]

As on Lustre without ``-o flock``, on some NFS mounts, on file systems without links: flock(2) and the record locks of
fcntl(2) fail with ENOSYS and ENOLCK, link(2) with EPERM. A seccomp filter does it, which every process below inherits,
in containers, too, and which needs no rights.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

#: Numbers of the calls, and the kernel's word for the architecture (``AUDIT_ARCH_*``).
_CALLS = {
    "x86_64": (0xC000003E, {"flock": 73, "link": 86, "linkat": 265, "fcntl": 72}),
    "aarch64": (0xC00000B7, {"flock": 32, "linkat": 37, "fcntl": 25}),
}
_REFUSED = {"flock": errno.ENOSYS, "link": errno.EPERM, "linkat": errno.EPERM}
#: F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
_LOCKS = (6, 7, 37, 38)

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _COMMAND = 0, 4, 24
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


def program() -> bytes:
    """Return the filter as the kernel reads it."""
    architecture, calls = _CALLS[platform.machine()]
    lines = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _ALLOW)]
    lines.append((_LOAD, 0, 0, _NUMBER))
    for name, number in _REFUSED.items():
        if name in calls:
            lines += [(_EQUAL, 0, 1, calls[name]), (_RETURN, 0, 0, _ERRNO | number)]
    lines += [(_EQUAL, 1, 0, calls["fcntl"]), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _COMMAND)]
    for command in _LOCKS:
        lines += [(_EQUAL, 0, 1, command), (_RETURN, 0, 0, _ERRNO | errno.ENOLCK)]
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def refuse() -> None:
    """Let the kernel refuse, from here on. Raise `OSError` where it will not."""
    code = ctypes.create_string_buffer(program())
    given = struct.pack("@HP", len(code.raw) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SECCOMP, _FILTER, given, 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    refuse()
    os.execvp(sys.argv[1], sys.argv[1:])
