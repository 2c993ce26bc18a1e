"""The calls of the gateway as functions with typed answers and errors.

A `Gateway` is one connection. Calls may come from several threads; `Ref`s belong to the connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from frontend.gateway.caps import Capabilities, from_pong
from frontend.gateway.errors import UNKNOWN, GatewayError
from frontend.gateway.quickgrpc import grpc
from frontend.gateway.wire import Wire
from frontend.llb.ops import Platform
from frontend.proto import gateway_pb2 as gw
from frontend.proto import ops_pb2 as pb
from frontend.proto import status_pb2

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Ref(NamedTuple):
    """A file system the server has, or will make when somebody looks; an empty id is ``scratch``."""

    id: str = ""


class Resolved(NamedTuple):
    """An image that was looked up: reference to use, digest (may be empty for local ones), config as JSON."""

    reference: str
    digest: str
    config: bytes


class Attestation(NamedTuple):
    """A statement about the result: a file in ``ref`` that holds the predicate."""

    predicate_type: str
    ref: Ref
    path: str
    metadata: tuple[tuple[str, bytes], ...] = ()


class Result(NamedTuple):
    """What a build hands back: one `Ref`, or one for each platform id."""

    ref: Ref | None = None
    refs: Mapping[str, Ref] = NOTHING
    metadata: Mapping[str, bytes] = NOTHING
    attestations: Mapping[str, Sequence[Attestation]] = NOTHING


class Notice(NamedTuple):
    """A finding to show beside the build; ``digest`` names the vertex it is printed under."""

    digest: str
    short: str
    detail: tuple[str, ...] = ()
    url: str = ""
    filename: str = ""
    data: bytes = b""
    language: str = ""
    first_line: int = 0
    last_line: int = 0


class Gateway:
    """One connection to the build server."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.caps = Capabilities()

    def ping(self) -> Capabilities:
        """Say hello; remember and return what the server can do."""
        pong = self._rpc("Ping", gw.PingRequest(), gw.PongResponse)
        self.caps = from_pong(pong)
        return self.caps

    def inputs(self) -> dict[str, pb.Definition]:
        """Return the graphs the client passed in, by name; none where the server has no such thing."""
        if "frontend.inputs" not in self.caps.frontend:
            return {}
        answer = self._rpc("Inputs", gw.InputsRequest(), gw.InputsResponse)
        return dict(answer.Definitions)

    def solve(
        self,
        definition: pb.Definition,
        cache_imports: Sequence[tuple[str, Mapping[str, str]]] = (),
        evaluate: bool = False,
    ) -> Ref:
        """Have a graph made. The server is lazy: without ``evaluate`` it starts when somebody looks."""
        request = gw.SolveRequest(Definition=definition, allowResultReturn=True, allowResultArrayRef=True)
        for kind, attrs in cache_imports:
            request.CacheImports.add(Type=kind, Attrs=attrs)
        request.Evaluate = evaluate and "gateway.solve.evaluate" in self.caps.frontend
        answer = self._rpc("Solve", request, gw.SolveResponse)
        ref = Ref(answer.result.ref.id or answer.result.refDeprecated or answer.ref)
        if evaluate and not request.Evaluate and ref.id:
            self._rpc("StatFile", gw.StatFileRequest(Ref=ref.id, Path="."), gw.StatFileResponse)
        return ref

    def read_file(self, ref: Ref, path: str, limit: int = 0) -> bytes:
        """Return a file, or its first ``limit`` bytes. Raise `FileNotFoundError` where it is not there."""
        if not ref.id:
            raise FileNotFoundError(path)
        request = gw.ReadFileRequest(Ref=ref.id, FilePath=path)
        if limit:
            request.Range.Length = limit
        try:
            answer = self._rpc("ReadFile", request, gw.ReadFileResponse)
        except GatewayError as error:
            if error.not_found:
                raise FileNotFoundError(path) from None
            raise
        return bytes(answer.Data)

    def resolve_image(
        self,
        reference: str,
        platform: Platform,
        mode: str,
        log_name: str,
        store: tuple[str, str] | None = None,
    ) -> Resolved:
        """Look up an image; ``store`` is (session, store) of an OCI layout on the client."""
        if "source.metaresolver" in self.caps.frontend and store is None:
            return self._resolve_source(reference, platform, mode, log_name)
        request = gw.ResolveImageConfigRequest(
            Ref=reference, Platform=_platform(platform), ResolveMode=mode, LogName=log_name
        )
        if store is not None:
            request.ResolverType, request.SessionID, request.StoreID = 1, *store
        answer = self._rpc("ResolveImageConfig", request, gw.ResolveImageConfigResponse)
        return Resolved(answer.Ref or reference, answer.Digest, answer.Config)

    def _resolve_source(self, reference: str, platform: Platform, mode: str, log_name: str) -> Resolved:
        request = gw.ResolveSourceMetaRequest(
            Source=pb.SourceOp(identifier=f"docker-image://{reference}"),
            Platform=_platform(platform),
            ResolveMode=mode,
            LogName=log_name,
            Image=gw.ResolveSourceImageRequest(),
        )
        answer = self._rpc("ResolveSourceMeta", request, gw.ResolveSourceMetaResponse)
        found = answer.Source.identifier.removeprefix("docker-image://") or reference
        return Resolved(found, answer.Image.Digest, answer.Image.Config)

    def source_time(self, source: pb.SourceOp, log_name: str) -> int | None:
        """Return when a git commit or a remote file was made, in seconds; None where that is unknown."""
        if "source.metaresolver" not in self.caps.frontend:
            return None
        request = gw.ResolveSourceMetaRequest(Source=source, LogName=log_name)
        if source.identifier.startswith("git://"):
            request.Git.ReturnObject = True
        answer = self._rpc("ResolveSourceMeta", request, gw.ResolveSourceMetaResponse)
        if answer.Git.CommitObject:
            return _commit_time(answer.Git.CommitObject)
        if answer.HTTP.HasField("LastModified"):
            return int(answer.HTTP.LastModified.seconds)
        return None

    def warn(self, warning: Notice) -> None:
        """Show a warning; silently nothing where the server cannot."""
        if "gateway.warnings" not in self.caps.frontend:
            return
        request = gw.WarnRequest(
            digest=warning.digest,
            level=1,
            short=warning.short.encode(),
            detail=[line.encode() for line in warning.detail],
            url=warning.url,
        )
        if warning.first_line:
            request.info.CopyFrom(
                pb.SourceInfo(filename=warning.filename, data=warning.data, language=warning.language)
            )
            lines = request.ranges.add()
            lines.start.line, lines.end.line = warning.first_line, warning.last_line
        self._rpc("Warn", request, gw.WarnResponse)

    def return_result(self, result: Result) -> None:
        """Hand back the result. Exactly one return of either kind is allowed."""
        message = gw.Result(metadata=dict(result.metadata))
        if result.refs:
            for key, ref in result.refs.items():
                message.refs.refs[key].id = ref.id
        else:
            message.ref.id = result.ref.id if result.ref else ""
        for key, statements in result.attestations.items():
            message.attestations[key].attestation.extend(_attestation(each) for each in statements)
        self._rpc("Return", gw.ReturnRequest(result=message), gw.ReturnResponse)

    def return_error(self, status: status_pb2.Status) -> None:
        """Hand back a failure. Exactly one return of either kind is allowed."""
        self._rpc("Return", gw.ReturnRequest(error=status), gw.ReturnResponse)

    def _rpc(self, name: str, request: Any, answer: Any) -> Any:
        try:
            return answer.FromString(self._wire.ask(name, request.SerializeToString()))
        except grpc.RpcError as error:
            raise GatewayError(_status(error)) from None


def _status(error: Any) -> status_pb2.Status:
    """Return the whole status of a failed call; its details travel in a trailer of their own."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return status_pb2.Status.FromString(value)
    code = error.code()
    number = code.value[0] if code is not None else UNKNOWN
    return status_pb2.Status(code=number, message=error.details() or "the build server gave no reason")


def _platform(platform: Platform) -> pb.Platform:
    return pb.Platform(
        OS=platform.os,
        Architecture=platform.architecture,
        Variant=platform.variant,
        OSVersion=platform.os_version,
        OSFeatures=platform.os_features,
    )


def _attestation(statement: Attestation) -> gw.Attestation:
    return gw.Attestation(
        kind=gw.AttestationKind.InToto,
        ref=gw.Ref(id=statement.ref.id),
        path=statement.path,
        inTotoPredicateType=statement.predicate_type,
        metadata=dict(statement.metadata),
        inTotoSubjects=[gw.InTotoSubject(kind=gw.InTotoSubjectKind.Self)],
    )


def _commit_time(commit: bytes) -> int | None:
    """Read the committer's time of a git commit object (seconds and zone end the ``committer`` line)."""
    for line in commit.split(b"\n"):
        if line.startswith(b"committer "):
            words = line.split()
            return int(words[-2]) if words[-2].isdigit() else None
        if not line:
            break
    return None
