"""One build, from settings to delivered image: the order in which everything else in this package is called.

Nothing is decided here twice: what the Cirfile means is in the plan, how it becomes an image in `compose`.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from buildah_plugin import archives, disk, folders, layout, process
from buildah_plugin.blobs import Blobs
from buildah_plugin.compose import Composed, Composer, Target
from buildah_plugin.images import POLICIES, Image, Images
from buildah_plugin.locks import Locker
from buildah_plugin.nodes import Folder
from buildah_plugin.project import Project, own_platform
from buildah_plugin.settings import NamedContext, Settings, cache_folder
from buildah_plugin.steps import Surroundings
from buildah_plugin.tools import Tools
from cirfile import locking, ociconfig
from cirfile.cli.errors import FULL, USAGE, CliError, status_of
from cirfile.ignore import parse_ignore
from cirfile.plan import Platform


@dataclass(frozen=True, slots=True)
class Built:
    """An image of which everything of ours is among the ``blobs``; of the base perhaps only the digests."""

    composed: Composed
    blobs: Blobs

    def layout(self, folder: Path) -> list[str]:
        """Make an OCI layout at ``folder``; return the digests of blobs that are not there."""
        return layout.write(folder, self.blobs, self.composed.top)


class Build:
    """One build; ``work`` is a folder of its own, ``tools`` the programs it may use."""

    def __init__(self, settings: Settings, work: Path, tools: Tools) -> None:
        if settings.pull not in POLICIES:
            raise CliError(USAGE, f"--pull={settings.pull}", f"it is one of {', '.join(POLICIES)}")
        self._settings = settings
        self._work = work
        self.blobs = Blobs(cache_folder(settings.environ) / "blobs")
        self._images = Images(tools, self.blobs, settings.pull)
        self.project = Project(settings, self._images)
        around = Surroundings(self.project.context, self._origin, work, self.project.source)
        self._composer = Composer(self.blobs, self._images.fetched, around, self.epoch, settings.kind)
        self._targets: list[Target] | None = None
        self._ahead: threading.Thread | None = None

    def close(self) -> None:
        """End what is still looked for."""
        while self._ahead is not None and self._ahead.is_alive():
            process.end_all()  # again and again: it may be about to start one
            self._ahead.join(_MOMENT)

    @property
    def epoch(self) -> int:
        """The time everything in the image gets, in seconds."""
        if self._settings.timestamp is not None:
            return self._settings.timestamp
        name = "SOURCE_DATE_EPOCH"
        text = dict(self._settings.build_args).get(name) or self._settings.environ.get(name, "")
        if not text or text == "context":  # a folder of this machine has no time of its own
            return ociconfig.DEFAULT_EPOCH
        return seconds(name, text)

    def run(self, complete: bool) -> Built:
        """Compose the image; ``complete`` has the base's layers fetched as well. Raise `CirfileError` or `CliError`."""
        if self._targets is None:
            self._targets = self._targets_of()
        several = len(self._targets) > 1
        with self._settings.talk.phase("image composed" + ", with all layers" * complete):
            return Built(self._composer.compose(self._targets, several, complete), self.blobs)

    def _targets_of(self) -> list[Target]:
        settings = self._settings
        locker = Locker(
            cache_folder(settings.environ) / "locks", settings.environ, settings.secrets, settings.talk,
            settings.no_cache,
        )  # fmt: skip
        targets = []
        locked: dict[bytes, dict[str, bytes]] = {}
        wanted = settings.platforms or (own_platform(),)
        # The shim is looked up while the base is: most of a build is waiting for such answers.
        self._ahead = threading.Thread(target=self._look_ahead, args=(wanted,), daemon=True)
        self._ahead.start()
        for platform in wanted:
            plan, base = self.project.planned(platform)
            for reason in plan.reads_base:
                settings.talk.say(f"note: the base's layers are read: {reason}")
            asked = locking.question(plan.manifest)
            if asked not in locked:
                locked[asked] = locker.locks(plan.manifest)
            locks = locked[asked]
            manifest = locking.complete(plan.manifest, locks)
            called = platform if settings.platforms else plan.platform
            targets.append(Target(called, plan, base, self._shim(plan.platform), manifest, locks))
        return targets

    def _look_ahead(self, platforms: tuple[Platform, ...]) -> None:
        for platform in platforms:
            with contextlib.suppress(CliError, OSError):  # what fails here fails again, with its reason
                self._images.get(self._shim_name, platform, pull=False)

    @property
    def _shim_name(self) -> str:
        given = dict(self._settings.build_args).get("CIR_SHIM") or self._settings.environ.get("CIR_SHIM")
        return given or ociconfig.default_shim()

    def _shim(self, platform: Platform) -> Image:
        name = self._shim_name
        try:
            # It belongs to this builder, and may lie on this machine only: `--pull` is about the base.
            return self._images.get(name, platform, pull=False)
        except CliError as error:
            raise CliError(
                error.code, f"the shim image `{name}` cannot be had for {platform}: {error.message}",
                "build and push it with `./dev images --push REGISTRY/PATH` (with Docker or as root), or let "
                "`./dev images` make a folder (Debian 12, without either); CIR_SHIM names it, a folder as `oci:FOLDER`"
                + (f"; {error.hint}" if error.hint else ""),
            ) from None  # fmt: skip

    def _origin(self, name: str, platform: Platform) -> Folder:
        """Return the files of what ``--from`` names: a folder, or an image whose layers are read."""
        context = self._settings.context_of(name) or NamedContext(name)
        if context.empty:
            return Folder()
        if context.folder:
            ignore = Path(context.place, ".dockerignore")
            patterns = parse_ignore(ignore.read_text(errors="replace")) if ignore.is_file() else ()
            return disk.tree(context.place, patterns)
        image = self._images.fetched(self._images.get(context.place, platform))
        spool = Path(tempfile.mkdtemp(prefix="layers-", dir=self._work))
        return archives.layers((self.blobs.path(digest) for digest in image.digests), spool)


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Build, Tools, Path]]:
    """Give a build with a folder to work in, on the disk of the cache; nothing is left of it afterwards."""
    root = cache_folder(settings.environ)
    with contextlib.ExitStack() as after:
        try:
            root.mkdir(parents=True, exist_ok=True)
            _sweep(root)
            work = after.enter_context(folders.made("work-", root))
        except OSError as error:
            raise CliError(
                status_of(error),
                f"{root}: {error.strerror}",
                "name a folder that can be written with XDG_CACHE_HOME",
            ) from None
        try:
            access = replace(settings.access, private=work)
            tools = Tools(access, settings.talk, work)
            build = Build(settings, work, tools)
            try:
                yield build, tools, work
            finally:
                build.close()
        except OSError as error:
            raise CliError(
                status_of(error), f"{error.filename or root}: {error.strerror or error}",
                "free some space, or name another folder with XDG_CACHE_HOME" if error.errno in FULL else "",
            ) from None  # fmt: skip


def seconds(name: str, text: str) -> int:
    """Read a time in seconds. Raise `CliError` where it is none, or out of range."""
    if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= ociconfig.LAST_EPOCH:
        return int(text)
    raise CliError(
        USAGE,
        f"{name} is `{text}`, which is no number of seconds up to {ociconfig.LAST_EPOCH} (the year 2262)",
    )


def _sweep(root: Path) -> None:
    """Remove what builds left that lost their machine a day ago or longer, and folders of earlier versions."""
    for left in (*root.glob("work-*"), *root.glob("blobs/.new-*")):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _DAY:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


_DAY, _MOMENT = 24 * 3600, 0.1
