"""One build, from options to result: the order in which everything else in this package is called.

Nothing here is decided twice: what the Cirfile means is in the plan, how it becomes a graph in
``lower``, what the server can do in its capabilities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial

from cirfile import copies, ociconfig, parser, planner, rules
from cirfile.imageconfig import SCRATCH, from_oci
from cirfile.plan import Base, ContextPath, Copy, Plan, Platform
from cirfile.platforms import normalize
from cirfile.request import Request
from cirfile.source import Source, Span
from cirfile.syntax import Cirfile
from frontend import lower, platforms, warnings
from frontend.context import Context, follow_paths
from frontend.errors import BuildError, placed
from frontend.gateway.client import Gateway, Result
from frontend.gateway.errors import GatewayError
from frontend.images import Image, Images
from frontend.later import Later
from frontend.llb import ops
from frontend.llb.marshal import marshal
from frontend.locking import Locker
from frontend.options import Options
from frontend.proto import ops_pb2 as pb
from frontend.result import Built, Target, assemble


class Build:
    """One build. Every method may raise `GatewayError`, `CirfileError` or `BuildError`."""

    def __init__(
        self, gateway: Gateway, options: Options, environment: Mapping[str, str], context: Context
    ) -> None:
        self._gateway = gateway
        self._options = options
        self._shim_name = (
            options.build_arg("CIR_SHIM") or environment.get("CIR_SHIM") or ociconfig.default_shim()
        )
        self.images = Images(gateway, options)
        self.context = context
        self._locker = Locker(gateway, options, context)

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
        return normalize(Platform(own[0].os, own[0].architecture, own[0].variant))

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
        if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= ociconfig.LAST_EPOCH:
            return int(text)
        if text != "context":
            raise BuildError(
                f"SOURCE_DATE_EPOCH is `{text}`, which is neither a number of seconds up to "
                f"{ociconfig.LAST_EPOCH} (the year 2262) nor `context`"
            )
        source = self.context.source
        if source is None:
            return None
        name = "[internal] resolve main build context metadata"
        found = self._gateway.source_time(
            pb.SourceOp(identifier=source.identifier, attrs=dict(source.attrs)), name
        )
        return None if found is None else min(max(found, 0), ociconfig.LAST_EPOCH)

    def run(self) -> Result:
        """Build for all platforms and return the result."""
        shims = {platform: Later(partial(self._shim, platform)) for platform in self.platforms}
        for path in planner.files_named(self.cirfile):
            self.context.expect(path)
        targets = self.targets(shims)
        self._report(targets[0])
        paths = [path for target in targets for path in copies.context_paths(target.plan)]
        files = self.context.state(paths)
        built = [Later(partial(self._solve, target, files)) for target in targets]
        result = assemble(self._gateway, self._options, [each.get() for each in built], self.seconds)
        if result.attestations:
            warnings.of_bill(self._gateway, self.context.definition)
        return result

    def findings(self) -> tuple[rules.Finding, ...]:
        """Return what the rules say of the Cirfile; raise `CirfileError` where it is not valid."""
        platform = self.platforms[0]
        request = self.request(platform)
        base = self.base(planner.base(self.cirfile, request), platform)
        return rules.check(self.cirfile, self.plan(request, base), self._complete(request, base))

    def _report(self, target: Target) -> None:
        """Show what the rules say, once for all platforms; a Cirfile may say that this ends the build."""
        request = self._complete(self.request(target.platform), target.base)
        found = rules.check(self.cirfile, target.plan, request)
        warnings.report(self._gateway, self.context.definition, found)
        if found and rules.settings(self.cirfile, request).error:
            codes = ", ".join(sorted({each.code for each in found}))
            raise BuildError(
                f"the check fails for {codes}, and `error=true` makes that an error\n"
                f"hint: {found[0].message}, or leave a rule out with `# check=skip={found[0].code}`",
                self.context.definition.source,
                found[0].span,
            )

    def targets(self, shims: Mapping[Platform, Later[Image]]) -> list[Target]:
        """Look up the bases of all platforms at once, then plan for each platform."""
        requests = {platform: self.request(platform) for platform in self.platforms}
        found = {
            platform: Later(partial(self.base, planner.base(self.cirfile, request), platform))
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
        plan = planner.plan(self.cirfile, self._complete(request, base))
        try:
            return plan if self._options.platforms else ociconfig.of_base(plan, base.oci)
        except ValueError as error:
            message = f"the base says of its platform: {error}"
            raise BuildError(message, self.context.definition.source, self.cirfile.base.span) from None

    @staticmethod
    def _complete(request: Request, base: Image) -> Request:
        """Add the configuration of the base; a folder or an archive that stands in for it has none of its own."""
        return replace(request, base_config=from_oci(base.oci.get("config")) if base.oci else SCRATCH)

    def base(self, base: Base, platform: Platform) -> Image:
        """Look up the image of ``FROM``; a failure names the line."""
        if base.reference is None:
            return Image(ops.SCRATCH)
        return self._image(base.reference, base.platform or platform, "base", base.span)

    def _image(
        self, name: str, platform: Platform, label: str, span: Span, follow: Sequence[str] = ()
    ) -> Image:
        try:
            return self.images.get(name, platform, label, follow=follow)
        except GatewayError as error:
            raise placed(error, f"`{name}`", self.context.definition.source, span) from None
        except ValueError as error:
            raise BuildError(str(error), self.context.definition.source, span) from None

    def _shim(self, platform: Platform) -> Image:
        try:
            # It belongs to this frontend, and may lie on this machine only: `--pull` is about the base.
            return self.images.get(self._shim_name, platform, "shim", pull=False)
        except GatewayError as error:
            raise BuildError(
                f"the shim image `{self._shim_name}` cannot be had for {platform}: {error}\n"
                "hint: build it with `./dev images`, or name another with `--build-arg CIR_SHIM=REFERENCE`"
            ) from None

    def _solve(self, target: Target, context: ops.State) -> Built:
        plan = target.plan
        no_cache = self._options.ignores_cache(self.cirfile.base.name)
        locked = self._locker.complete(plan, self.build_platform, no_cache)
        parts = lower.Parts(
            base=target.base.files,
            shim=target.shim.files,
            context=context,
            source=self.context.definition.source,
            caps=self._gateway.caps,
            manifest=locked.manifest,
            timestamp=self.seconds * 10**9,
            origins=self._origins(plan),
            locks=locked.files,
            no_cache=no_cache,
        )
        lowered = lower.lower(plan, parts)
        ref = self._gateway.solve(marshal(lowered.state), self._options.cache_imports)
        digest = "sha256:" + hashlib.sha256(locked.manifest).hexdigest()
        shim_layers = target.shim.layers if lowered.merged else 1
        fields = ociconfig.config(
            plan, target.base.oci, shim_layers, digest, self.seconds, stepwise=lowered.stepwise
        )
        config = ociconfig.encode(fields)
        return Built(target, ref, config, locked)

    @property
    def seconds(self) -> int:
        """The time everything in the image gets."""
        return ociconfig.DEFAULT_EPOCH if self.epoch is None else self.epoch

    def _origins(self, plan: Plan) -> dict[str, ops.State]:
        """Look up what ``--from`` names."""
        spans: dict[str, Span] = {}
        paths: dict[str, list[str]] = {}
        for step in plan.steps:
            if isinstance(step, Copy) and step.origin is not None:
                spans.setdefault(step.origin, step.span)
                wanted = [source.pattern for source in step.sources if isinstance(source, ContextPath)]
                paths.setdefault(step.origin, []).extend(wanted)
        return {
            origin: self._image(origin, plan.platform, "from", span, follow_paths(paths[origin])).files
            for origin, span in spans.items()
        }
