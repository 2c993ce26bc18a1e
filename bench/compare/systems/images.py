"""Systems that make images: CIR, both Dockerfiles, and `uv run` in a container, over any client.

Each deployment gets an image the host has never seen (bench/main_path/variants.py). Its states:

* *base absent*: every layer is new to the host;
* *base present*: the base's layers are on the host;
* *components shared*: before, another application with the same lock was deployed there. A stock image of
  it shares the base only, since its layers were built apart, so that this is *base present* again; CIR shares the shim
  layer and what is in the store, and `uv run` its layer with uv and its cache;
* *warm*: the same image has run before.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from bench.compare import phases
from bench.compare.scenario import Copy, Scenario
from bench.compare.systems import Blobs, Job, Taken
from bench.compare.systems.clients import PLATFORMS, Client
from bench.compare.systems.host import CommandError, Host, seconds, unique
from bench.main_path.variants import Variants

#: What containerd says of a layer that it has collected meanwhile.
_COLLECTED = "failed to prepare extraction snapshot"
#: An image that adds nothing to the scenario's base.
_BASE = "Dockerfile.base"


@dataclass(frozen=True)
class Images:
    """A system that makes images.

    :param store: where its containers keep what they fetch or assemble, a volume; empty where they keep nothing
    :param common: whether all its images begin with the same layers beyond their base: CIR's shim, or uv
    :param flags: of every build
    :param also: phases beyond the usual ones
    """

    name: str
    title: str
    recipe: str
    client: Client
    store: str = ""
    common: bool = False
    flags: tuple[str, ...] = ()
    also: frozenset[str] = frozenset()

    @property
    def phases(self) -> frozenset[str]:
        """What it does."""
        return phases.USUAL | self.also

    @property
    def alike(self) -> Mapping[str, str]:
        """Without a store an image shares its base alone with another one that was built apart."""
        return {} if self.store else {phases.DEPLOY_SHARED: phases.DEPLOY_BASE}

    def versions(self) -> dict[str, str]:
        """Of the client's programs."""
        return self.client.versions()

    def open(self, scenario: Scenario, folder: Path) -> Job:
        """Begin with a scenario."""
        return ImageJob(self, scenario, folder)


class ImageJob:
    """One such system at work on one scenario."""

    def __init__(self, system: Images, scenario: Scenario, folder: Path) -> None:
        self._system, self._client, self._scenario = system, system.client, scenario
        self._host: Host = system.client.host
        self._copy = Copy(scenario, folder)
        self._repository = f"bench/{scenario.name}-{system.name}"
        self._tag = f"{self._host.registry}/{self._repository}:1"
        self._two = f"{self._repository}-two"
        self._tag_of_two = f"{self._host.registry}/{self._two}:1"
        self._cache = uuid.uuid4().hex
        self._built = self._pushed = self._built_two = False
        self._added = self._forgotten = False
        self._shared: tuple[int, int] | None = None
        self._image = self._store = ""
        self._sibling: str | None = None  # its store: empty for a system that keeps none
        self._images: list[str] = []
        self._volumes: list[str] = []

    def ready(self, phase: str, number: int) -> None:
        """Bring about what the phase begins with."""
        if phase in (phases.BUILD_COLD, phases.BUILD_PLATFORMS):
            self._remember(phase)
            self._cache = uuid.uuid4().hex
            return
        if phase == phases.BUILD_DEPENDENCY:
            self._built = self._built or self._prepare()
            self._copy.add_dependency(max(number, -1) + 1)
            self._added = True
            return
        if self._added:
            self._copy.restore_requirements()
            self._added = self._built = False
        self._built = self._built or self._prepare()
        if phase == phases.BUILD_CODE:
            self._copy.change_code()
        elif phase == phases.PUSH:
            if not self._pushed:
                self._push()
            self._host.forget(self._repository, keep=self._counts()[1])
            self._pushed = False
        elif phase == phases.PUSH_PLATFORMS:
            self._ready_to_push_two()
        elif phase in phases.DEPLOYMENTS:
            self._ready_to_deploy(phase)

    def act(self, phase: str, number: int) -> Taken:  # noqa: ARG002 - rounds differ by what `ready` did
        """Do what is measured."""
        if phase in phases.DEPLOYMENTS:
            return self._deploy(pull=phase != phases.DEPLOY_WARM)
        if phase == phases.PUSH:
            return self._push()
        if phase == phases.PUSH_PLATFORMS:
            return self._push_two()
        if phase == phases.BUILD_PLATFORMS:
            self._build_two(cold=True)
        else:
            self._built = self._build(cold=phase == phases.BUILD_COLD)
        self._pushed = False
        return Taken()

    def tidy(self) -> None:
        """Delete images and volumes of earlier deployments."""
        self._client.remove(self._images, self._volumes)
        self._images, self._volumes, self._sibling, self._image = [], [], None, ""

    def forget_builds(self) -> None:
        """Delete both images, and the caches of all builds."""
        self._client.forget_builds([self._tag, self._tag_of_two])
        self._built = self._pushed = self._built_two = False
        self._forgotten = True

    def _remember(self, phase: str) -> None:
        """Bring base and frontend back, which a machine that builds has; a cold build lacks its own caches alone."""
        if self._forgotten:
            self._build_two() if phase == phases.BUILD_PLATFORMS else self._prepare()
            self._forgotten = False

    def _prepare(self) -> bool:
        """Build what a phase begins with, once more where containerd had just collected what it was to be put upon.

        Images are removed between phases, and it collects their layers a little later. What is measured has no
        second try.
        """
        try:
            return self._build()
        except CommandError as error:
            if _COLLECTED not in str(error):
                raise
            return self._build()

    def _build(self, *, cold: bool = False) -> bool:
        self._make(self._system.recipe, self._tag, self._system.flags, cold=cold)
        return True

    def _build_two(self, *, cold: bool = False) -> None:
        file, flags = self._copy.folder / self._system.recipe, self._system.flags
        self._client.build_two(file, self._tag_of_two, flags, self._cache, cold=cold)
        self._built_two = True

    def _make(self, recipe: str, tag: str, flags: Sequence[str], *, cold: bool = False) -> None:
        self._client.build(self._copy.folder / recipe, tag, flags, self._cache, cold=cold)

    def _push(self) -> Taken:
        self._client.push(self._tag)
        self._pushed = True
        return Taken(blobs=lambda: self._blobs(self._repository, "1"))

    def _ready_to_push_two(self) -> None:
        """The image is there for both platforms; in the registry are its base and what all of the system share."""
        if not self._pushed:  # layers are told apart by an image for this machine
            self._push()
        if not self._built_two:
            self._build_two()
        self._push_two()
        for manifest in self._manifests():
            self._host.forget(self._two, keep=self._counts()[1], tag=manifest)

    def _push_two(self) -> Taken:
        file, flags = self._copy.folder / self._system.recipe, self._system.flags
        self._client.push_two(file, self._tag_of_two, flags, self._cache)
        return Taken(blobs=self._blobs_of_two)

    def _blobs_of_two(self) -> Blobs:
        return tuple(blob for manifest in self._manifests() for blob in self._blobs(self._two, manifest))

    def _manifests(self) -> list[str]:
        """Digests of the pushed image's manifests, one a platform.

        :raises RuntimeError: where there are not as many as platforms
        """
        found = self._host.manifest(self._two).get("manifests", ())
        if len(found) != len(PLATFORMS):
            raise RuntimeError(f"{self._two} was pushed for {len(found)} platforms, not {len(PLATFORMS)}")
        return [entry["digest"] for entry in found]

    def _blobs(self, repository: str, tag: str) -> Blobs:
        """What a manifest names: digest, bytes, kind."""
        base, common = self._counts()
        manifest = self._host.manifest(repository, tag)
        layers = [(layer["digest"], int(layer["size"])) for layer in manifest["layers"]]
        kinds = ["base"] * base + ["shared"] * (common - base) + ["own"] * (len(layers) - common)
        config = manifest["config"]
        blobs = [(*layer, kind) for layer, kind in zip(layers, kinds, strict=True)]
        return (*blobs, (config["digest"], int(config["size"]), "own"))

    def _counts(self) -> tuple[int, int]:
        """How many layers of the pushed image are the base's, and with how many all images of this system begin.

        The base's are counted in an image of the base alone: an engine may compress them anew. Those that all images
        share are the ones that an image which adds nothing begins with, too.
        """
        if self._shared is None:
            base = len(self._layers_of(_BASE, ()))
            shared = base
            if self._system.common:
                bare = self._layers_of(f"{self._system.recipe}.base", self._system.flags)
                own = [layer["digest"] for layer in self._host.manifest(self._repository)["layers"]]
                pairs = zip(bare, own, strict=False)
                shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            self._shared = base, shared
        return self._shared

    def _layers_of(self, name: str, flags: Sequence[str]) -> list[str]:
        folder = self._copy.folder.with_name(f"{self._copy.folder.name}-{name}")
        folder.mkdir(exist_ok=True)
        recipe = "Dockerfile" if name == _BASE else self._system.recipe
        (folder / name).write_text(f"FROM {self._scenario.base_of(recipe)}\n")
        repository = f"bench/{self._scenario.name}-{self._system.name}-{name.lower()}"
        tag = f"{self._host.registry}/{repository}:1"
        self._client.build(folder / name, tag, flags, self._cache, cold=False)
        self._client.push(tag)
        return [layer["digest"] for layer in self._host.manifest(repository)["layers"]]

    def _ready_to_deploy(self, phase: str) -> None:
        if not self._pushed:
            self._push()
        base, common = self._counts()
        digests = [layer["digest"] for layer in self._host.manifest(self._repository)["layers"]]
        if phase == phases.DEPLOY_WARM:
            if not self._image:
                self._new_image(digests[:common])
                self._store = self._new_store()
                self._deploy(pull=True)
            return
        present = {phases.DEPLOY_ABSENT: 0, phases.DEPLOY_BASE: base, phases.DEPLOY_SHARED: common}[phase]
        if phase == phases.DEPLOY_SHARED:
            if self._sibling is None:
                self._new_image(digests[:common])
                self._store = self._new_store()
                self._deploy(pull=True)
                self._sibling = self._store
            self._store = self._sibling
        else:
            self._store = self._new_store()
        self._new_image(digests[:present])
        if present:
            self._client.pull(self._base_tag)

    @property
    def _base_tag(self) -> str:
        return f"{self._host.registry}/bench/{self._scenario.name}-{self._system.name}-dockerfile.base:1"

    def _new_image(self, present: Sequence[str]) -> None:
        self._image = Variants(self._host.registry, self._repository, present).make(unique())
        self._images.append(self._image)

    def _new_store(self) -> str:
        if not self._system.store:
            return ""
        self._volumes.append(f"cir-bench-{uuid.uuid4().hex[:12]}")
        return self._volumes[-1]

    def _deploy(self, *, pull: bool) -> Taken:
        """Pull, create and start, until the first useful line."""
        flags: list[str] = []
        if self._store:
            flags += ["-v", f"{self._store}:{self._system.store}", "-e", "CIR_LOG=quiet"]
            if self._host.ca:
                flags += ["-v", f"{self._host.ca}:/run/cir/ca.crt:ro", "-e", "SSL_CERT_FILE=/run/cir/ca.crt"]
            if self._host.index:
                flags += ["-e", f"UV_DEFAULT_INDEX={self._host.index}"]
        values: dict[str, float] = {}
        if pull:
            values["pull"] = seconds(lambda: self._client.pull(self._image))
        values["start"] = self._client.run(self._image, flags, ["./verify"])
        values["deployed"] = sum(values.values())
        return Taken(values)
