"""Do the steps of a plan on a tree: the counterpart of the frontend's ``lower``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildah_plugin import accounts, archives, copier, remote
from buildah_plugin.copier import Rules
from buildah_plugin.nodes import Content, File, Folder, TreeError, lay_over
from buildah_plugin.paths import lookup, make_folders, resolve
from buildah_plugin.wildcards import expand
from cirfile import copies
from cirfile.errors import CirfileError
from cirfile.gotext import clean
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
    Platform,
    RemoteFile,
    Step,
)
from cirfile.source import Source

CIR_FOLDER = "/.cir"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What steps need besides the plan: the context, what ``--from`` names, a folder for what is fetched.

    ``origin`` returns the tree behind a name of ``--from`` on a platform. ``source`` is the text errors point into.
    """

    context: Folder
    origin: Callable[[str, Platform], Folder]
    work: Path
    source: Source


def app_tree(plan: Plan, base: Folder | None, around: Surroundings) -> Folder:
    """Return the tree after all steps: on ``base``, whose own entries are not fresh, or on nothing.

    Raise `CirfileError` at the place of a step that cannot be done.
    """
    tree = Folder() if base is None else base
    steps = _Steps(around, plan.platform)
    pending: list[Step] = []
    for step in plan.steps:
        pending.append(step)
        if step.created_by:
            steps.do(pending, tree)
            pending = []
    steps.do(pending, tree)
    return tree


def add_metadata(tree: Folder, manifest: bytes, locks: Mapping[str, bytes]) -> None:
    """Write the manifest and the locks: last, and in place of what steps have put there."""
    tree.entries.pop(CIR_FOLDER.strip("/"), None)
    make_folders(tree, resolve(tree, CIR_FOLDER), 0o755, None)
    if locks:
        make_folders(tree, resolve(tree, LOCK_FOLDER), 0o755, None)
    for ecosystem, data in sorted(locks.items()):
        _put(tree, lock_path(ecosystem), File(Content.of(data), 0o644))
    _put(tree, MANIFEST_PATH, File(Content.of(manifest), 0o644))


def _put(tree: Folder, path: str, file: File) -> None:
    *folder, name = resolve(tree, path)
    make_folders(tree, folder, 0o755, None).entries[name] = file


class _Steps:
    def __init__(self, around: Surroundings, platform: Platform) -> None:
        self._around = around
        self._platform = platform

    def do(self, steps: list[Step], tree: Folder) -> None:
        """Do an instruction with the folders it needs; ``--link`` does it apart and lays the result over."""
        if not steps:
            return
        last = steps[-1]
        apart = isinstance(last, Copy) and last.link
        target = Folder() if apart else tree
        for step in steps:
            try:
                self._one(step, target)
            except (TreeError, ValueError) as error:
                raise CirfileError(step.span, "step", str(error), _hint(step), self._around.source) from None
        if apart:
            lay_over(tree, target)

    def _one(self, step: Step, tree: Folder) -> None:
        if isinstance(step, MakeFolder):
            owner = accounts.owner(step.user, tree) if step.user else None
            make_folders(tree, resolve(tree, clean(step.path)), 0o755, owner)
            return
        for source in step.sources:
            self._copy(step, source, tree)

    def _copy(self, step: Copy, source: CopySource, tree: Folder) -> None:
        number, text = copies.mode(step.chmod)
        owner = accounts.owner(step.chown, tree) if step.chown else None
        rules = Rules(owner, number, text, exclude=step.exclude)
        if isinstance(source, ContextPath):
            self._selected(step, source, tree, rules)
            return
        files, path = self._fetched(step, source)
        if (
            step.unpack_remote
            and isinstance(source, RemoteFile)
            and self._unpacked(step, files, path, tree, owner)
        ):
            return
        copier.copy(files, path, tree, _cleaned(step.destination), rules)

    def _selected(self, step: Copy, source: ContextPath, tree: Folder, rules: Rules) -> None:
        """Copy from a folder: contents of folders, wildcards, parents kept, archives unpacked."""
        files = (
            self._around.context if step.origin is None else self._around.origin(step.origin, self._platform)
        )
        whole: tuple[str, tuple[str, ...], tuple[str, ...]] = (clean("/" + source.pattern), (), ())
        pattern, include, required = copies.pivot(source.pattern) if step.parents else whole
        for path in required:
            if lookup(files, resolve(files, path, last=False)) is None:
                raise TreeError(f"`{path.lstrip('/')}` is not there")
        rules = Rules(
            rules.owner, rules.mode, rules.mode_text, contents=True, follow=True, include=include,
            exclude=rules.exclude,
        )  # fmt: skip
        for path in expand(files, pattern):
            if not (step.unpack and self._unpacked(step, files, path, tree, rules.owner)):
                copier.copy(files, path, tree, _cleaned(step.destination), rules)

    def _unpacked(
        self, step: Copy, files: Folder, path: str, tree: Folder, owner: tuple[int, int] | None
    ) -> bool:
        """Unpack ``path`` if it is an archive; tell whether it was one."""
        file = lookup(files, resolve(files, path))
        if not isinstance(file, File):
            return False
        place = Path(tempfile.mkdtemp(dir=self._around.work))
        archive = place / Path(path).name
        with archive.open("wb") as out:
            out.writelines(file.content.chunks())
        if not archives.is_tar(str(archive)):
            return False
        at = resolve(tree, clean(step.destination))
        make_folders(tree, at, 0o755, owner)
        spool = Path(tempfile.mkdtemp(dir=self._around.work))
        archives.unpack(archive, tree, at, spool, owner)
        return True

    def _fetched(self, step: Copy, source: InlineFile | RemoteFile | GitTree) -> tuple[Folder, str]:
        """Return the tree a here-document or an address is in, and its path there."""
        if isinstance(source, InlineFile):
            folder = Folder()
            folder.entries[source.name] = File(Content.of(source.data), 0o644)
            return folder, source.name
        place = Path(tempfile.mkdtemp(dir=self._around.work))
        if isinstance(source, RemoteFile):
            return remote.file(source.url, source.name, step.checksum, place), source.name
        return remote.repository(source.url, step.keep_git_dir, step.checksum, place), "/"


def _cleaned(destination: str) -> str:
    """Return a destination without ``..``, which leads up in the text, whatever links there are; a folder stays one."""
    path = clean(destination)
    return f"{path}/" if destination.endswith(("/", "/.")) and path != "/" else path


def _hint(step: Step) -> str:
    if (
        isinstance(step, Copy)
        and step.origin is None
        and any(isinstance(s, ContextPath) for s in step.sources)
    ):
        return "paths are those of the build context, without what the ignore file leaves out"
    return ""
