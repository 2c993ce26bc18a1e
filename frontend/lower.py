"""Lower a plan to the build graph: base, shim and application as separate layers, laid over each other.

The application's files are first collected on an empty file system - or, where the plan says that it
needs to look at the base, on the base, and only the difference is kept - and then copied once more as
a whole. That copy gives one layer with one time stamp on everything, folders included, so the same
input gives the same digest; and as it depends on no platform, all platforms share it. Where the server
cannot merge, both are copied onto the base; what has to look at the base is then done on it, one layer each,
and folders of the base that get something new have the time of the build.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cirfile import copies
from cirfile.locking import lock_path
from cirfile.manifest import LOCK_FOLDER, MANIFEST_PATH
from cirfile.plan import (
    ContextPath,
    Copy,
    CopySource,
    GitTree,
    InlineFile,
    MakeFolder,
    Plan,
    RemoteFile,
    Step,
)
from cirfile.source import Span
from frontend import gitref
from frontend.gateway.caps import Capabilities
from frontend.llb import ops, state

CIR_FOLDER = "/.cir"
_EMPTY = ops.Rm(CIR_FOLDER, allow_not_found=True)


class LowerError(ValueError):
    """A step that the build server cannot do; ``span`` is where it is written."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.span = span


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a plan is put together from.

    ``locks`` maps an ecosystem to a file system with its lock at ``/<ecosystem>.json``. ``origins`` maps
    the origins of copies to file systems. ``timestamp`` is in nanoseconds.
    """

    base: ops.State
    shim: ops.State
    context: ops.State
    source: ops.SourceFile
    caps: Capabilities
    manifest: bytes
    timestamp: int
    origins: Mapping[str, ops.State]
    locks: Mapping[str, ops.State]
    no_cache: bool = False


@dataclass(frozen=True, slots=True)
class Lowered:
    """The root file system, and which layers it has above those of the base.

    Usually the shim's and one of the application. ``merged`` tells whether the shim kept its own; else it is
    one layer. ``stepwise``: one layer for each step instead, and the last is the shim's, with the manifest.
    """

    state: ops.State
    merged: bool = True
    stepwise: bool = False


def lower(plan: Plan, parts: Parts) -> Lowered:
    """Return the graph of ``plan``. Raise `LowerError` where the server cannot do a step."""
    return _Lowering(plan, parts).run()


def can_merge(caps: Capabilities, plan: Plan) -> bool:
    """Whether base and shim keep their layers on this server."""
    needed = {"mergeop", "diffop"} if plan.reads_base else {"mergeop"}
    return needed <= caps.llb


class _Lowering:
    def __init__(self, plan: Plan, parts: Parts) -> None:
        self._plan = plan
        self._parts = parts
        self._written = [step for step in plan.steps if step.created_by]
        self._total = len(self._written)

    def run(self) -> Lowered:
        """Put base, shim and application together."""
        parts = self._parts
        if not can_merge(parts.caps, self._plan):
            return self._copied()
        if self._plan.reads_base:
            steps = self._steps(parts.base)
            above = state.file(steps, *self._metadata(), around=self._around(self._app_name()))
            difference = state.diff(parts.base, above, self._around("[app] what the steps changed"))
            app = state.file(ops.SCRATCH, self._everything(difference), around=self._around("[app] layer"))
        else:
            app = self._app()
        return Lowered(
            state.merge([parts.base, parts.shim, app], self._around("[image] base, shim and application"))
        )

    def _app(self) -> ops.State:
        """Return the application alone; it needs nothing of the base."""
        actions = (*self._metadata(), self._everything(ops.EARLIER))
        return state.file(self._steps(ops.SCRATCH), *actions, around=self._around(self._app_name()))

    def _copied(self) -> Lowered:
        """Without merging, shim and application are copied onto the base as a whole, a layer each.

        Steps that have to see the base are done on it, a layer each. So are those with ``--link``, which a
        server of that age treats as if the flag was not there.
        """
        parts = self._parts
        onto = self._around("[shim] copy onto the base")
        if self._plan.reads_base or any(isinstance(step, Copy) and step.link for step in self._written):
            own = (self._everything(parts.shim), *self._metadata(remove=False), self._everything(ops.EARLIER))
            folder = state.file(ops.SCRATCH, *own, around=self._around("[shim] with the manifest"))
            steps = self._steps(parts.base)
            return Lowered(state.file(steps, _EMPTY, self._everything(folder), around=onto), False, True)
        below = state.file(parts.base, self._everything(parts.shim), around=onto)
        around = self._around("[image] application onto base and shim")
        return Lowered(state.file(below, self._everything(self._app()), around=around), False)

    def _everything(self, source: ops.State) -> ops.Copy:
        return ops.Copy(source, "/", "/", contents_only=True, timestamp=self._parts.timestamp)

    def _steps(self, below: ops.State) -> ops.State:
        """Do the steps one by one, so that the server names the one that fails and caches the others.

        Folders that no instruction made go along with the step they are needed for.
        """
        current = below
        pending: list[ops.Action] = []
        for step in self._plan.steps:
            pending += self._actions(step)
            if not step.created_by:
                continue
            around = self._around(f"[{self._number(step)}/{self._total}] {_title(step)}", step)
            if isinstance(step, Copy) and step.link and "mergeop" in self._parts.caps.llb:
                alone = state.file(ops.SCRATCH, *pending, around=around)
                current = state.merge([current, alone], around)
            else:
                current = state.file(current, *pending, around=around)
            pending = []
        return state.file(current, *pending)

    def _number(self, step: Step) -> int:
        return next(n for n, written in enumerate(self._written, 1) if written is step)

    def _around(self, name: str, step: Step | None = None) -> ops.Surroundings:
        place = () if step is None else (location(self._parts.source, step.span),)
        return ops.Surroundings(name, ignore_cache=self._parts.no_cache and step is not None, locations=place)

    def _app_name(self) -> str:
        names = ["manifest", *(f"{ecosystem} lock" for ecosystem in sorted(self._parts.locks))]
        return f"[app] {', '.join(names)} and {self._total} step{'' if self._total == 1 else 's'}"

    def _metadata(self, remove: bool = True) -> tuple[ops.Action, ...]:
        """Write the manifest and the locks: last, and in place of what steps have put there."""
        when = self._parts.timestamp
        actions: list[ops.Action] = [_EMPTY] if remove else []
        actions.append(ops.Mkdir(CIR_FOLDER, make_parents=True, timestamp=when))
        if self._parts.locks:
            actions.append(ops.Mkdir(LOCK_FOLDER, make_parents=True, timestamp=when))
        for ecosystem, files in sorted(self._parts.locks.items()):
            actions.append(
                ops.Copy(
                    files, f"/{ecosystem}.json", lock_path(ecosystem), ops.Owner(0, 0), 0o644, timestamp=when
                )
            )
        actions.append(ops.Mkfile(MANIFEST_PATH, self._parts.manifest, 0o644, timestamp=when))
        return tuple(actions)

    def _actions(self, step: Step) -> list[ops.Action]:
        if isinstance(step, MakeFolder):
            owned = owner(step.user) if step.user else None
            return [ops.Mkdir(step.path, 0o755, True, owned, self._parts.timestamp)]
        self._check(step)
        return [self._copy(step, source) for source in step.sources]

    def _check(self, step: Copy) -> None:
        needs = (
            (bool(step.exclude), "--exclude", "file.copy.includeexcludepatterns"),
            (step.parents, "--parents", "file.copy.includeexcludepatterns"),
            # No server lists `file.copy.modestring`; `exec.validexitcode` came with the same release, 0.17.
            (bool(mode(step.chmod)[1]), f"--chmod={step.chmod}", "exec.validexitcode"),
        )
        for used, flag, cap in needs:
            refusal = self._parts.caps.refusal(cap) if used else ""
            if refusal:
                raise LowerError(f"`{flag}` cannot be used here: {refusal}", step.span)

    def _copy(self, step: Copy, source: CopySource) -> ops.Copy:
        number, text = mode(step.chmod)
        files, src = self._files(step, source)
        common = ops.Copy(
            files,
            src,
            step.destination,
            owner=owner(step.chown) if step.chown else None,
            mode=number,
            mode_text=text,
            unpack=step.unpack_remote and isinstance(source, RemoteFile),
            make_parents=True,
            timestamp=self._parts.timestamp,
            exclude=step.exclude,
        )
        return self._selected(common, step, source) if isinstance(source, ContextPath) else common

    def _selected(self, copy: ops.Copy, step: Copy, source: ContextPath) -> ops.Copy:
        """Complete a copy from a folder: contents of folders, wildcards, parents kept, archives unpacked."""
        src = source.pattern
        include: tuple[str, ...] = ()
        required: tuple[str, ...] = ()
        if step.parents:
            src, include, required = copies.pivot(source.pattern)
        if "file.copy.requiredpaths" not in self._parts.caps.llb:
            required = ()
        return ops.Copy(
            copy.source,
            src,
            copy.dest,
            owner=copy.owner,
            mode=copy.mode,
            mode_text=copy.mode_text,
            follow_symlink=True,
            contents_only=True,
            unpack=step.unpack,
            make_parents=True,
            wildcard=True,
            empty_wildcard=True,
            timestamp=copy.timestamp,
            include=include,
            exclude=copy.exclude,
            required=required,
        )

    def _files(self, step: Copy, source: CopySource) -> tuple[ops.State, str]:
        """Return the file system a source is in, and its path there."""
        around = self._around(_title(step), step)
        if isinstance(source, InlineFile):
            name = ops.Surroundings("[internal] preparing inline document")
            made = ops.Mkfile(source.name, source.data, 0o644, timestamp=self._parts.timestamp)
            return state.file(ops.SCRATCH, made, around=name), source.name
        if isinstance(source, RemoteFile):
            file = state.http(source.url, source.name, step.checksum, around=around)
            return self._known(file, source.url, step), source.name
        if isinstance(source, GitTree):
            address = gitref.parse(source.url)
            if address is None:
                raise LowerError(f"`{source.url}` is not a git address", step.span)
            tree = gitref.to_state(address, around, step.keep_git_dir, step.checksum)
            return self._known(tree, source.url, step), "/"
        if step.origin is not None:
            return self._parts.origins[step.origin], source.pattern
        return self._parts.context, source.pattern

    def _known(self, files: ops.State, url: str, step: Copy) -> ops.State:
        """Return a source that the server can have. Raise `LowerError` where it lacks what the address asks for."""
        assert files.vertex is not None  # noqa: S101 - it is a source
        assert isinstance(files.vertex.op, ops.Source)  # noqa: S101
        for cap in sorted(files.vertex.op.caps):
            if refusal := self._parts.caps.refusal(cap):
                raise LowerError(f"`{url}` cannot be fetched: {refusal}", step.span)
        return files


def location(source: ops.SourceFile, span: Span) -> ops.Location:
    """Return the lines of ``span``."""
    return ops.Location(source, span.line, span.last_line)


def owner(text: str) -> ops.Owner:
    """Return ``user[:group]`` as the graph writes it."""
    return ops.Owner(*copies.owner(text))


def mode(text: str) -> tuple[int, str]:
    """Return ``--chmod`` as the graph writes it."""
    number, symbolic = copies.mode(text)
    return ops.UNSET if number is None else number, symbolic


def _title(step: Step) -> str:
    return step.created_by.removesuffix(" # buildkit") or type(step).__name__
