"""Hand over a composed image: to the storage of this user, to a registry, to a file.

Storages and registries take layers they have by their digest. So an image is offered first without the
base's layers; only where they turn out to be missing are they fetched, and the image is offered again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from buildah_plugin import layout
from buildah_plugin.build import Build, Built
from buildah_plugin.layout import Descriptor
from buildah_plugin.process import ProcessError
from buildah_plugin.reasons import explained
from buildah_plugin.settings import Output, Settings
from buildah_plugin.tools import BUILDAH, SKOPEO, STORAGE, Tools
from cirfile import references
from cirfile.cli.errors import UNAVAILABLE, USAGE, CliError

_MISSING = ("no such file or directory", "does not exist")


class Delivery:
    """Takes the image of ``build`` where ``settings`` want it."""

    def __init__(self, settings: Settings, build: Build, tools: Tools, work: Path) -> None:
        self._settings = settings
        self._build = build
        self._tools = tools
        self._work = work

    def run(self) -> Built:
        """Compose and deliver. Raise `CliError` where a place does not take the image."""
        outputs = self._settings.outputs
        files = [output for output in outputs if output.kind not in ("push", "storage")]
        built = self._build.run(complete=bool(files))
        for output in files:
            self._file(built, output)
        if not outputs or any(output.kind == "storage" for output in outputs):
            built = self._offered(built, self._store, "the image")
        for output in outputs:
            if output.kind == "push":
                built = self._offered(built, self._pusher(output.place), f"the image `{output.place}`")
        if self._settings.iidfile:
            self._settings.iidfile.write_text(image_id(built))
        return built

    def _offered(self, built: Built, give: Callable[[Built], None], what: str) -> Built:
        """Offer the image; where layers of the base are missing, fetch them and offer it again."""
        try:
            give(built)
        except ProcessError as error:
            if not any(words in error.tail for words in _MISSING):
                raise explained(error, what) from None
        else:
            return built
        whole = self._build.run(complete=True)
        try:
            give(whole)
        except ProcessError as error:
            raise explained(error, what) from None
        return whole

    def _store(self, built: Built) -> None:
        with self._settings.talk.phase("image put into the storage"):
            manifests = built.composed.manifests
            given = [
                output.place for output in self._settings.outputs if output.kind == "storage" and output.place
            ]
            names = list(dict.fromkeys(_stored_name(name) for name in (*self._settings.tags, *given)))
            if len(manifests) == 1:
                ids = [self._store_one(built, manifests[0], names)]
            else:
                ids = [self._store_one(built, manifest, []) for manifest in manifests]
                for name in names:
                    self._list(name, ids)
            if self._settings.manifest:
                self._extend(_stored_name(self._settings.manifest), ids)

    def _store_one(self, built: Built, manifest: Descriptor, names: list[str]) -> str:
        """Store the image of one platform and return its id."""
        place = self._layout(built, manifest)
        image = str(built.blobs.json(manifest["digest"])["config"]["digest"]).partition(":")[2]
        if self._tools.skopeo:
            for name in names or [f"@{image}"]:
                self._tools.run([SKOPEO, "copy", f"oci:{place}", STORAGE + name])
            return image
        self._tools.run([BUILDAH, "pull", "--quiet", f"oci:{place}"])
        if names:
            self._tools.run([BUILDAH, "tag", image, *names])
        return image

    def _extend(self, name: str, ids: list[str]) -> None:
        """Add images to the list of ``--manifest``, made where it is not there."""
        self._need_lists()
        self._tools.run([BUILDAH, "manifest", "create", "--amend", name])
        self._add(name, ids)

    def _need_lists(self) -> None:
        if not self._tools.buildah:
            raise CliError(
                UNAVAILABLE, "a list of manifests in the storage needs `buildah`, which is not on PATH",
                "install it, or --push instead",
            )  # fmt: skip

    def _list(self, name: str, ids: list[str]) -> None:
        """Make a list of images, which takes over the name, whatever had it before."""
        self._need_lists()
        with self._tools.list() as new:
            self._add(new, ids)
            self._tools.run([BUILDAH, "tag", new, name])

    def _add(self, name: str, ids: list[str]) -> None:
        for image in ids:
            self._tools.run([BUILDAH, "manifest", "add", name, f"{STORAGE}@{image}"])

    def _pusher(self, name: str) -> Callable[[Built], None]:
        try:
            target = f"docker://{references.normalize(name)}"
        except references.ImageNameError as error:
            raise CliError(USAGE, str(error)) from None

        def push(built: Built) -> None:
            with self._settings.talk.phase(f"pushed {name}"):
                place = self._layout(built, built.composed.top)
                flags = self._tools.access(target, "dest-" if self._tools.skopeo else "")
                if self._tools.skopeo:
                    copy = [SKOPEO, "copy", "--all", "--preserve-digests", *flags]
                    self._tools.run([*copy, f"oci:{place}", target])
                    return
                with self._tools.list() as listed:
                    self._tools.run([BUILDAH, "manifest", "add", "--all", listed, f"oci:{place}"])
                    self._tools.run([BUILDAH, "manifest", "push", "--all", *flags, listed, target])

        return push

    def _layout(self, built: Built, top: Descriptor) -> str:
        folder = Path(tempfile.mkdtemp(prefix="layout-", dir=self._work))
        layout.write(folder, built.blobs, top)
        return f"{folder}:latest"

    def _file(self, built: Built, output: Output) -> None:
        target = Path(output.place)
        with self._settings.talk.phase(f"wrote {target}"):
            folder = Path(self._layout(built, built.composed.top).removesuffix(":latest"))
            if output.kind == "oci-dir":
                if target.exists() and any(target.iterdir()):
                    raise CliError(USAGE, f"{target} is there already and not empty", "name another folder")
                shutil.copytree(folder, target, dirs_exist_ok=True)
                return
            aside = target.with_name(f".{target.name}.part")
            try:
                if output.kind == "docker":
                    first, *others = [references.normalize(tag) for tag in self._settings.tags] or [""]
                    more = [word for tag in others for word in ("--additional-tag", tag)]
                    place = f"docker-archive:{aside}{first and f':{first}'}"
                    self._tools.run([SKOPEO, "copy", *more, f"oci:{folder}:latest", place])
                else:
                    with aside.open("wb") as out:
                        layout.pack(folder, out)
                aside.rename(target)
            except ProcessError as error:
                raise explained(error, f"the file {target}") from None
            finally:
                aside.unlink(missing_ok=True)


def image_id(built: Built) -> str:
    """Return the id of an image: the digest of its configuration, of several platforms that of the index."""
    manifests = built.composed.manifests
    if len(manifests) > 1:
        return built.composed.digest
    return str(built.blobs.json(manifests[0]["digest"])["config"]["digest"])


def _stored_name(tag: str) -> str:
    """Return a tag as the storage names it: without a registry it is one of this machine."""
    try:
        full = references.normalize(tag)
    except references.ImageNameError as error:
        raise CliError(USAGE, str(error)) from None
    if full.startswith(references.HUB) and not tag.startswith(references.HUB):
        return "localhost/" + full.removeprefix(f"{references.HUB}/").removeprefix("library/")
    return full
