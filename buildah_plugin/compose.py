"""Put an image together on local disk: layers of the base and the shim by digest, the app layer from the plan.

Pure work on files of this user: no engine, no user namespace, no rights. The result are blobs and a descriptor;
`layout.write` makes an OCI layout of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from buildah_plugin import archives, layout, steps, tar
from buildah_plugin.blobs import Blobs, Layer
from buildah_plugin.images import Image
from buildah_plugin.layout import Descriptor
from buildah_plugin.nodes import TreeError
from buildah_plugin.steps import Surroundings
from cirfile import ociconfig
from cirfile.cli.errors import INVALID, CliError
from cirfile.plan import Copy, Plan, Platform, Step


@dataclass(frozen=True, slots=True)
class Target:
    """One platform: its plan, what it stands on, its manifest and the locks by ecosystem.

    ``platform`` is what was asked for and what an index calls it; that of the plan is what the image runs on.
    """

    platform: Platform
    plan: Plan
    base: Image
    shim: Image
    manifest: bytes
    locks: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Composed:
    """An image of one or several platforms: the descriptor of its manifest or index, and of each manifest."""

    top: Descriptor
    manifests: tuple[Descriptor, ...]

    @property
    def digest(self) -> str:
        """The digest of the image."""
        return str(self.top["digest"])


class Composer:
    """Composes the images of one build into ``blobs``; ``fetched`` brings the layers of an image there.

    ``epoch`` is the time everything gets, in seconds; ``kind`` is ``oci`` or ``docker``.
    """

    def __init__(
        self,
        blobs: Blobs,
        fetched: Callable[[Image], Image],
        around: Surroundings,
        epoch: int,
        kind: str = "oci",
    ) -> None:
        self._blobs = blobs
        self._fetched = fetched
        self._around = around
        self._epoch = epoch
        self._kind = kind
        self._layers: dict[tuple[tuple[Step, ...], bytes, Platform | None], Layer] = {}

    def compose(self, targets: Sequence[Target], several: bool, complete: bool) -> Composed:
        """Compose all platforms; ``several`` makes an index even of one, ``complete`` fetches all layers as well.

        Raise `CirfileError` or `CliError`.
        """
        manifests = tuple(self._one(target, complete) for target in targets)
        top = layout.index(self._blobs, self._kind, manifests) if several else manifests[0]
        return Composed(top, manifests)

    def _one(self, target: Target, complete: bool) -> Descriptor:
        plan, base = target.plan, target.base
        shim = self._fetched(target.shim)
        if plan.reads_base or complete:
            base = self._fetched(base)
        app = self._app_layer(target, base)
        digest = "sha256:" + hashlib.sha256(target.manifest).hexdigest()
        fields = ociconfig.config(plan, base.oci, len(shim.layers), digest, self._epoch)
        below = [*_diff_ids(base), *_diff_ids(shim)]
        data = layout.config(fields, [*below, app.diff_id])
        layers = [*base.layers, *shim.layers, layout.layer(app)]
        return layout.manifest(self._blobs, self._kind, data, layers, target.platform)

    def _app_layer(self, target: Target, base: Image) -> Layer:
        """Make the app layer. Unless it reads an image it depends on no platform, so it is made once."""
        plan = target.plan
        if plan.reads_base:
            return self._written(target, base.digests)
        reads = any(isinstance(step, Copy) and step.origin is not None for step in plan.steps)
        key = (plan.steps, target.manifest, plan.platform if reads else None)
        if key not in self._layers:
            self._layers[key] = self._written(target, None)
        return self._layers[key]

    def _written(self, target: Target, below: Sequence[str] | None) -> Layer:
        try:
            base = None if below is None else archives.layers(self._blobs.path(digest) for digest in below)
            tree = steps.app_tree(target.plan, base, self._around)
            steps.add_metadata(tree, target.manifest, target.locks)
            return self._blobs.put_layer(
                lambda out: tar.write(tree, out, self._epoch, fresh_only=base is not None)
            )
        except TreeError as error:
            hint = f"build again; if it is said again, delete {self._blobs.root}"
            raise CliError(INVALID, str(error), hint) from None


def _diff_ids(image: Image) -> list[str]:
    return [str(digest) for digest in (image.oci.get("rootfs") or {}).get("diff_ids") or ()]
