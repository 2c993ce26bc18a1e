"""The mark of a layer that works and to which files are still added: a folder in it, for those on their way.

Who adds them has it locked, and has written in it which host and boot that is: where locks hold within one host
only, which is so for folders on NFS and Lustre, others see by that, and by the folder's age, that somebody is at work.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from cirfile.hold import LEFT, boot

NAME = "layer.part"
_OWNER = "owner"


def is_unfinished(layer: Path) -> bool:
    """Whether files are still to be added, by whoever made the layer or, if that was ended, by a later start."""
    return (layer / NAME).is_dir()


def lock(layer: Path) -> int:
    """Open and lock the folder; whoever has it open has the lock, also after clone(2).

    :raises BlockingIOError: while another works there
    :raises FileNotFoundError: for a layer that is finished
    :raises OSError: where it cannot be opened
    """
    part = os.open(layer / NAME, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # without locks the owner's name has to do
            pass
        if not is_that_of(layer, part):
            raise FileNotFoundError(errno.ENOENT, "finished meanwhile", str(layer / NAME))
        if _is_anothers(part):
            raise BlockingIOError(errno.EAGAIN, "another host is at work", str(layer / NAME))
    except BaseException:
        os.close(part)
        raise
    return part


def own(part: int) -> int:
    """Write in a locked folder who is at work there; return how many have been, this one too.

    :raises OSError: where it cannot be written
    """
    _, count = _owner(part)
    handle = os.open(_OWNER, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644, dir_fd=part)
    try:
        os.write(handle, b"%s %d\n" % (boot().strip() or b"-", count + 1))
    finally:
        os.close(handle)
    return count + 1


def is_that_of(layer: Path, part: int) -> bool:
    """Whether an open folder is that of the layer, which may be finished or another's by now."""
    try:
        return os.path.samestat(os.fstat(part), (layer / NAME).stat())
    except OSError:
        return False


def _is_anothers(part: int) -> bool:
    """Whether another host or boot has worked there a moment ago."""
    owner, _ = _owner(part)
    return owner not in (b"", b"-", boot().strip()) and abs(time.time() - os.fstat(part).st_mtime) < LEFT


def _owner(part: int) -> tuple[bytes, int]:
    """The boot of whoever was at work there last, empty if nobody was, and how many have been."""
    try:
        handle = os.open(_OWNER, os.O_RDONLY | os.O_CLOEXEC, dir_fd=part)
    except OSError:
        return b"", 0
    try:
        owner, _, count = os.read(handle, 100).strip().partition(b" ")
    finally:
        os.close(handle)
    return owner, int(count) if count.isdigit() else 0
