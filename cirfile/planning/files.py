"""Instructions that write files: ``COPY``, ``ADD`` and ``WORKDIR``."""

from __future__ import annotations

import re

from cirfile import addresses
from cirfile.base_folders import Target, known_parent, why_base
from cirfile.chmod import is_mode
from cirfile.copies import strange_number
from cirfile.errors import CirfileError
from cirfile.expand import Expander
from cirfile.gotext import clean, resolve
from cirfile.plan import ContextPath, Copy, CopySource, GitTree, InlineFile, MakeFolder, RemoteFile
from cirfile.planning.state import State
from cirfile.references import is_reference
from cirfile.suggest import did_you_mean
from cirfile.syntax import CopyFiles, Words
from cirfile.words import Word

_HEREDOC_TEXT = Expander(quotes=False)
_NUMERIC_OWNER = re.compile(r"(?:[0-9]+|root)(?::(?:[0-9]+|root))?\Z")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+\Z")


def names_someone(owner: str) -> bool:
    """Tell whether ``user[:group]`` holds a name whose number only the base knows."""
    return bool(owner) and not _NUMERIC_OWNER.match(owner)


def apply_workdir(state: State, instruction: Words) -> None:
    """Change the working folder and make it where it is missing."""
    word = instruction.words[0]
    path = resolve(state.config.working_dir, state.expand(word.text, word.span))
    state.check_reserved(clean(path), word.span)
    state.change(working_dir=path)
    created_by = f"WORKDIR {path}"
    if path != "/":
        _make_folder(state, path, instruction, created_by)
    state.history.append(created_by)


def _make_folder(state: State, path: str, instruction: Words, created_by: str) -> None:
    user = state.config.user
    parent = known_parent(path)
    if not state.scratch:
        _judge_folder(state, path, instruction)
        if parent == clean(path):
            user = ""  # it is there already, and stays root's
        elif parent and user:
            state.steps.append(MakeFolder(parent, instruction.span))
    state.steps.append(MakeFolder(path, instruction.span, user, created_by))


def _judge_folder(state: State, path: str, instruction: Words) -> None:
    """Note why the base has to be read for a ``WORKDIR``."""
    what = f"`WORKDIR` on line {instruction.span.line}"
    if names_someone(state.config.user):
        reason = f"makes a folder for the user `{state.config.user}`, whom only the base can number"
    elif known_parent(path) == clean(path):
        return
    else:
        reason = why_base(Target(clean(path), folder=True), state.request.base_config)
    if reason:
        state.needs_base(f"{what} {reason}", instruction.span)


def apply_copy(state: State, instruction: CopyFiles) -> None:
    """Add the files of a ``COPY`` or ``ADD``."""
    chown, chmod, checksum = (
        _flag(state, word) for word in (instruction.chown, instruction.chmod, instruction.checksum)
    )
    _check_flags(instruction, chown, chmod)
    written = [(state.expand(word.text, word.span), word) for word in instruction.sources]
    sources = tuple(_source(instruction, text, word) for text, word in written)
    _check_checksum(instruction, checksum, sources)
    _check_repository(instruction, checksum, sources)
    documents = tuple(
        InlineFile(doc.name, _document(state, instruction, doc.content, doc.expand))
        for doc in instruction.documents
    )
    target = state.expand(instruction.destination.text, instruction.destination.span)
    destination = _destination(state.config.working_dir, target)
    state.check_reserved(clean(destination), instruction.destination.span)
    names = [*(text for text, _ in written), *(f"<<{doc.name}" for doc in documents)]
    flags = [
        " --parents" * instruction.parents,
        *(f" --{n}={v}" for n, v in (("chown", chown), ("chmod", chmod)) if v),
    ]
    created_by = f"{instruction.keyword}{''.join(flags)} {' '.join(names)} {target} # buildkit"
    local = instruction.unpack if instruction.unpack is not None else instruction.keyword == "ADD"
    step = Copy(
        (*sources, *documents), destination, instruction.span,
        origin=_origin(state, instruction.origin),
        chown=chown, chmod=chmod, exclude=tuple(word.text for word in instruction.exclude),
        link=instruction.link and not chmod,  # as the stock frontend: a mode undoes the link
        parents=instruction.parents, unpack=local,
        unpack_remote=bool(instruction.unpack), keep_git_dir=bool(instruction.keep_git_dir),
        checksum=checksum, created_by=created_by,
    )  # fmt: skip
    _judge_base(state, step)
    state.steps.append(step)
    state.history.append(created_by)


def _origin(state: State, word: Word | None) -> str | None:
    """Return what ``--from`` names: a named context, an image or ``scratch``."""
    if word is None or word.text in state.request.named_contexts:
        return word.text if word else None
    if word.text.lower() == state.cirfile.base.name:
        raise CirfileError(
            word.span, "copy-from-itself", f"`{word.text}` is this image, which cannot copy from itself",
            "name another image, or a context of `--build-context`",
        )  # fmt: skip
    if not is_reference(word.text):
        hint = did_you_mean(word.text, state.request.named_contexts)
        raise CirfileError(
            word.span, "reference", f"`{word.text}` is neither a named context nor the name of an image",
            hint or f"give the build `--build-context {word.text}=PLACE`, or name an image",
        )  # fmt: skip
    return word.text


def _flag(state: State, word: Word | None) -> str:
    return state.expand(word.text, word.span) if word else ""


def _document(state: State, instruction: CopyFiles, content: str, expand: bool) -> bytes:
    text = state.expand_with(_HEREDOC_TEXT, content, instruction.span) if expand else content
    return text.encode()


def _destination(folder: str, target: str) -> str:
    """Return the absolute destination; ``.`` and nothing mean the working folder itself."""
    return resolve(folder, "./" if target in ("", ".") else target, keep_slash=True)


def _source(instruction: CopyFiles, text: str, word: Word) -> CopySource:
    kind = addresses.kind(text)
    if kind == addresses.LOCAL:
        return ContextPath(text or "/")
    if instruction.keyword == "COPY":
        raise CirfileError(
            word.span,
            "copy-address",
            "COPY cannot fetch addresses",
            f"write `ADD {text} {instruction.destination.text}`",
        )
    if addresses.has_secret(text):
        raise CirfileError(
            word.span, "credentials", "the address holds a user or a password, which the image would keep",
            _credentials_hint(kind, text),
        )  # fmt: skip
    return GitTree(text) if kind == addresses.GIT else RemoteFile(text, addresses.file_name(text))


def _credentials_hint(kind: str, address: str) -> str:
    if kind == addresses.WEB:
        return "remove it; pass credentials to the build as a secret"
    if address.lower().startswith("http"):
        return (
            "remove it; pass the token to the build as the secret `GIT_AUTH_TOKEN`: "
            "`--secret id=GIT_AUTH_TOKEN,env=GIT_AUTH_TOKEN`"
        )
    return "remove it; `ssh://git@host/path` takes the keys of your agent, with `--ssh default`"


def _check_flags(instruction: CopyFiles, chown: str, chmod: str) -> None:
    if number := strange_number(chown):
        raise CirfileError(
            instruction.chown.span if instruction.chown else instruction.span,
            "owner", f"`{number}` is no user or group: numbers go from 0 to 4294967294",
            "write for example `--chown=1000:1000`",
        )  # fmt: skip
    if chmod and not is_mode(chmod):
        span = instruction.chmod.span if instruction.chmod else instruction.span
        raise CirfileError(
            span,
            "chmod",
            f"`{chmod}` is no mode",
            "write it in octal, `--chmod=755`, or as `--chmod=u=rwX,go=rX`",
        )


def _check_checksum(instruction: CopyFiles, checksum: str, sources: tuple[CopySource, ...]) -> None:
    if not checksum:
        return
    span = instruction.checksum.span if instruction.checksum else instruction.span
    if len(sources) != 1 or isinstance(sources[0], ContextPath):
        raise CirfileError(
            span,
            "checksum",
            "`--checksum` is for exactly one address",
            "give every address an ADD of its own",
        )
    if isinstance(sources[0], RemoteFile) and not _DIGEST.match(checksum):
        raise CirfileError(
            span,
            "checksum",
            f"`{checksum}` is no digest",
            "write `--checksum=sha256:` and 64 hexadecimal digits",
        )


def _check_repository(instruction: CopyFiles, checksum: str, sources: tuple[CopySource, ...]) -> None:
    """Refuse flags that say another thing than the query of the address, as the stock frontend does."""
    for source, word in zip(sources, instruction.sources, strict=True):
        if not isinstance(source, GitTree):
            continue
        from cirfile import gitaddress  # late, as all that only some files need

        try:
            address = gitaddress.parse(source.url)
        except gitaddress.GitError as error:
            raise CirfileError(word.span, "git-address", str(error), "correct the part after `?`") from None
        if address is None:
            continue
        keep = instruction.keep_git_dir
        for flag, given, own in (
            ("checksum", checksum or None, address.checksum or None), ("keep-git-dir", keep, address.keep_git_dir),
        ):  # fmt: skip
            if given is not None and own is not None and given != own:
                raise CirfileError(
                    word.span, flag, f"the address says another thing than `--{flag}`",
                    f"write it once: `--{flag}=...`, or `?{flag}=...` in the address",
                )  # fmt: skip


def _judge_base(state: State, step: Copy) -> None:
    """Note why the base has to be read for ``step``, and make the folders of the base it goes into."""
    if state.scratch:
        return
    what = f"`{step.created_by.partition(' ')[0]}` on line {step.span.line}"
    if names_someone(step.chown):
        state.needs_base(f"{what} gives files to `{step.chown}`, whom only the base can number", step.span)
    if step.link:
        return
    reasons = {why_base(target, state.request.base_config) for target in _targets(step)}
    for reason in sorted(reasons - {""}):
        state.needs_base(f"{what} {reason}", step.span)
    if parent := known_parent(step.destination):
        state.steps.append(MakeFolder(parent, step.span))


def _targets(step: Copy) -> list[Target]:
    """Return what ``step`` writes, as far as the Cirfile tells."""
    path, folder = clean(step.destination), step.destination.endswith(("/", "/."))
    targets: list[Target] = []
    for source in step.sources:
        name = source.pattern.rstrip("/").rsplit("/", 1)[-1] if isinstance(source, ContextPath) else ""
        if isinstance(source, InlineFile | RemoteFile):
            name = source.name
        known = isinstance(source, InlineFile | RemoteFile) or (bool(name) and not step.parents)
        targets.append(
            Target(path, folder, name if known else "", isinstance(source, InlineFile | RemoteFile))
        )
    return targets
