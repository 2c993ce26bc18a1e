"""Make a layer the active one of this container, so that every process finds it, not only the main one.

The image's PATH begins with ``/.cir/run/layer/bin``; activation makes ``/.cir/run/layer`` lead to the
layer. On a writable root file system the link is replaced atomically. On a read-only one the link of
the image leads to ``/dev/shm/.cir/layer``, which is made instead, and never replaced: ``/dev/shm`` may be shared
with other containers, and with strangers, so that ownership is checked. Part of the warm path: built-in modules only.
"""

import posix

from shim.paths import ACTIVE_BIN, ACTIVE_LAYER, RUN, SHARED, SHARED_LINK
from shim.warm import is_private


def activate(layer: str, *, private: bool = True) -> str:
    """Make `layer` active and return the ``bin`` folder by which it is reached.

    That is ``/.cir/run/layer/bin``; where neither link can be made, or the one in ``/dev/shm`` leads elsewhere,
    the layer's own, which serves the main process but not ``docker exec``.

    :param private: whether ``/dev/shm`` is this container's; that of a host is full of strangers
    """
    if _leads_to(ACTIVE_LAYER, layer):
        return ACTIVE_BIN
    if _replace(RUN, ACTIVE_LAYER, layer):
        _tighten()
        return ACTIVE_BIN
    if private and _leads_to(ACTIVE_LAYER, SHARED_LINK) and _share(layer):
        return ACTIVE_BIN
    return layer + "/bin"


def _leads_to(link: str, target: str) -> bool:
    try:
        return posix.readlink(link) == target
    except OSError:
        return False


def _replace(folder: str, link: str, target: str) -> bool:
    """Let `link` in `folder` lead to `target`, atomically; `False` where the folder cannot be written."""
    aside = f"{folder}/.{posix.getpid()}"
    try:
        try:
            posix.symlink(target, aside)
        except FileExistsError:  # left by a start that was killed: every container counts from 1
            posix.unlink(aside)
            posix.symlink(target, aside)
        posix.rename(aside, link)
    except OSError:
        return False
    return True


def _tighten() -> None:
    """As root, leave nobody else a way to lead the link elsewhere."""
    if posix.geteuid() == 0:
        try:
            posix.chmod(RUN, 0o755)
        except OSError:
            return  # a file system that knows no modes has nothing to tighten


def _share(layer: str) -> bool:
    """Make the link in ``/dev/shm``, in a folder that belongs to this user or to root."""
    try:
        posix.mkdir(SHARED, 0o755)
    except FileExistsError:
        pass
    except OSError:
        return False
    if not is_private(SHARED):
        return False
    # Leading elsewhere means that another container shares this /dev/shm (``--ipc=host``, a pod). Its processes
    # must not find our packages, so its link stays, also where it leads to nothing here: stores may differ.
    try:
        posix.symlink(layer, SHARED_LINK)
    except OSError:
        return _leads_to(SHARED_LINK, layer)
    return True
