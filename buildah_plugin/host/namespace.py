"""What bubblewrap does, done by this process itself: a mount namespace of its own with an application's files in it.

The kernel lets an ordinary account do that in a user namespace, where administrators have not forbidden it. Nothing
else is apart: processes, network and ids are this machine's. See mount_namespaces(7) and user_namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from buildah_plugin.host.laying import LaidStep
from cirfile.cli.errors import UNAVAILABLE, CliError

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _REMOUNT, _BIND, _ALL_BELOW, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_DETACH = 2
_NO_NEW_PRIVILEGES = 38
#: Flags of a mount, as statvfs(3) tells them and as mount(2) takes them; a user namespace must not lose one.
_KEPT = ((2, 2), (4, 4), (8, 8), (1024, 1024), (2048, 2048), (4096, 1 << 21))
#: pivot_root(2) has no function in C libraries.
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
#: Where the namespace is put together; every machine has it, and what is in it stays as it is.
_STAGE = "/tmp"  # noqa: S108 - a new mount of ours, nothing is written below it


def obstacle() -> str:
    """Why this process cannot have such a namespace, empty where it can. Tried in a child, which then ends."""
    child = os.fork()
    if not child:
        try:
            _separate()
            _mount("tmpfs", _STAGE, "tmpfs")
        except OSError as error:
            os._exit(error.errno or 1)
        except BaseException:  # whatever happens, this must not go on as a second `cir`
            os._exit(1)
        os._exit(0)
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "" if number == 0 else os.strerror(abs(number)).lower()


def enter(steps: Iterable[LaidStep]) -> None:
    """Go into a new namespace where ``steps`` have been done. Raise `CliError` (69) where the kernel refuses one."""
    try:
        _separate()
        _mount("tmpfs", _STAGE, "tmpfs", _NO_SETUID | _NO_DEVICES)
        os.chdir(_STAGE)
        for name in ("old", "new"):
            Path(name).mkdir()
        _pivot_root(".", "old")
        os.chdir("/")
        for step in steps:
            _do(step)
        _unmount("/old")
        os.chdir("/new")
        _pivot_root(".", ".")
        _unmount(".")
        os.chdir("/")
        _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise CliError(
            UNAVAILABLE, f"the application's files cannot be laid over this machine's: {where}{error.strerror}",
            "install bubblewrap, or use --engine apptainer",
        ) from None  # fmt: skip


def _separate() -> None:
    """Leave the mounts of this machine alone from here on; an ordinary account keeps its ids and gets no others."""
    user, group = os.geteuid(), os.getegid()
    try:
        if user:
            raise PermissionError
        _call("unshare", _NEW_MOUNTS)
    except PermissionError:
        _call("unshare", _NEW_MOUNTS | _NEW_USER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount("", "/", "", _PRIVATE | _ALL_BELOW)


def _do(step: LaidStep) -> None:
    kind, *source, place = step
    target = Path("/new", place.lstrip("/"))
    if kind == "--symlink":
        target.symlink_to(source[0])
    elif kind == "--tmpfs":
        target.mkdir(parents=True, exist_ok=True)
        _mount("tmpfs", str(target), "tmpfs", _NO_SETUID | _NO_DEVICES, "mode=0755")
    else:
        _bind(Path("/old", source[0].lstrip("/")), target, kind)


def _bind(source: Path, target: Path, kind: str) -> None:
    if not os.path.lexists(source):
        if kind.endswith("-try"):
            return
        raise FileNotFoundError(2, os.strerror(2), str(source).removeprefix("/old"))
    if source.is_dir():
        target.mkdir(exist_ok=True)
    elif not target.exists():
        target.touch()
    _mount(str(source), str(target), "", _BIND | _ALL_BELOW)
    if kind == "--ro-bind":
        flags = os.statvfs(target).f_flag
        kept = sum(mounted for told, mounted in _KEPT if flags & told)
        _mount("", str(target), "", _BIND | _REMOUNT | _READ_ONLY | kept)


def _mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    words = (source.encode(), os.fsencode(target), kind.encode())
    _call("mount", *words, ctypes.c_ulong(flags), data.encode(), place=target)


def _unmount(target: str) -> None:
    _call("umount2", os.fsencode(target), _DETACH, place=target)


def _pivot_root(new: str, old: str) -> None:
    number = ctypes.c_long(_PIVOT_ROOT[os.uname().machine])
    _call("syscall", number, os.fsencode(new), os.fsencode(old))


def _call(function: str, *words: object, place: str = "") -> None:
    """Call the C library. Raise `OSError` with the place as it is called outside."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, function)(*words) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place.removeprefix("/new") or None)
