"""One build, from options to result: the order in which everything else in this package is called.

Nothing here is decided twice: what the Cirfile means is in the plan, how it becomes a graph in
``lower``, what the server can do in its capabilities.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from cirfile import __version__, codec, parser, planner
from cirfile.imageconfig import from_oci
from cirfile.manifest import LOCK_FOLDER, LockReference, Manifest
from cirfile.plan import Base, ContextPath, Copy, Plan, Platform
from cirfile.request import Request
from cirfile.source import Source, Span
from cirfile.syntax import Cirfile, Require
from frontend import image, lock, lower, platforms, sbom, warnings
from frontend.context import Context
from frontend.errors import BuildError, placed
from frontend.gateway.client import Attestation, Gateway, Ref, Result
from frontend.gateway.errors import GatewayError
from frontend.images import Image, Images
from frontend.later import Later
from frontend.llb import ops
from frontend.llb.marshal import marshal
from frontend.options import Options

#: Ecosystems whose requirements are resolved at build time; the others are resolved at deployment.
LOCKED = ("pypi",)


@dataclass(frozen=True, slots=True)
class Target:
    """One platform of the image with what was found for it."""

    platform: Platform
    plan: Plan
    base: Image
    shim: Image


@dataclass(frozen=True, slots=True)
class Locked:
    """A manifest complete with its locks, their file systems, and the bytes of each lock."""

    manifest: bytes
    files: Mapping[str, ops.State]
    locks: Mapping[str, bytes]


class Build:
    """One build. Every method may raise `GatewayError`, `CirfileError` or `BuildError`."""

    def __init__(self, gateway: Gateway, options: Options, environment: Mapping[str, str]) -> None:
        self._gateway = gateway
        self._options = options
        self._shim_name = options.build_arg("CIR_SHIM") or environment.get("CIR_SHIM") or default_shim()
        self._locked: dict[bytes, Locked] = {}
        self.images = Images(gateway, options)
        self.context = Context(gateway, options)

    @cached_property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms to build for: those asked for, else the server's own."""
        return self._options.platforms or (self.build_platform,)

    @cached_property
    def build_platform(self) -> Platform:
        """The platform the server runs on."""
        own = self._gateway.caps.platforms
        if not own:
            return platforms.local()
        return platforms.normalize(Platform(own[0].os, own[0].architecture, own[0].variant))

    @property
    def known_source(self) -> ops.SourceFile | None:
        """The Cirfile if it has been read, None before that."""
        return self.context.definition.source if self.context.has_definition else None

    @cached_property
    def cirfile(self) -> Cirfile:
        """The parsed Cirfile."""
        source = self.context.definition.source
        return parser.parse(Source(source.filename, source.data.decode("utf-8-sig", errors="replace")))

    @cached_property
    def epoch(self) -> int | None:
        """``SOURCE_DATE_EPOCH`` in seconds, None where it is not set or its source has no time."""
        text = self._options.build_arg("SOURCE_DATE_EPOCH")
        if not text:
            return None
        if text.isdigit():
            return int(text)
        if text != "context":
            raise BuildError(f"SOURCE_DATE_EPOCH is `{text}`, which is neither a number of seconds nor `context`")
        source = self.context.source
        if source is None:
            return None
        name = "[internal] resolve main build context metadata"
        return self._gateway.source_time(ops_source(source), name)

    def run(self) -> Result:
        """Build for all platforms and return the result."""
        shims = {platform: Later(lambda p=platform: self._shim(p)) for platform in self.platforms}
        cirfile = self.cirfile
        targets = self.targets(shims)
        warnings.report(self._gateway, self.context.definition, cirfile, targets[0].plan, self._options)
        paths = [path for target in targets for path in context_paths(target.plan)]
        files = self.context.state(paths)
        built = [Later(lambda t=target: self._solve(t, files)) for target in targets]
        return self._result(targets, [each.get() for each in built])

    def targets(self, shims: Mapping[Platform, Later[Image]]) -> list[Target]:
        """Look up the bases of all platforms at once, then plan for each platform."""
        requests = {platform: self.request(platform) for platform in self.platforms}
        found = {
            platform: Later(lambda p=platform, r=request: self.base(planner.base(self.cirfile, r), p))
            for platform, request in requests.items()
        }
        targets = []
        for platform, request in requests.items():
            base = found[platform].get()
            plan = self.plan(request, base)
            shim = shims[platform].get()
            if plan.platform != platform:
                shim = self._shim(plan.platform)
            targets.append(Target(platform, plan, base, shim))
        return targets

    def request(self, platform: Platform) -> Request:
        """Return what the planner is asked for one platform, before its base is known."""
        arguments = dict(self._options.build_args)
        if "SOURCE_DATE_EPOCH" in arguments:
            arguments["SOURCE_DATE_EPOCH"] = "" if self.epoch is None else str(self.epoch)
        return Request(
            build_args=tuple(sorted(arguments.items())),
            platform=platform,
            build_platform=self.build_platform,
            target=self._options.target,
            labels=self._options.labels,
            named_contexts=self.images.names(),
            ignore=self.context.ignore,
            read=self.context.read,
        )

    def plan(self, request: Request, base: Image) -> Plan:
        """Plan for one platform. Without ``--platform`` the image is for whatever its base is for."""
        configuration = from_oci(base.oci.get("config")) if base.oci else None
        plan = planner.plan(self.cirfile, replace(request, base_config=configuration))
        if self._options.platforms or not base.oci.get("architecture"):
            return plan
        own = Platform(base.oci.get("os", "linux"), base.oci["architecture"], base.oci.get("variant", ""))
        return replace(plan, platform=platforms.normalize(own))

    def base(self, base: Base, platform: Platform) -> Image:
        """Look up the image of ``FROM``; a failure names the line."""
        if base.reference is None:
            return Image(ops.SCRATCH)
        return self._image(base.reference, base.platform or platform, "base", base.span)

    def _image(self, name: str, platform: Platform, label: str, span: Span) -> Image:
        try:
            return self.images.get(name, platform, label)
        except GatewayError as error:
            raise placed(error, f"`{name}`", self.context.definition.source, span) from None
        except ValueError as error:
            raise BuildError(str(error), self.context.definition.source, span) from None

    def _shim(self, platform: Platform) -> Image:
        try:
            return self.images.get(self._shim_name, platform, "shim")
        except GatewayError as error:
            raise BuildError(
                f"the shim image `{self._shim_name}` cannot be had for {platform}: {error}\n"
                "hint: build it with `./dev images`, or name another with `--build-arg CIR_SHIM=REFERENCE`"
            ) from None

    def _solve(self, target: Target, context: ops.State) -> tuple[Ref, bytes, Locked]:
        plan = target.plan
        locked = self._lock(plan.manifest)
        parts = lower.Parts(
            base=target.base.files,
            shim=target.shim.files,
            context=context,
            source=self.context.definition.source,
            caps=self._gateway.caps,
            manifest=locked.manifest,
            timestamp=self._seconds * 10**9,
            origins=self._origins(plan),
            locks=locked.files,
            no_cache=self._options.no_cache,
        )
        lowered = lower.lower(plan, parts)
        ref = self._gateway.solve(marshal(lowered.state), self._options.cache_imports)
        digest = "sha256:" + hashlib.sha256(locked.manifest).hexdigest()
        config = image.config(plan, lowered, target.base, target.shim, digest, self._seconds)
        return ref, config, locked

    @property
    def _seconds(self) -> int:
        return image.DEFAULT_EPOCH if self.epoch is None else self.epoch

    def _origins(self, plan: Plan) -> dict[str, ops.State]:
        """Look up what ``--from`` names."""
        steps = [step for step in plan.steps if isinstance(step, Copy) and step.origin is not None]
        return {
            step.origin: self._image(step.origin, plan.platform, "from", step.span).files
            for step in steps
            if step.origin is not None
        }

    def _lock(self, manifest: Manifest) -> Locked:
        """Return the manifest with its locks; equal questions are asked once."""
        question = codec.encode_manifest(manifest)
        if question not in self._locked:
            self._locked[question] = self._resolve(manifest, question)
        return self._locked[question]

    def _resolve(self, manifest: Manifest, question: bytes) -> Locked:
        files: dict[str, ops.State] = {}
        locks: dict[str, bytes] = {}
        references = []
        for ecosystem in LOCKED if manifest.pin.mode == "lock" else ():
            if not manifest.of(ecosystem):
                continue
            step = lock.LockStep(question, ecosystem, len(manifest.of(ecosystem)), self._requirements(ecosystem))
            own = lock.own_image(self._options, self.build_platform)
            files[ecosystem] = lock.lower(step, own, self._options, self.build_platform)
            data = locks[ecosystem] = self._read_lock(files[ecosystem], step)
            path = f"{LOCK_FOLDER}/{ecosystem}.json"
            references.append(LockReference(ecosystem, path, hashlib.sha256(data).hexdigest()))
        complete = replace(manifest, locks=tuple(references))
        return Locked(codec.encode_manifest(complete), files, locks)

    def _read_lock(self, files: ops.State, step: lock.LockStep) -> bytes:
        ref = self._gateway.solve(marshal(files), self._options.cache_imports)
        try:
            return self._gateway.read_file(ref, f"{step.ecosystem}.json")
        except FileNotFoundError:
            raise BuildError(f"the resolver wrote no lock for {step.ecosystem}; this is a fault of ours") from None

    def _requirements(self, ecosystem: str) -> tuple[ops.Location, ...]:
        source = self.context.definition.source
        lines = [each.span for each in self.cirfile.instructions if _requires(each, ecosystem)]
        return tuple(lower.location(source, span) for span in lines)

    def _result(self, targets: list[Target], built: list[tuple[Ref, bytes, Locked]]) -> Result:
        metadata: dict[str, bytes] = {}
        refs: dict[str, Ref] = {}
        attestations: dict[str, list[Attestation]] = {}
        several = self._options.multi_platform
        for target, (ref, config, locked) in zip(targets, built, strict=True):
            name = str(target.platform)
            key = f"/{name}" if several else ""
            refs[name] = ref
            metadata[f"containerimage.config{key}"] = config
            if target.base.oci:
                metadata[f"containerimage.base.config{key}"] = json.dumps(target.base.oci).encode()
            metadata[f"source.date.epoch{key}"] = str(self._seconds).encode()
            attestations[name] = self._attestations(locked)
        metadata["refs.platforms"] = _platform_list(targets)
        statements = {name: found for name, found in attestations.items() if found}
        if several:
            return Result(refs=refs, metadata=metadata, attestations=statements)
        return Result(ref=built[0][0], metadata=metadata, attestations=statements)

    def _attestations(self, locked: Locked) -> list[Attestation]:
        """Return the bill of materials where one is asked for: the lock knows every component exactly."""
        if "sbom" not in (self._options.attestations or {}) or not locked.locks:
            return []
        if self._gateway.caps.refusal("reference.attestations"):
            return []
        data = sbom.document(locked.locks, self._seconds)
        return [sbom.attestation(self._gateway, data, self._seconds)]


def default_shim() -> str:
    """Return the shim image of this version as `./dev images` names it: a name nobody can register."""
    return f"localhost/cir/shim:{__version__}"


def context_paths(plan: Plan) -> list[str]:
    """Return the paths of the main context that a plan reads."""
    steps = [step for step in plan.steps if isinstance(step, Copy) and step.origin is None]
    return [source.pattern for step in steps for source in step.sources if isinstance(source, ContextPath)]


def ops_source(source: ops.Source) -> Any:
    """Return a source as the message in which the server is asked about it."""
    from frontend.proto import ops_pb2 as pb

    return pb.SourceOp(identifier=source.identifier, attrs=dict(source.attrs))


def _requires(instruction: object, ecosystem: str) -> bool:
    return isinstance(instruction, Require) and instruction.ecosystem == ecosystem


def _platform_list(targets: list[Target]) -> bytes:
    listed = [{"ID": str(t.platform), "Platform": platforms.to_oci(t.platform)} for t in targets]
    return json.dumps({"Platforms": listed}, separators=(",", ":")).encode()
