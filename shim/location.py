"""Which store to use: where the layer already is, else where one can be made."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from shim import advice
from shim.errors import DENIED, FULL, PERMISSION, USAGE, ShimError
from shim.paths import DEFAULT_STORE, RUN, TEMPORARY_STORE
from shim.settings import Settings
from shim.store import Store
from shim.warm import Environment, fallback_stores, in_apptainer, is_private, is_read_only


def holding(settings: Settings, environment: Environment, key: str) -> list[Store]:
    """The stores that have the layer of `key`, the best first."""
    stores = (Store(path) for path in existing(settings, environment))
    return [store for store in stores if store.has(key)]


def existing(settings: Settings, environment: Environment) -> list[Path]:
    """The stores that a start with these settings looks into."""
    bound = [Path(RUN)] if Path(RUN, "layers").is_dir() and is_read_only(RUN) else []
    if settings.store:
        return [*bound, Path(settings.store)]
    fallbacks = [Path(path) for path in fallback_stores(environment) if is_private(path)]
    return [*bound, Path(DEFAULT_STORE), *fallbacks]


def writable(settings: Settings, environment: Environment, warn: Callable[[str], None]) -> Store:
    """A store to make a layer in, created if need be.

    :raises ShimError: 64 if `CIR_STORE` is no folder, 77 where none can be written
    """
    if settings.store:
        return _own(settings.store)
    reasons: list[str] = []
    hosted = in_apptainer(environment)
    if not hosted or _is_own_mount(DEFAULT_STORE):  # a writable root of Apptainer has 64 MiB, in memory
        try:
            return _executable(Store.create(Path(DEFAULT_STORE)))
        except OSError as error:
            if error.errno in FULL:  # another store would only hide that
                raise
            reasons.append(f"{DEFAULT_STORE}: {(error.strerror or '').lower()}")
    for path in fallback_stores(environment):
        store = _fallback(path, reasons)
        if store and hosted:
            warn(f"the layer is kept in {path}")
        elif store:
            warn(f"warning: {reasons[0]}; the layer goes to {path}, which other containers do not see")
            warn(f"hint: to share a store, {advice.store()}")
        if store:
            return store
    raise ShimError(
        PERMISSION, "there is no store that can be written: " + "; ".join(reasons), advice.store()
    )


def is_lost_with_container(store: Store) -> bool:
    """Whether the store lies in the container's own file system and goes with it."""
    try:
        return store.root.stat().st_dev == os.stat("/").st_dev and _is_overlay("/")  # noqa: PTH116
    except OSError:
        return False


def _is_own_mount(path: str) -> bool:
    """Whether something is mounted at `path`, or it lies in what is."""
    try:
        return os.stat(path).st_dev != os.stat("/").st_dev  # noqa: PTH116
    except OSError:
        return False


def _own(path: str) -> Store:
    try:
        return _executable(Store.create(Path(path)))
    except (NotADirectoryError, FileExistsError):
        raise ShimError(
            USAGE, f"CIR_STORE={path} is not a folder", "name a folder to keep layers in"
        ) from None
    except OSError as error:
        if error.errno not in DENIED:
            raise
        reason = (error.strerror or "").lower()
        message = f"CIR_STORE={path}: the store cannot be written: {reason} (this is user {os.geteuid()})"
        raise ShimError(PERMISSION, message, "let this user write it, or mount a volume there") from None


def _fallback(path: str, reasons: list[str]) -> Store | None:
    """A fallback store, if it is or becomes a private folder of this user.

    Then a group may not write what is made from now on, either: that is for stores which users name or mount.
    """
    before = os.umask(0o022)
    store = _private(path, reasons)
    if store is None:
        os.umask(before)
    return store


def _private(path: str, reasons: list[str]) -> Store | None:
    try:
        _make_private(Path(path), 0o700 if path.startswith(TEMPORARY_STORE) else 0o755)
        if not is_private(path):
            reasons.append(f"{path}: belongs to somebody else or others may write to it")
            return None
        return _executable(Store.create(Path(path)))
    except OSError as error:
        reasons.append(f"{path}: {(error.strerror or '').lower()}")
        return None


def _executable(store: Store) -> Store:
    """The store, if programs and libraries in it can be used; Docker mounts ``--tmpfs`` without that.

    :raises OSError: as whoever would load one gets it
    """
    if os.statvfs(store.root).f_flag & os.ST_NOEXEC:
        raise OSError(
            errno.EACCES, "mounted noexec, so that no library in it could be loaded", str(store.root)
        )
    return store


def _make_private(folder: Path, mode: int) -> None:
    """Make a folder with exactly this mode, whatever the umask is; leave alone what is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=mode)
    except FileExistsError:
        return
    folder.chmod(mode)


def _is_overlay(path: str) -> bool:
    """Whether `path` is the mount point of a container's overlay file system."""
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    fields = (line.split(" ") for line in lines)
    mounts = ((words[1], words[2]) for words in fields if len(words) > 2)
    return any(mount in ((path, "overlay"), (path, "fuse.fuse-overlayfs")) for mount in mounts)
