"""Images and named contexts that a build reads: looked up, pinned, replaced where the user says so."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cirfile import imageconfig, references
from cirfile.ignore import parse_ignore
from cirfile.plan import Platform
from frontend import gitref, platforms
from frontend.gateway.client import Gateway
from frontend.llb import ops, state
from frontend.llb.marshal import marshal
from frontend.options import Options

#: The image that holds no file.
_NOTHING = "scratch"
_IGNORE_FILE = ".dockerignore"
_TAG = re.compile(r":[^:/]*\Z")


class ContextError(ValueError):
    """A named context that cannot be used; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Image:
    """A file system to build upon or copy from; ``oci`` is its OCI image configuration, empty for none."""

    files: ops.State
    reference: str = ""
    oci: Mapping[str, Any] = field(default_factory=dict)

    @property
    def layers(self) -> int:
        """How many layers it has."""
        return len((self.oci.get("rootfs") or {}).get("diff_ids") or ())


@dataclass(frozen=True, slots=True)
class _Named:
    """A named context: its key among the options, its short name, its place without the scheme.

    ``follow`` are the paths of a client's folder that are wanted, none meaning all.
    """

    key: str
    short: str
    place: str
    platform: Platform
    follow: tuple[str, ...]


class Images:
    """Looks up images for one build; the answers are remembered by name and platform."""

    def __init__(self, gateway: Gateway, options: Options) -> None:
        self._gateway = gateway
        self._options = options
        self._found: dict[tuple[str, Platform, str, tuple[str, ...]], Image] = {}

    def names(self) -> frozenset[str]:
        """Return the names of the named contexts, without their platforms."""
        return frozenset(key.partition("::")[0] for key in self._options.prefixed("context:"))

    def get(
        self, name: str, platform: Platform, label: str, pull: bool = True, follow: Sequence[str] = ()
    ) -> Image:
        """Return a named context or an image; ``label`` is what progress calls an image's files.

        Without ``pull`` a client's wish for the newest image (``--pull``) does not hold for it. Of a client's folder
        only the paths to ``follow`` are sent, everything where there are none.
        Raise `GatewayError` where the server refuses, `ImageNameError` or `ContextError` where the name or
        the context makes no sense.
        """
        key = (name, platform, label, tuple(follow))
        if key not in self._found:
            named = self._named(name, platform, tuple(follow))
            mode = self._options.resolve_mode if pull else ""
            own = Image(ops.SCRATCH) if name == _NOTHING else None
            self._found[key] = named or own or self._image(name, platform, label, mode)
        return self._found[key]

    def _image(self, name: str, platform: Platform, label: str, mode: str) -> Image:
        full = references.normalize(name)
        target = platforms.to_llb(platform)
        several = f"{platform} " if self._options.multi_platform else ""
        found = self._gateway.resolve_image(
            full,
            target,
            mode or "default",
            f"[{several}internal] load metadata for {full}",
        )
        pinned = references.pin(found.reference, found.digest)
        around = ops.Surroundings(name=f"[{several}{label}] FROM {pinned}")
        oci = _config(found.config)
        image = Image(state.image(pinned, target, mode, around=around), pinned, oci)
        return image if image.layers else Image(ops.SCRATCH, pinned, oci)

    def _named(self, name: str, platform: Platform, follow: tuple[str, ...]) -> Image | None:
        raw = self._options.raw
        try:
            short = references.familiar(name)
        except references.ImageNameError:
            return None
        for key in (f"{short}::{platform}", short):
            if f"context:{key}" in raw:
                return self._load(key, short, raw[f"context:{key}"], platform, follow)
        return None

    def _load(self, key: str, short: str, address: str, platform: Platform, follow: tuple[str, ...]) -> Image:
        scheme, colon, rest = address.partition(":")
        named = _Named(key, short, rest.removeprefix("//"), platform, follow)
        loaders = {
            "docker-image": self._load_image,
            "oci-layout": self._load_layout,
            "local": self._load_local,
            "input": self._load_input,
        }
        if scheme in loaders and colon:
            return loaders[scheme](named)
        around = ops.Surroundings(name=f"[context {key}] {address}")
        repository = gitref.parse(address)
        if repository is not None:
            return Image(gitref.to_state(repository, around))
        if scheme in ("http", "https"):
            return Image(state.http(address, filename="context", around=around))
        raise ContextError(f"the named context `{key}` is `{address}`, which is no folder, image or address")

    def _load_image(self, named: _Named) -> Image:
        if named.place == _NOTHING:
            return Image(ops.SCRATCH)
        full = references.normalize(named.place)
        target = platforms.to_llb(named.platform)
        mode = self._options.resolve_mode
        log_name = f"[context {named.key}] load metadata for {named.place}"
        found = self._gateway.resolve_image(full, target, mode or "default", log_name)
        pinned = references.pin(found.reference, found.digest)
        around = ops.Surroundings(name=f"[context {named.key}] {named.place}")
        return Image(state.image(pinned, target, mode, around=around), pinned, _config(found.config))

    def _load_layout(self, named: _Named) -> Image:
        # What stands before the digest is the client's store, with a tag that is none of its name.
        store, at, digest = named.place.partition("@")
        store = _TAG.sub("", store)
        if not at:
            raise ContextError(f"the named context `{named.key}` is an OCI layout without a digest")
        dummy = references.normalize(named.short).partition("@")[0] + f"@{digest}"
        target = platforms.to_llb(named.platform)
        session = self._options.session
        log_name = f"[context {named.key}] load metadata for {dummy}"
        found = self._gateway.resolve_image(dummy, target, "", log_name, (session, store))
        around = ops.Surroundings(name=f"[context {named.key}] OCI load from client")
        files = state.oci_layout(dummy, store, session, target, around)
        return Image(files, dummy, _config(found.config))

    def _load_local(self, named: _Named) -> Image:
        key, name = named.key, named.place
        session = self._options.session_of(name)
        ignore = state.local(
            name,
            session=session,
            follow=[_IGNORE_FILE],
            shared_key=f"context:{key}-{_IGNORE_FILE}",
            resend=True,
            around=ops.Surroundings(name=f"[context {key}] load {_IGNORE_FILE}"),
        )
        try:
            data = self._gateway.read_file(self._gateway.solve(marshal(ignore)), _IGNORE_FILE)
        except FileNotFoundError:
            data = b""
        shared = self._options.raw.get(f"sharedkey:localdir:{key}", "")
        files = state.local(
            name,
            session=session,
            follow=named.follow,
            exclude=parse_ignore(data.decode(errors="replace")),
            shared_key=f"context:{key}-{shared}",
            around=ops.Surroundings(name=f"[context {key}] load from client"),
        )
        return Image(files)

    def _load_input(self, named: _Named) -> Image:
        inputs = self._gateway.inputs()
        name = named.place
        if name not in inputs:
            raise ContextError(f"the named context `{named.key}` is the input `{name}`, which is missing")
        text = self._options.raw.get(f"input-metadata:{name}", "")
        try:
            config = json.loads(text).get("containerimage.config", "") if text else ""
            oci = _config(base64.b64decode(config))
        except (ValueError, AttributeError):
            raise ContextError(f"the metadata of the input `{name}` cannot be read") from None
        return Image(state.foreign(inputs[name]), "", oci)


def _config(data: bytes) -> Mapping[str, Any]:
    """Read an image configuration; none at all gives an empty one. Raise `ContextError` for bad JSON."""
    if not data:
        return {}
    try:
        config = json.loads(data)
    except (ValueError, RecursionError):
        raise ContextError("the server sent an image configuration that is not JSON") from None
    try:
        return imageconfig.checked(config)
    except ValueError as error:
        raise ContextError(f"the configuration of the image cannot be read: {error}") from None
