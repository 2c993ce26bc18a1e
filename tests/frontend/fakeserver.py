"""A build server in small: it speaks the real protocol to a real frontend process over real pipes.

It serves files, images and locks from tables, records every request, and evaluates just as much of a
graph as is needed to read files from it. Which capabilities it has is for the test to say, so that old
servers can be stood in for.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from frontend.proto import gateway_pb2 as gw
from frontend.proto import ops_pb2 as pb
from frontend.proto import status_pb2

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "moby.buildkit.v1.frontend.LLBBridge"
SHIM = "localhost/cir/shim:0.1.0"

#: What BuildKit 0.8 (Docker 20.10) can, and what came by 0.25 (Docker 28.5).
_FRONTEND = """
solve.base solve.inlinereturn resolveimage readfile return returnmap readdir statfile importcaches
proto.refarray reference.output frontend.inputs gateway.solve.metadata frontend.caps
"""
_FRONTEND_SINCE = """
gateway.solve.evaluate gateway.warnings gateway.evaluate reference.attestations source.metaresolver
"""
_LLB = """
constraints platform meta.ignorecache meta.description exec.meta.base exec.meta.proxyenv exec.meta.network
source.image.resolvemode
exec.mount.bind exec.mount.cache exec.mount.cache.sharing exec.mount.secret source.image source.local
source.local.sessionid source.local.followpaths source.local.excludepatterns source.local.sharedkeyhint
source.git source.git.fullurl source.http source.http.checksum file.base
"""
_LLB_SINCE = """
mergeop diffop file.copy.includeexcludepatterns file.copy.modestring source.ocilayout source.git.mtime
exec.mount.cache.content
"""
OLD_FRONTEND = tuple(_FRONTEND.split())
NEW_FRONTEND = tuple((_FRONTEND + _FRONTEND_SINCE).split())
OLD_LLB = tuple(_LLB.split())
NEW_LLB = tuple((_LLB + _LLB_SINCE).split())


@dataclass
class Server:
    """Tables to serve from, capabilities to pretend, and what was asked."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: bytes = b'{"cir-lock":1,"components":[],"ecosystem":"pypi"}\n'
    frontend_caps: tuple[str, ...] = NEW_FRONTEND
    llb_caps: tuple[str, ...] = NEW_LLB
    inputs: dict[str, pb.Definition] = field(default_factory=dict)
    fail_solve: status_pb2.Status | None = None
    #: Of a solve of sources, and of warnings.
    fail_sources: status_pb2.Status | None = None
    fail_warnings: bool = False
    requests: list[tuple[str, Any]] = field(default_factory=list)
    solves: list[gw.SolveRequest] = field(default_factory=list)
    returned: list[gw.ReturnRequest] = field(default_factory=list)
    pid: int = 0
    peak_kib: int = 0

    def asked(self, name: str) -> list[Any]:
        """Return the requests of one method, in order."""
        return [request for method, request in self.requests if method == name]

    # --- the methods ---

    def Ping(self, request: Any, context: Any) -> gw.PongResponse:  # noqa: N802
        pong = gw.PongResponse()
        for cap in self.frontend_caps:
            pong.FrontendAPICaps.add(ID=cap, Enabled=True)
        for cap in self.llb_caps:
            pong.LLBCaps.add(ID=cap, Enabled=True)
        worker = pong.Workers.add(ID="w")
        worker.platforms.add(OS="linux", Architecture="amd64")
        return pong

    def Inputs(self, request: Any, context: Any) -> gw.InputsResponse:  # noqa: N802
        return gw.InputsResponse(Definitions=self.inputs)

    def Solve(self, request: gw.SolveRequest, context: Any) -> gw.SolveResponse:  # noqa: N802
        for metadata in request.Definition.metadata.values():
            for cap in metadata.caps:
                if cap not in self.llb_caps:
                    context.abort(
                        grpc.StatusCode.UNKNOWN, f"failed to load LLB: unknown API capability {cap}"
                    )
        if self.fail_sources is not None:
            details = (("grpc-status-details-bin", self.fail_sources.SerializeToString()),)
            context.set_trailing_metadata(details)
            context.abort(grpc.StatusCode.UNKNOWN, self.fail_sources.message)
        self.solves.append(request)
        identifier = str(len(self.solves)) if request.Definition.ops else ""
        return gw.SolveResponse(result=gw.Result(ref=gw.Ref(id=identifier)))

    def ReadFile(self, request: gw.ReadFileRequest, context: Any) -> gw.ReadFileResponse:  # noqa: N802
        if self.fail_solve is not None and request.FilePath == "pypi.json":
            details = (("grpc-status-details-bin", self.fail_solve.SerializeToString()),)
            context.set_trailing_metadata(details)
            context.abort(grpc.StatusCode.UNKNOWN, self.fail_solve.message)
        tree = self._tree(self.solves[int(request.Ref) - 1].Definition)
        if f"{request.FilePath}/" in tree:
            context.abort(grpc.StatusCode.UNKNOWN, f"read {request.FilePath}: is a directory")
        if request.FilePath not in tree:
            context.abort(grpc.StatusCode.UNKNOWN, f"open {request.FilePath}: no such file or directory")
        data = tree[request.FilePath]
        return gw.ReadFileResponse(Data=data[: request.Range.Length] if request.HasField("Range") else data)

    def StatFile(self, request: Any, context: Any) -> gw.StatFileResponse:  # noqa: N802
        return gw.StatFileResponse()

    def Warn(self, request: Any, context: Any) -> gw.WarnResponse:  # noqa: N802
        if self.fail_warnings:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "message too large")
        return gw.WarnResponse()

    def ResolveImageConfig(self, request: Any, context: Any) -> gw.ResolveImageConfigResponse:  # noqa: N802
        config = self._image(request.Ref, request.Platform, context)
        return gw.ResolveImageConfigResponse(Digest="sha256:" + "b" * 64, Config=config, Ref=request.Ref)

    def ResolveSourceMeta(self, request: Any, context: Any) -> gw.ResolveSourceMetaResponse:  # noqa: N802
        answer = gw.ResolveSourceMetaResponse(Source=request.Source)
        identifier = request.Source.identifier
        if identifier.startswith("git://"):
            answer.Git.CommitObject = b"tree 0\ncommitter A <a@b> 1700000000 +0000\n\nm\n"
        elif identifier.startswith("docker-image://"):
            reference = identifier.removeprefix("docker-image://")
            answer.Image.Config = self._image(reference, request.Platform, context)
            answer.Image.Digest = "sha256:" + "b" * 64
        return answer

    def Return(self, request: gw.ReturnRequest, context: Any) -> gw.ReturnResponse:  # noqa: N802
        if self.returned:
            context.abort(grpc.StatusCode.UNKNOWN, "gateway result is already set")
        self.returned.append(request)
        status = Path(f"/proc/{self.pid}/status").read_text()
        self.peak_kib = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        return gw.ReturnResponse()

    # --- what they are made of ---

    def _image(self, reference: str, platform: pb.Platform, context: Any) -> bytes:
        if reference not in self.images:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{reference}: not found")
        image = {"architecture": platform.Architecture, "os": "linux", **self.images[reference]}
        image.setdefault("rootfs", {"type": "layers", "diff_ids": ["sha256:" + "d" * 64]})
        return json.dumps(image).encode()

    def _tree(self, definition: pb.Definition) -> Mapping[str, bytes]:
        """Return the files of a graph: those of its source, or the lock where it runs a command."""
        head = pb.Op.FromString(definition.ops[-2])
        if head.WhichOneof("op") == "exec":
            return {"pypi.json": self.lock}
        source = next(
            op for op in map(pb.Op.FromString, definition.ops) if op.WhichOneof("op") == "source"
        ).source
        files = self.files.get(source.identifier, {})
        follow = source.attrs.get("local.followpaths")
        excluded = json.loads(source.attrs.get("local.excludepatterns", "[]"))
        wanted = json.loads(follow) if follow else list(files)
        return {n: data for n, data in files.items() if n.rstrip("/") in wanted and n not in excluded}

    def serve(self, address: str) -> grpc.Server:
        """Start to answer on a Unix socket."""
        # Go's servers and clients set no limit of 8 KiB for what errors carry.
        server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_metadata_size", 16 << 20)])
        handlers = {}
        for method in gw.DESCRIPTOR.services_by_name["LLBBridge"].methods:
            implementation = getattr(self, method.name, None)
            if implementation is None:
                continue
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                self._recorded(method.name, implementation),
                request_deserializer=getattr(gw, method.input_type.name).FromString,
                response_serializer=getattr(gw, method.output_type.name).SerializeToString,
            )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_insecure_port(f"unix:{address}")
        server.start()
        return server

    def _recorded(self, name: str, implementation: Any) -> Any:
        def call(request: Any, context: Any) -> Any:
            self.requests.append((name, request))
            return implementation(request, context)

        return call


@dataclass(frozen=True)
class Ended:
    """How a frontend ended: its status and what it said on stderr."""

    status: int
    talk: str


def run(
    server: Server, options: Mapping[str, str], folder: Path, environment: Mapping[str, str] | None = None,
    prefix: tuple[str, ...] = (),
) -> Ended:  # fmt: skip
    """Run one frontend against ``server`` until it leaves; ``folder`` is private to the call."""
    address = str(folder / "server")
    listening = server.serve(address)
    variables = {
        f"BUILDKIT_FRONTEND_OPT_{n}": f"{key}={value}" for n, (key, value) in enumerate(options.items())
    }
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "frontend"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "BUILDKIT_SESSION_ID": "sess1", **variables, **(environment or {})},
    )
    server.pid = process.pid
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    wire = socket.socket(socket.AF_UNIX)
    wire.connect(address)
    pumps = [
        threading.Thread(target=_pump_out, args=(process.stdout.fileno(), wire), daemon=True),
        threading.Thread(target=_pump_in, args=(wire, process.stdin.fileno()), daemon=True),
    ]
    for pump in pumps:
        pump.start()
    try:
        talk = process.stderr.read().decode()
        status = process.wait(timeout=30)
    finally:
        process.kill()
        listening.stop(0)
        wire.shutdown(socket.SHUT_RDWR)
        for pump in pumps:  # one that went on would use descriptors that the next run has got by then
            pump.join()
        wire.close()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
    return Ended(status, talk)


def _pump_out(descriptor: int, wire: socket.socket) -> None:
    try:
        while data := os.read(descriptor, 65536):
            wire.sendall(data)
    except OSError:
        return  # the server was stopped first


def _pump_in(wire: socket.socket, descriptor: int) -> None:
    try:
        while data := wire.recv(65536):
            os.write(descriptor, data)
    except OSError:
        return


def graph(request: gw.SolveRequest) -> list[pb.Op]:
    """Return the operations of a graph, the terminal left out."""
    return [pb.Op.FromString(data) for data in request.Definition.ops[:-1]]
