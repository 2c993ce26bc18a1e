"""Private folders of one run of a command, which do not outlive it: where it is killed, the next one removes them.

Such a folder holds a file that its owner keeps locked, with the boot of the owner's kernel in it. A free lock of
this boot says that the owner is dead. Where locks do not reach, on some network file systems or for an owner on
another host, a folder is taken for one that was left when it is a day old.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from cirfile.cli import ending
from cirfile.hold import NO_LOCKS, boot

_OWNER = ".owner"
_DAY = 24 * 3600


@contextmanager
def made(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Make a folder in ``parent``, else where temporary files go; what is left of such ones there is removed first."""
    place = parent or Path(tempfile.gettempdir())
    sweep(place, prefix)
    with ExitStack() as after:
        with ending.postponed():
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
            after.callback(_remove, folder)
            after.callback(os.close, _own(folder))
        yield folder


def sweep(parent: Path, prefix: str) -> None:
    """Remove what killed processes of this user have left; nothing of anybody else, and nothing behind links."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(prefix):
                with suppress(OSError):
                    _sweep(Path(entry.path))


def _sweep(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        return
    handle = os.open(folder / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if _is_left(handle):
            _remove(folder)
    finally:
        os.close(handle)


def _own(folder: Path) -> int:
    """Return a handle that keeps the folder; its file has content once that is so, which is when others look."""
    handle = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        owner = boot()
    except OSError:
        owner = NO_LOCKS
    os.write(handle, owner)
    return handle


def _is_left(handle: int) -> bool:
    """Whether nobody owns a folder any more; if not so, the lock is ours until the handle is closed."""
    owner = os.pread(handle, 100, 0)
    if owner and owner == boot():
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # locks that there were are there no more
            owner = NO_LOCKS
        else:
            return True
    return time.time() - os.fstat(handle).st_mtime > _DAY


def _remove(folder: Path) -> None:
    """Remove what can be removed, the owner's file last: what is cut short is found again."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                _remove_tree(path)
            elif path.name != _OWNER:
                path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_tree(top: Path) -> None:
    shutil.rmtree(top, ignore_errors=True)
    if not top.is_dir():
        return
    top.chmod(0o700)  # an image's folders may be closed to their owner
    for place, names, _ in os.walk(top):
        for path in (Path(place, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(top, ignore_errors=True)
