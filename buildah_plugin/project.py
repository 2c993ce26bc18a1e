"""From a Cirfile on disk to plans: the Cirfile, what the ignore file leaves out, and a plan for each platform."""

from __future__ import annotations

import platform as host
import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from buildah_plugin import disk
from buildah_plugin.images import NOTHING, Image, Images
from buildah_plugin.nodes import File, Folder, TreeError
from buildah_plugin.paths import lookup, resolve
from buildah_plugin.settings import Settings
from cirfile import ociconfig, parser, planner, rules
from cirfile.cli.errors import INVALID, NO_INPUT, USAGE, CliError
from cirfile.errors import CirfileError
from cirfile.ignore import parse_ignore
from cirfile.imageconfig import SCRATCH, Pairs, from_oci
from cirfile.plan import Copy, Plan, Platform
from cirfile.platforms import parse_platform
from cirfile.request import Request
from cirfile.source import Source
from cirfile.syntax import Cirfile

_IGNORE_FILE = ".dockerignore"
_EPOCH = "SOURCE_DATE_EPOCH"


class Project:
    """The Cirfile and the context of one build. Raise `CliError` where they are not there."""

    def __init__(self, settings: Settings, images: Images) -> None:
        self._settings = settings
        self._images = images

    @cached_property
    def source(self) -> Source:
        """The text of the Cirfile."""
        path = self._settings.file
        try:
            data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
            return Source(str(path), data.decode("utf-8-sig", errors="replace"))
        except OSError as error:
            raise CliError(
                NO_INPUT,
                f"{path}: {error.strerror}",
                "name the folder of the Cirfile, or the Cirfile with -f",
            ) from None

    @cached_property
    def cirfile(self) -> Cirfile:
        """The parsed Cirfile."""
        return parser.parse(self.source)

    @cached_property
    def ignore(self) -> tuple[str, ...] | None:
        """The patterns of the ignore file: ``--ignorefile``, beside the Cirfile, or in the context."""
        chosen = self._settings.ignorefile
        places = (Path(f"{self._settings.file}.dockerignore"), self._settings.context / _IGNORE_FILE)
        found = chosen or next((place for place in places if place.is_file()), None)
        if found is None:
            return None
        try:
            return parse_ignore(found.read_text(errors="replace"))
        except OSError as error:
            raise CliError(NO_INPUT, f"{found}: {error.strerror}") from None

    @cached_property
    def context(self) -> Folder:
        """The build context, without what the ignore file leaves out."""
        try:
            return disk.tree(str(self._settings.context), self.ignore or ())
        except OSError as error:
            raise CliError(NO_INPUT, f"{self._settings.context}: {error.strerror}") from None
        except ValueError as error:
            raise CliError(INVALID, f"the ignore file: {error}") from None

    def read(self, path: str) -> str:
        """Return a text file of the context.

        Raise `FileNotFoundError` where it is not there or ignored, `IsADirectoryError` for a folder.
        """
        try:
            file = lookup(self.context, resolve(self.context, path))
        except TreeError:
            file = None
        if isinstance(file, Folder):
            raise IsADirectoryError(path)
        if not isinstance(file, File):
            raise FileNotFoundError(path)
        return file.content.read().decode("utf-8-sig", errors="replace")

    def planned(self, platform: Platform) -> tuple[Plan, Image]:
        """Return the plan for a platform and the image it stands on. Raise `CirfileError` or `CliError`."""
        request = self._request(platform)
        wanted = planner.base(self.cirfile, request)
        base = NOTHING
        if self._settings.base is not None:
            base = Image(oci=self._settings.base)
        elif wanted.reference is not None:
            base = self.image(wanted.reference, wanted.platform or platform)
        complete = replace(request, base_config=from_oci(base.oci.get("config")) if base.oci else SCRATCH)
        plan = planner.plan(self.cirfile, complete)
        if self._settings.base is not None:
            plan = _apart(plan)
        self._findings(plan, complete)
        return (plan if self._settings.platforms else ociconfig.of_base(plan, base.oci)), base

    def image(self, name: str, platform: Platform) -> Image:
        """Return an image, or what a named context says it is."""
        context = self._settings.context_of(name)
        if context is None:
            return self._images.get(name, platform)
        if context.folder:
            raise CliError(
                USAGE, f"the named context `{name}` is a folder, which cannot be a base here",
                "build it with `--engine buildkit`, or write `FROM scratch` and `COPY --from` that context",
            )  # fmt: skip
        return NOTHING if context.empty else self._images.get(context.place, platform)

    def _request(self, platform: Platform) -> Request:
        return Request(
            build_args=self._arguments(),
            platform=platform,
            build_platform=own_platform(),
            target=self._settings.target,
            labels=self._settings.labels,
            named_contexts=frozenset(self._settings.contexts),
            ignore=self.ignore,
            read=self.read,
        )

    def _arguments(self) -> Pairs:
        """The build arguments, and what clients hand over as one: the time, of which a folder has none."""
        arguments = dict(self._settings.build_args)
        if text := arguments.get(_EPOCH, self._settings.environ.get(_EPOCH, "")):
            arguments[_EPOCH] = "" if text == "context" else text
        return tuple(sorted(arguments.items()))

    def _findings(self, plan: Plan, request: Request) -> None:
        """Show what the rules say, once; a Cirfile may say that this ends the build."""
        if "_shown" in self.__dict__:
            return
        self.__dict__["_shown"] = True
        found = rules.check(self.cirfile, plan, request)
        for each in found:
            self._settings.talk.say(
                f"{self.source.name}:{each.span.line}: warning: {each.message} [{each.code}]"
            )
        if found and rules.settings(self.cirfile, request).error:
            raise CirfileError(
                found[0].span, found[0].code, f"{found[0].message}, and `error=true` makes that an error",
                f"leave a rule out with `# check=skip={found[0].code}`", self.source,
            )  # fmt: skip


def _apart(plan: Plan) -> Plan:
    """Return a plan that asks nothing of the base's files: neither which folders are there, nor accounts by name."""
    steps = tuple(
        replace(step, chown="") if isinstance(step, Copy) else replace(step, user="") for step in plan.steps
    )
    return replace(plan, steps=steps, reads_base=(), trace=replace(plan.trace, reads_base=()))


def own_platform() -> Platform:
    """Return the platform this program runs on."""
    return parse_platform(f"linux/{host.machine()}")
