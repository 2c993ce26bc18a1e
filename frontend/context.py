"""The Cirfile and the build context, wherever they are: a folder of the client, a repository, an address.

The same order of places, names and attributes as ``frontend/dockerui`` of BuildKit, so that what a
stock build has transferred before is not transferred again.
"""

from __future__ import annotations

import posixpath
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from cirfile import copies
from cirfile.ignore import parse_ignore
from frontend import gitref
from frontend.gateway.client import Gateway, Ref
from frontend.gateway.errors import GatewayError
from frontend.later import Later
from frontend.llb import ops, state
from frontend.llb.marshal import head, marshal
from frontend.options import Options

IGNORE_FILE = ".dockerignore"
LANGUAGE = "Cirfile"
_HTTP = re.compile(r"https?://")
#: What a remote file is called in the file system it is downloaded to.
_DOWNLOAD = "context"


@dataclass(frozen=True, slots=True)
class Definition:
    """The Cirfile as it came: its text with its graph, the vertex it came by, its own ignore file if any."""

    source: ops.SourceFile
    vertex: str
    ignore: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the context and the Cirfile are, None meaning a folder of the client."""

    context: ops.State | None = None
    definition: ops.State | None = None
    filename: str = ""
    origin: ops.State | None = None


class Context:
    """The main build context of one build. Raise `FileNotFoundError` where the Cirfile is not there."""

    def __init__(self, gateway: Gateway, options: Options) -> None:
        self._gateway = gateway
        self._options = options
        self._texts: dict[str, Later[str | None]] = {}
        self._mutex = threading.Lock()

    @property
    def has_definition(self) -> bool:
        """Whether the Cirfile has been read."""
        return "definition" in self.__dict__

    @cached_property
    def definition(self) -> Definition:
        """The Cirfile, read from the server once."""
        place = self._place
        filename = place.filename or self._options.filename
        graph = marshal(place.definition or self._local_definition(filename))
        ref = self._gateway.solve(graph)
        ignore = Later(partial(self._read_optional, ref, f"{filename}.dockerignore"))
        data, found = self._read_definition(ref, filename)
        if found != filename:
            ignore = Later(partial(self._read_optional, ref, f"{found}.dockerignore"))
        return Definition(ops.SourceFile(found, data, LANGUAGE, graph), head(graph), ignore.get())

    def state(self, paths: Sequence[str]) -> ops.State:
        """Return the context; of a client's folder only ``paths`` (relative, wildcards allowed) are sent."""
        if self._place.context is not None:
            return self._place.context
        return state.local(
            "context",
            session=self._options.session_of("context"),
            follow=follow_paths(paths),
            exclude=self.ignore or (),
            shared_key="context",
            around=ops.Surroundings(name="[internal] load build context"),
        )

    @cached_property
    def ignore(self) -> tuple[str, ...] | None:
        """Patterns of files that are no part of the context, None where there is no ignore file.

        Only a client's folder has one; from elsewhere everything is taken.
        """
        if self._place.context is not None:
            return ()
        data = self.definition.ignore
        if data is None:
            data = self._load_ignore_file()
        return None if data is None else tuple(parse_ignore(data.decode(errors="replace")))

    def read(self, path: str) -> str:
        """Return a text file of the context.

        Raise `FileNotFoundError` where it is not there or ignored, `IsADirectoryError` for a folder.
        """
        name = posixpath.normpath("/" + path).lstrip("/")
        self.expect(name)
        text = self._texts[name].get()
        if text is None:
            raise FileNotFoundError(path)
        return text

    def expect(self, path: str) -> None:
        """Begin to read a text file that `read` will be asked for."""
        name = posixpath.normpath("/" + path).lstrip("/")
        with self._mutex:
            if name not in self._texts:
                self._texts[name] = Later(partial(self._read_text, name))

    @property
    def source(self) -> ops.Source | None:
        """The remote source the context is taken from, None for a client's folder."""
        origin = self._place.origin
        op = origin.vertex.op if origin is not None and origin.vertex is not None else None
        return op if isinstance(op, ops.Source) else None

    @cached_property
    def _place(self) -> _Place:
        raw = self._options.raw
        address = raw.get(raw.get("contextkey", "context"), "")
        repository = gitref.parse(address) if address else None
        if repository is not None:
            place = self._repository(repository, address)
        elif _HTTP.match(address):
            place = self._download(address)
        else:
            inputs = self._gateway.inputs()
            given = {name: state.foreign(graph) for name, graph in inputs.items()}
            place = _Place(given.get("context"), given.get("dockerfile"))
        forced = "dockerfilekey" in raw
        scope = raw.get("contextsubdir", "")
        context = place.context
        if context is not None and scope:
            context = state.file(ops.SCRATCH, ops.Copy(context, scope, "/", contents_only=True))
        return _Place(context, None if forced else place.definition, place.filename, place.origin)

    def _repository(self, address: gitref.GitAddress, text: str) -> _Place:
        keep = self._options.build_arg("BUILDKIT_CONTEXT_KEEP_GIT_DIR").lower() in ("1", "t", "true")
        around = ops.Surroundings(name=f"[internal] load git source {text}")
        dated = self._options.build_arg("SOURCE_DATE_EPOCH") and "source.git.mtime" in self._gateway.caps.llb
        files = gitref.to_state(address, around, keep, mtime="commit" if dated else "")
        return _Place(files, files, origin=files)

    def _download(self, address: str) -> _Place:
        """Take a remote archive as context and Cirfile, any other remote file as the Cirfile alone."""
        around = ops.Surroundings(name="[internal] load remote build context")
        file = state.http(address, filename=_DOWNLOAD, around=around)
        ref = self._gateway.solve(marshal(file))
        if not copies.is_archive(self._gateway.read_file(ref, _DOWNLOAD, limit=1024)):
            return _Place(file, file, _DOWNLOAD, origin=file)
        files = state.file(ops.SCRATCH, ops.Copy(file, _DOWNLOAD, "/", unpack=True))
        return _Place(files, files, origin=file)

    def _local_definition(self, filename: str) -> ops.State:
        name = self._options.raw.get("dockerfilekey", "dockerfile")
        follow = [filename, f"{filename}.dockerignore"]
        if posixpath.basename(filename) == "Dockerfile":
            follow.append(_lower_case(filename))
        return state.local(
            name,
            session=self._options.session_of(name),
            follow=follow,
            shared_key=name,
            resend=True,
            around=ops.Surroundings(name=f"[internal] load build definition from {filename}"),
        )

    def _read_definition(self, ref: Ref, filename: str) -> tuple[bytes, str]:
        try:
            return self._gateway.read_file(ref, filename), filename
        except FileNotFoundError:
            if posixpath.basename(filename) != "Dockerfile":
                raise
        return self._gateway.read_file(ref, _lower_case(filename)), filename

    def _read_optional(self, ref: Ref, name: str) -> bytes | None:
        try:
            return self._gateway.read_file(ref, name)
        except FileNotFoundError:
            return None

    def _load_ignore_file(self) -> bytes | None:
        files = self._files([IGNORE_FILE], f"context-{IGNORE_FILE}", f"load {IGNORE_FILE}", ())
        return self._read_optional(self._gateway.solve(marshal(files)), IGNORE_FILE)

    def _read_text(self, name: str) -> str | None:
        files = self._place.context
        if files is None:
            files = self._files([name], f"context-{name}", f"load {name}", self.ignore or ())
        try:
            data = self._read_optional(self._gateway.solve(marshal(files)), name)
        except GatewayError as error:
            if error.is_folder:
                raise IsADirectoryError(name) from None
            raise
        return None if data is None else data.decode("utf-8-sig", errors="replace")

    def _files(self, follow: Sequence[str], key: str, name: str, exclude: Sequence[str]) -> ops.State:
        """Return single files of the client's folder, sent as they are."""
        return state.local(
            "context",
            session=self._options.session_of("context"),
            follow=follow,
            exclude=exclude,
            shared_key=key,
            resend=True,
            around=ops.Surroundings(name=f"[internal] {name}"),
        )


def follow_paths(paths: Sequence[str]) -> list[str]:
    """Return what to send for ``paths``, relative to the context; empty means everything."""
    wanted = sorted({posixpath.normpath("/" + path).lstrip("/") for path in paths})
    return [] if "" in wanted else wanted


def _lower_case(filename: str) -> str:
    return posixpath.join(posixpath.dirname(filename), posixpath.basename(filename).lower())
