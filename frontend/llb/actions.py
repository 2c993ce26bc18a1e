"""Turn the actions of a `File` into ``pb.FileOp``: paths, owners and the indices between actions.

An index below the number of inputs means that input, one above it the result of an earlier action,
-1 ``scratch``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from frontend.llb import ops
from frontend.proto import ops_pb2 as pb

Edge = Callable[[ops.State], pb.Input]


def file_op(result: pb.Op, op: ops.File, edge: Edge) -> None:
    """Fill ``result`` with the actions of ``op``; ``edge`` gives the input that leads to a state."""
    base = ops.UNSET if op.base.vertex is None else _add(result, edge(op.base))
    sources = []
    for action in op.actions:
        state = action.source if isinstance(action, ops.Copy) else ops.SCRATCH
        sources.append(ops.UNSET if state.vertex is None else _add(result, edge(state)))
    last = len(op.actions) - 1
    for position, (action, source) in enumerate(zip(op.actions, sources, strict=True)):
        before = base if position == 0 else len(result.inputs) + position - 1
        anew = isinstance(action, ops.Copy) and action.source == ops.EARLIER
        message = result.file.actions.add(
            input=ops.UNSET if anew else before,
            secondaryInput=before if anew else source,
            output=0 if position == last else ops.UNSET,
        )
        _fill(message, action, base)


def _add(result: pb.Op, edge: pb.Input) -> int:
    for position, known in enumerate(result.inputs):
        if known == edge:
            return position
    result.inputs.append(edge)
    return len(result.inputs) - 1


def _fill(message: pb.FileAction, action: ops.Action, base: int) -> None:
    owner = None if isinstance(action, ops.Rm) else _owner(action.owner, base)
    if isinstance(action, ops.Copy):
        message.copy.CopyFrom(_copy(action, owner))
    elif isinstance(action, ops.Mkdir):
        message.mkdir.CopyFrom(
            pb.FileActionMkDir(
                path=clean(action.path),
                mode=action.mode & 0o777,
                makeParents=action.make_parents,
                owner=owner,
                timestamp=action.timestamp,
            )
        )
    elif isinstance(action, ops.Mkfile):
        message.mkfile.CopyFrom(
            pb.FileActionMkFile(
                path=clean(action.path),
                mode=action.mode & 0o777,
                data=action.data,
                owner=owner,
                timestamp=action.timestamp,
            )
        )
    elif isinstance(action, ops.Rm):
        message.rm.CopyFrom(
            pb.FileActionRm(
                path=clean(action.path), allowNotFound=action.allow_not_found, allowWildcard=action.wildcard
            )
        )
    else:
        message.symlink.CopyFrom(
            pb.FileActionSymlink(
                oldpath=action.target, newpath=clean(action.path), owner=owner, timestamp=action.timestamp
            )
        )


def _copy(action: ops.Copy, owner: pb.ChownOpt | None) -> pb.FileActionCopy:
    return pb.FileActionCopy(
        src=clean(action.src),
        dest=clean(action.dest, keep_slash=True),
        owner=owner,
        mode=0 if action.mode_text else action.mode,
        modeStr=action.mode_text,
        followSymlink=action.follow_symlink,
        dirCopyContents=action.contents_only,
        attemptUnpackDockerCompatibility=action.unpack,
        createDestPath=action.make_parents,
        allowWildcard=action.wildcard,
        allowEmptyWildcard=action.empty_wildcard,
        timestamp=action.timestamp,
        include_patterns=action.include,
        exclude_patterns=action.exclude,
        required_paths=action.required,
    )


def clean(path: str, keep_slash: bool = False) -> str:
    """Return ``path`` absolute and without ``.``, ``..`` and double slashes.

    ``keep_slash`` keeps a trailing ``/`` or ``/.``, which say "into this folder".
    """
    absolute = posixpath.normpath("/" + path.lstrip("/"))
    if keep_slash and path.endswith(("/", "/.")):
        folder = absolute.rstrip("/") + "/"
        return folder if path.endswith("/") else folder + "."
    return absolute


def _owner(owner: ops.Owner | None, base: int) -> pb.ChownOpt | None:
    if owner is None:
        return None
    return pb.ChownOpt(user=_identity(owner.user, base), group=_identity(owner.group, base))


def _identity(who: int | str | None, base: int) -> pb.UserOpt | None:
    if who is None:
        return None
    if isinstance(who, int):
        return pb.UserOpt(byID=who)
    return pb.UserOpt(byName=pb.NamedUserOpt(name=who, input=base))
