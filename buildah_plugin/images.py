"""Images a build stands on: manifest and configuration looked up, blobs fetched as they are, nothing unpacked.

A name is looked for in the containers-storage of this user first, as Buildah does (``--pull``), then in its
registry. A name of no registry means one of Docker Hub, as in every Dockerfile, or ``localhost/NAME`` in the storage.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from buildah_plugin import layout
from buildah_plugin.blobs import Blobs
from buildah_plugin.process import ProcessError
from buildah_plugin.reasons import explained
from buildah_plugin.tools import STORAGE, Tools
from cirfile import imageconfig, references
from cirfile.cli.errors import INVALID, NO_INPUT, NOT_PROMISED, UNAVAILABLE, USAGE, CliError
from cirfile.plan import Platform
from cirfile.platforms import normalize

POLICIES = ("missing", "always", "never", "newer")
#: Other ways to name an image, of containers-transports(5).
_REGISTRY = "docker://"
#: Read without a program: a folder, as `cir build -o type=oci,tar=false` writes it.
_LAYOUT = "oci:"
TRANSPORTS = (_REGISTRY, _LAYOUT, "oci-archive:", "docker-archive:", "dir:", STORAGE)
_OCI = "application/vnd.oci.image"
_USUAL = Platform()
_LAYER_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{_OCI}.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar": f"{_OCI}.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": f"{_OCI}.layer.v1.tar+zstd",
}


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one platform. ``source`` is where its blobs come from, in the words of Skopeo; empty: nothing.

    ``oci`` is its configuration, ``layers`` are descriptors with media types of OCI. ``registry`` is where an image of
    the storage may have come from.
    """

    source: str = ""
    oci: Mapping[str, Any] = field(default_factory=dict)
    layers: Sequence[Mapping[str, Any]] = ()
    platform: Platform = _USUAL
    registry: str = ""

    @property
    def digests(self) -> list[str]:
        """The digests of its layers, lowest first."""
        return [str(layer["digest"]) for layer in self.layers]


#: What ``FROM scratch`` stands on.
NOTHING = Image()


class Images:
    """Looks up images for one build; equal questions are asked once, whatever thread asks."""

    def __init__(self, found: Tools, blobs: Blobs, policy: str = "missing") -> None:
        self._tools = found
        self._blobs = blobs
        self._policy = policy
        self._known: dict[tuple[str, Platform, str], Image] = {}
        self._locks: dict[tuple[str, Platform, str], threading.Lock] = {}
        self._mutex = threading.Lock()

    def get(self, name: str, platform: Platform, *, pull: bool = True) -> Image:
        """Return an image; without ``pull`` one of the storage does, whatever the policy says of newer ones.

        Raise `CliError`: 65 not what was asked for, 66 not there, 69 registry not reached, 77 refused, 78 no such
        platform.
        """
        policy = self._policy if pull or self._policy == "never" else "missing"
        key = (name, platform, policy)
        with self._mutex:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._known:
                self._known[key] = self._look(*key)
            return self._known[key]

    def fetched(self, image: Image) -> Image:
        """Return the image with all its layers among the blobs. Raise `CliError` where they cannot be had.

        A storage keeps layers unpacked, and compresses them anew with other digests; so an image out of it is looked
        for by its digest where it came from, and exported only where it is not there.
        """
        if not image.source or all(self._blobs.has(digest) for digest in image.digests):
            return image
        if image.registry:
            with contextlib.suppress(ProcessError):
                self._tools.copy_in(image.registry, image.platform, self._blobs)
                return image
        try:
            digest = self._tools.copy_in(image.source, image.platform, self._blobs)
        except ProcessError as error:
            raise explained(error, f"the image `{image.source}`") from None
        if not image.source.startswith(STORAGE):
            return image
        return self._image(image.source, self._blobs.json(digest), image.oci, image.platform)

    def _look(self, name: str, platform: Platform, policy: str) -> Image:
        if name.startswith(TRANSPORTS):
            return self._ask(name, name, platform)
        try:
            full = references.normalize(name)
        except references.ImageNameError as error:
            raise CliError(USAGE, str(error)) from None
        if policy in ("missing", "never"):
            local = self._local(name, full, platform)
            if local is not None:
                return local
        if policy == "never":
            raise CliError(
                NO_INPUT,
                f"the image `{name}` is not in the storage of this user",
                "pull it, or leave out --pull=never",
            )
        # Skopeo takes a tag or a digest, not both; the digest is the stricter one.
        digest = full.partition("@")[2]
        pinned = f"{references.repository(full)}@{digest}" if digest else full
        try:
            return self._ask(name, _REGISTRY + pinned, platform)
        except CliError as error:
            local = self._local(name, full, platform) if policy == "newer" else None
            if local is None or error.code != UNAVAILABLE:
                raise
            return local  # a registry that cannot be reached has nothing newer

    def _local(self, name: str, full: str, platform: Platform) -> Image | None:
        named = references.HUB not in full or name.startswith(references.HUB)
        for candidate in (full,) if named else (full, f"localhost/{name}"):
            found = self._tools.stored(candidate)
            if found is None:
                continue
            raw, config = found
            if _fits(config, platform):
                image = self._image(STORAGE + candidate, json.loads(raw), config, platform)
                came = "" if candidate.startswith("localhost/") else _REGISTRY + candidate
                return replace(image, registry=came and _pin(came, self._blobs.put(raw)))
        return None

    def _ask(self, name: str, source: str, platform: Platform) -> Image:
        try:
            return self._remote(name, source, platform)
        except ProcessError as error:
            raise explained(error, f"the image `{name}`") from None
        except (ValueError, KeyError, TypeError) as error:
            raise CliError(
                INVALID, f"the image `{name}` has a manifest that cannot be read: {error}"
            ) from None

    def _remote(self, name: str, source: str, platform: Platform) -> Image:
        raw = layout.read(source.removeprefix(_LAYOUT), self._blobs) if source.startswith(_LAYOUT) else None
        if raw is None:
            raw = self._manifest(name, source, platform)
        digest, manifest = _pinned(source) or self._blobs.put(raw), json.loads(raw)
        if "manifests" in manifest:
            digest = _choose(manifest["manifests"], platform, name)
            source = _pin(source, digest)
            if not self._blobs.has(digest):
                self._manifest(name, source, platform)
            manifest = self._blobs.json(digest)
        wanted = manifest["config"]["digest"]
        if not self._blobs.has(wanted):
            self._keep(name, wanted, self._tools.config(_pin(source, digest)))
        config = imageconfig.checked(self._blobs.json(wanted))
        if not _fits(config, platform):
            raise CliError(
                NOT_PROMISED, f"the image `{name}` is for {_platform(config)} only, not for {platform}"
            )
        return self._image(_pin(source, digest), manifest, config, platform)

    def _manifest(self, name: str, source: str, platform: Platform) -> bytes:
        """Return the manifest or index of ``source``. Raise `CliError` (65) where it has not the digest asked for."""
        pinned = _pinned(source)
        if pinned and self._blobs.has(pinned):
            return self._blobs.path(pinned).read_bytes()
        raw = self._tools.manifest(source, platform, self._blobs)
        # Not every Skopeo compares the two. Buildah alone gives an index of its own making: there it is up to Buildah.
        if pinned and self._tools.skopeo:
            self._keep(name, pinned, raw)
        return raw

    def _keep(self, name: str, digest: str, data: bytes) -> None:
        """Store what came for ``digest``. Raise `CliError` (65) where it is something else."""
        found = self._blobs.put(data, digest.partition(":")[0])
        if found != digest:
            raise CliError(
                INVALID, f"the image `{name}` is not what was asked for: {digest} came with the digest {found}",
                "build again; if it is said again, its registry, or a proxy before it, gives out something else",
            )  # fmt: skip

    @staticmethod
    def _image(
        source: str, manifest: Mapping[str, Any], config: Mapping[str, Any], platform: Platform
    ) -> Image:
        layers = [
            {
                "mediaType": _LAYER_TYPES.get(layer["mediaType"], layer["mediaType"]),
                "digest": layer["digest"],
                "size": layer["size"],
            }
            for layer in manifest.get("layers") or ()
        ]
        return Image(source, config, layers, platform)


def _choose(manifests: Sequence[Mapping[str, Any]], platform: Platform, name: str) -> str:
    """Return the digest of the manifest for ``platform``: of those that fit, the one made for most of it."""
    described = [entry for entry in manifests if entry.get("platform")]
    ranked = [
        (rank, entry) for entry in described if (rank := _rank(entry["platform"], platform)) is not None
    ]
    if ranked:
        return str(min(ranked, key=lambda pair: pair[0])[1]["digest"])
    there = sorted(str(_platform(entry["platform"])) for entry in described)
    raise CliError(
        NOT_PROMISED, f"the image `{name}` is not there for {platform}", f"it is there for {', '.join(there)}"
    )


def _pin(source: str, digest: str) -> str:
    """Return ``source`` by its digest where it is in a registry."""
    if not source.startswith(_REGISTRY):
        return source
    return f"{_REGISTRY}{references.repository(source.removeprefix(_REGISTRY))}@{digest}"


def _pinned(source: str) -> str:
    """Return the digest that names ``source`` in a registry; empty where a tag does, or it is somewhere else."""
    return source.partition("@")[2] if source.startswith(_REGISTRY) else ""


def _fits(fields: Mapping[str, Any], platform: Platform) -> bool:
    """Whether what ``fields`` says runs on ``platform``: a variant that is not asked for does not matter."""
    return _rank(fields, platform) is not None


def _rank(fields: Mapping[str, Any], platform: Platform) -> int | None:
    """How far what ``fields`` says is from ``platform``: 0 is exactly that; `None` where it does not run there.

    As containerd's ``platforms.Only`` has it: the variant itself, lower ones from the highest on, then none.
    """
    own = _platform(fields)
    if (own.os, own.architecture) != (platform.os, platform.architecture):
        return None
    have, asked = (_number(variant) for variant in (own.variant, platform.variant))
    if own.variant == platform.variant:
        return 0
    if not platform.variant:
        return have
    return asked - have if have <= asked else None


def _number(variant: str) -> int:
    digits = variant.removeprefix("v")
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _platform(fields: Mapping[str, Any]) -> Platform:
    own = Platform(
        fields.get("os") or "linux", fields.get("architecture") or "unknown", fields.get("variant") or ""
    )
    try:
        return normalize(own)
    except ValueError:
        return own
