"""Apptainer: an image is one file, which travels as one blob and is run where it lies; made of a definition, or by CIR.

It runs as an ordinary user, as on clusters. Each pull writes another file, of which nothing is shared with others:
*base present* is *base absent*, and for a definition *components shared* is, too. CIR's files share a store of platform
layers: for it *components shared* means that another file with the same dependencies was run with that store. A
definition is built anew whatever changed, be it nothing. An expert has the file compressed with zstd, as `cir build`
does; Apptainer by itself takes gzip, which takes several times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.compare import phases
from bench.compare.scenario import Copy, Scenario
from bench.compare.systems import Blobs, Job, Taken
from bench.compare.systems.host import Host, seconds
from bench.compare.systems.names import TITLES

#: How an expert has a file compressed.
ZSTD = ("--mksquashfs-args", "-comp zstd -Xcompression-level 3")
_ONE_FILE = {phases.DEPLOY_BASE: phases.DEPLOY_ABSENT}
_NO_LAYERS = dict.fromkeys((phases.BUILD_SAME, phases.BUILD_DEPENDENCY), phases.BUILD_CODE)
_NO_STORE = {phases.DEPLOY_SHARED: phases.DEPLOY_ABSENT}


@dataclass(frozen=True)
class Apptainer:
    """The system; ``host`` enters as the user."""

    host: Host
    name: str = "apptainer"
    title: str = TITLES["apptainer"]
    recipe: str = "Apptainer.def"
    phases: frozenset[str] = phases.USUAL
    alike: Mapping[str, str] = field(default_factory=lambda: _ONE_FILE | _NO_LAYERS | _NO_STORE)
    flags: tuple[str, ...] = ZSTD

    def versions(self) -> dict[str, str]:
        """Of the program."""
        return {"apptainer": self.host.run("apptainer", "--version").split()[-1]}

    def open(self, scenario: Scenario, folder: Path) -> Job:
        """Begin with a scenario."""
        return ApptainerJob(self, scenario, folder)


@dataclass(frozen=True)
class UsualApptainer(Apptainer):
    """The same definition, compressed as Apptainer does by itself."""

    name: str = "apptainer-usual"
    title: str = TITLES["apptainer-usual"]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class CirApptainer(Apptainer):
    """`cir build --engine apptainer`, and `cir run` with a store of the user's."""

    name: str = "cir-apptainer"
    title: str = TITLES["cir-apptainer"]
    recipe: str = "Cirfile"
    alike: Mapping[str, str] = field(default_factory=lambda: _ONE_FILE)
    flags: tuple[str, ...] = ()

    def open(self, scenario: Scenario, folder: Path) -> Job:
        """Begin with a scenario."""
        return CirApptainerJob(self, scenario, folder)


class ApptainerJob:
    """Apptainer at work on one scenario."""

    def __init__(self, system: Apptainer, scenario: Scenario, folder: Path) -> None:
        self._host, self._recipe, self._flags = system.host, system.recipe, system.flags
        self._copy = Copy(scenario, folder)
        self._made = folder.with_name(f"{folder.name}-made")
        self._made.mkdir()
        self._made.chmod(0o777)  # the user's, who has no name here
        self._file, self._pulled = self._made / "app.sif", self._made / "pulled-0.sif"
        self._repository = f"bench/{scenario.name}-{system.name}"
        self._address = f"oras://{self._host.registry}/{self._repository}:1"
        self._added = self._pushed = False
        self._pulls = 0

    def ready(self, phase: str, number: int) -> None:
        """Bring about what the phase begins with."""
        if phase == phases.BUILD_COLD:
            return
        if phase == phases.BUILD_DEPENDENCY:
            self._copy.add_dependency(max(number, -1) + 1)
            self._added = True
            return
        if self._added or not self._file.exists():
            self._copy.restore_requirements()
            self._added = False
            self._build()
        if phase == phases.BUILD_CODE:
            self._copy.change_code()
        elif phase == phases.PUSH:
            self._host.forget(self._repository)
            self._pushed = False
        elif phase in phases.DEPLOYMENTS:
            self._ready_to_deploy(phase)

    def act(self, phase: str, number: int) -> Taken:  # noqa: ARG002 - rounds differ by what `ready` did
        """Do what is measured."""
        if phase in phases.DEPLOYMENTS:
            return self._deploy(pull=phase != phases.DEPLOY_WARM)
        if phase == phases.PUSH:
            return self._push()
        self._build(cold=phase == phases.BUILD_COLD)
        return Taken()

    def tidy(self) -> None:
        """Delete pulled files."""
        for file in self._made.glob("pulled-*.sif"):
            file.unlink()

    def forget_builds(self) -> None:
        """Delete the built file."""
        self._file.unlink(missing_ok=True)
        self._pushed = False

    def _build(self, *, cold: bool = False) -> None:
        self._make(self._file, cold=cold)
        self._pushed = False

    def _make(self, file: Path, *, cold: bool = False) -> None:
        """Apptainer knows no layers: whatever changed, it builds anew; it keeps the base's blobs in its cache.

        What it unpacks goes to memory, as `cir build` lets it: on ext4 each build would be slower than the one before.
        """
        self._host.run(
            "env", "APPTAINER_TMPDIR=/dev/shm", "apptainer", "build", "--force", *self._flags,
            *(["--disable-cache"] if cold else []),
            "--build-arg", f"uv={self._host.uv}/uv", "--build-arg", f"ca={self._host.ca}",
            "--build-arg", f"index={self._host.index}",
            str(file), self._recipe, cwd=self._copy.folder,
        )  # fmt: skip

    def _push(self) -> Taken:
        self._host.run("apptainer", "push", "--no-https", str(self._file), self._address)
        self._pushed = True
        return Taken(blobs=self._blobs)

    def _blobs(self) -> Blobs:
        layers = self._host.manifest(self._repository)["layers"]
        return tuple((layer["digest"], int(layer["size"]), "own") for layer in layers)

    def _ready_to_deploy(self, phase: str) -> None:
        if not self._pushed:
            self._push()
        if phase != phases.DEPLOY_WARM:
            self._pulls += 1
            self._pulled = self._made / f"pulled-{self._pulls}.sif"
        elif not self._pulled.exists():
            self._deploy(pull=True)

    def _deploy(self, *, pull: bool) -> Taken:
        values: dict[str, float] = {}
        if pull:
            words = ("apptainer", "pull", "--disable-cache", "--no-https", str(self._pulled), self._address)
            values["pull"] = seconds(lambda: self._host.run(*words))
        values["start"] = self._host.first_line(*self._start(self._pulled))
        values["deployed"] = sum(values.values())
        return Taken(values)

    def _start(self, file: Path) -> list[str]:
        return ["apptainer", "exec", "--no-home", "--pwd", "/app", str(file), "./verify"]


class CirApptainerJob(ApptainerJob):
    """CIR at work on one scenario: the file holds no dependencies, a store keeps them."""

    def __init__(self, system: CirApptainer, scenario: Scenario, folder: Path) -> None:
        super().__init__(system, scenario, folder)
        self._caches = self._stores = 0
        self._store = self._made / "store-0"
        self._sibling = self._made / "sibling"

    def tidy(self) -> None:
        """Delete pulled files, and stores."""
        super().tidy()
        folders = [*self._made.glob("store-*"), *self._made.glob("sibling*")]
        self._host.run("rm", "-rf", *map(str, folders))

    def _make(self, file: Path, *, cold: bool = False) -> None:
        """A cold build has an empty cache folder: no lock, no metadata of packages, neither shim nor base."""
        self._caches += cold
        self._host.run(
            "env", f"XDG_CACHE_HOME={self._made}/cache-{self._caches}", *self._host.cir, "build",
            "--engine", "apptainer", "-o", str(file), "-f", str(self._copy.folder / self._recipe),
            *self._host.index_arguments(self._recipe), str(self._copy.folder),
        )  # fmt: skip

    def _ready_to_deploy(self, phase: str) -> None:
        if phase == phases.DEPLOY_WARM:
            super()._ready_to_deploy(phase)
            return
        self._stores += 1
        self._store = self._made / f"store-{self._stores}"
        if phase == phases.DEPLOY_SHARED:
            self._share()
        super()._ready_to_deploy(phase)

    def _share(self) -> None:
        """Give the store what running another file with the same dependencies leaves in one."""
        if not self._sibling.exists():
            file = self._sibling.with_suffix(".sif")
            self._make(file)
            self._host.run(*self._start(file, self._sibling))
        self._host.run("cp", "-al", str(self._sibling), str(self._store))

    def _start(self, file: Path, store: Path | None = None) -> list[str]:
        index = [f"UV_DEFAULT_INDEX={self._host.index}"] if self._host.index else []
        run = [*self._host.cir, "run", "--store", str(store or self._store), "--no-home"]
        return ["env", "CIR_LOG=quiet", *index, *run, str(file), "./verify"]
