"""Turn a state into a ``pb.Definition``, byte for byte as BuildKit's Go client does.

The digest of an operation is the SHA-256 of its bytes, and the server, caches and source locations
go by it; so the order of bytes matters. Go writes the member of a ``oneof`` after all other fields,
Python in the order of the numbers: `op_bytes` puts the pieces together in Go's order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from frontend.llb import ops
from frontend.llb.actions import file_op
from frontend.proto import ops_pb2 as pb

#: Capabilities the terminal operation names, and those it names when an operation uses the feature.
TERMINAL_CAPS = ("constraints", "platform")


def digest(data: bytes) -> str:
    """Return ``sha256:<hex>`` of ``data``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def op_bytes(op: pb.Op) -> bytes:
    """Serialize ``op`` with the ``oneof`` last, as protobuf-go does."""
    plain, after, chosen = pb.Op(), pb.Op(), pb.Op()
    plain.inputs.extend(op.inputs)
    if op.HasField("platform"):
        after.platform.CopyFrom(op.platform)
    if op.HasField("constraints"):
        after.constraints.CopyFrom(op.constraints)
    kind = op.WhichOneof("op")
    if kind:
        getattr(chosen, kind).CopyFrom(getattr(op, kind))
        getattr(chosen, kind).SetInParent()
    return b"".join(part.SerializeToString(deterministic=True) for part in (plain, after, chosen))


def marshal(state: ops.State) -> pb.Definition:
    """Return the definition whose result is ``state``; ``scratch`` gives an empty one."""
    if state.vertex is None:
        return pb.Definition()
    return _Marshaller().definition(state, state.vertex)


def head(definition: pb.Definition) -> str:
    """Return the digest of the operation a definition results in, empty for an empty definition."""
    if not definition.ops:
        return ""
    terminal = pb.Op.FromString(definition.ops[-1])
    return terminal.inputs[0].digest if terminal.inputs else ""


class _Marshaller:
    """One walk over a graph: every vertex is written once, after what it reads."""

    def __init__(self) -> None:
        self._result = pb.Definition()
        self._digests: dict[ops.Vertex, str] = {}
        self._written: set[str] = set()
        self._files: list[ops.SourceFile] = []

    def definition(self, state: ops.State, vertex: ops.Vertex) -> pb.Definition:
        """Return the definition that ends in ``state``, an output of ``vertex``."""
        self._visit(vertex)
        terminal = pb.Op(inputs=[self.input(state)]).SerializeToString(deterministic=True)
        self._terminal_caps(self._result.metadata[digest(terminal)])
        self._result.ops.append(terminal)
        self._result.Source.SetInParent()
        for source in self._files:
            info = self._result.Source.infos.add(
                filename=source.filename, data=source.data, language=source.language
            )
            if source.definition is not None:
                info.definition.CopyFrom(source.definition)
        return self._result

    def input(self, state: ops.State) -> pb.Input:
        """Return the edge to ``state``, whose vertex has been visited. Raise `ValueError` for ``scratch``."""
        if state.vertex is None:
            raise ValueError("scratch is no input")
        return pb.Input(digest=self._digests[state.vertex], index=state.output)

    def _terminal_caps(self, metadata: pb.OpMetadata) -> None:
        for cap in TERMINAL_CAPS:
            metadata.caps[cap] = True
        others = list(self._result.metadata.values())
        if any(other.ignore_cache for other in others):
            metadata.caps["meta.ignorecache"] = True
        if any(other.description for other in others):
            metadata.caps["meta.description"] = True

    def _visit(self, vertex: ops.Vertex) -> None:
        """Write ``vertex`` and everything below it; iterative, for a graph may be deep."""
        stack = [(vertex, False)]
        while stack:
            current, ready = stack.pop()
            if current in self._digests:
                continue
            if ready:
                self._digests[current] = self._write(current)
                continue
            stack.append((current, True))
            below = (state.vertex for state in current.inputs() if state.vertex is not None)
            stack.extend((v, False) for v in reversed(tuple(below)))

    def _write(self, vertex: ops.Vertex) -> str:
        if isinstance(vertex.op, ops.Foreign):
            return self._take_over(vertex.op.definition)
        data = op_bytes(self._op(vertex))
        name = digest(data)
        self._append(name, data)
        self._metadata(name, vertex)
        locations = self._result.Source.locations[name].locations
        locations.extend(self._places(vertex.around.locations))
        return name

    def _append(self, name: str, data: bytes) -> None:
        if name not in self._written:
            self._written.add(name)
            self._result.ops.append(data)

    def _take_over(self, definition: pb.Definition) -> str:
        """Copy a marshalled graph without its terminal; return the digest of its head."""
        for data in definition.ops[:-1]:
            name = digest(data)
            self._append(name, data)
            if name in definition.metadata:
                self._result.metadata[name].MergeFrom(definition.metadata[name])
        return head(definition)

    def _op(self, vertex: ops.Vertex) -> pb.Op:
        op = vertex.op
        result = pb.Op()
        result.constraints.SetInParent()
        if isinstance(op, ops.Source):
            result.source.identifier = op.identifier
            result.source.attrs.update(op.attrs)
        elif isinstance(op, ops.File):
            file_op(result, op, self.input)
        elif isinstance(op, ops.Merge):
            for position, state in enumerate(op.inputs):
                result.inputs.append(self.input(state))
                result.merge.inputs.add(input=position)
        elif isinstance(op, ops.Diff):
            _diff_op(result, op, self.input)
        elif isinstance(op, ops.Exec):
            _exec_op(result, op, self.input)
        if vertex.platform is not None and (isinstance(op, ops.Exec) or _has_platform(op)):
            result.platform.CopyFrom(_platform(vertex.platform))
        return result

    def _metadata(self, name: str, vertex: ops.Vertex) -> None:
        metadata = self._result.metadata[name]
        around = vertex.around
        if around.name:
            metadata.description["llb.customname"] = around.name
        if around.ignore_cache:
            metadata.ignore_cache = True
        if around.group is not None:
            group = around.group
            metadata.progress_group.CopyFrom(pb.ProgressGroup(id=group.id, name=group.name, weak=group.weak))
        for cap in _caps(vertex.op):
            metadata.caps[cap] = True

    def _places(self, places: Iterable[ops.Location]) -> Iterator[pb.Location]:
        """One for each file: an error of the vertex carries the whole file for every one of them."""
        ranges: dict[int, list[pb.Range]] = {}
        for place in places:
            if place.source not in self._files:
                self._files.append(place.source)
            lines = pb.Range(start=pb.Position(line=place.first_line), end=pb.Position(line=place.last_line))
            ranges.setdefault(self._files.index(place.source), []).append(lines)
        for number, found in ranges.items():
            yield pb.Location(sourceIndex=number, ranges=found)


def _has_platform(op: ops.Operation) -> bool:
    return isinstance(op, ops.Source) and op.platform_specific


def _platform(platform: ops.Platform) -> pb.Platform:
    return pb.Platform(
        OS=platform.os,
        Architecture=platform.architecture,
        Variant=platform.variant,
        OSVersion=platform.os_version,
        OSFeatures=platform.os_features,
    )


def _diff_op(result: pb.Op, op: ops.Diff, edge: Callable[[ops.State], pb.Input]) -> None:
    for side, state in ((result.diff.lower, op.lower), (result.diff.upper, op.upper)):
        side.SetInParent()
        if state.vertex is None:
            side.input = ops.UNSET
        else:
            side.input = _add(result, edge(state))


def _add(result: pb.Op, edge: pb.Input) -> int:
    """Add an input unless it is there; return its position."""
    for position, known in enumerate(result.inputs):
        if known == edge:
            return position
    result.inputs.append(edge)
    return len(result.inputs) - 1


def _exec_op(result: pb.Op, op: ops.Exec, edge: Callable[[ops.State], pb.Input]) -> None:
    command = result.exec
    command.meta.CopyFrom(_meta(op))
    command.network = pb.NetMode.Name(op.network)  # type: ignore[assignment]  # messages take names, too
    outputs = 0
    for mount in op.sorted_mounts():
        position = ops.UNSET if mount.source.vertex is None else _add(result, edge(mount.source))
        output = ops.UNSET
        if mount.has_output:
            output, outputs = outputs, outputs + 1
        message = command.mounts.add(
            input=position, dest=mount.dest, selector=mount.selector, readonly=mount.readonly, output=output
        )
        if mount.cache:
            message.mountType = pb.MountType.CACHE
            message.cacheOpt.ID = mount.cache
            message.cacheOpt.sharing = (
                pb.CacheSharingOpt.LOCKED if mount.locked else pb.CacheSharingOpt.SHARED
            )
        if mount.tmpfs:
            message.mountType = pb.MountType.TMPFS
            message.TmpfsOpt.SetInParent()
        if mount.as_defined:
            message.contentCache = pb.MountContentCache.OFF
    for secret in op.secrets:
        options = pb.SecretOpt(
            ID=secret.id, uid=secret.uid, gid=secret.gid, mode=secret.mode, optional=secret.optional
        )
        command.mounts.add(
            input=ops.UNSET, dest=secret.dest, mountType=pb.MountType.SECRET, secretOpt=options
        )


def _meta(op: ops.Exec) -> pb.Meta:
    meta = pb.Meta(
        args=op.args,
        env=op.env,
        cwd=op.cwd,
        user=op.user,
        hostname=op.hostname,
        extraHosts=[pb.HostIP(Host=host, IP=address) for host, address in op.hosts],
        removeMountStubsRecursive=True,
        cgroupParent=op.cgroup_parent,
        ulimit=[pb.Ulimit(Name=name, Soft=soft, Hard=hard) for name, soft, hard in op.ulimits],
    )
    if op.proxies is not None:
        proxies = op.proxies
        meta.proxy_env.CopyFrom(
            pb.ProxyEnv(
                http_proxy=proxies.http,
                https_proxy=proxies.https,
                ftp_proxy=proxies.ftp,
                no_proxy=proxies.no,
                all_proxy=proxies.all,
            )
        )
    return meta


def _caps(op: ops.Operation) -> Iterable[str]:
    """Return the capabilities a server needs for ``op``, those the Go client names."""
    if isinstance(op, ops.Source):
        return op.caps
    if isinstance(op, ops.File):
        return ("file.base",)
    if isinstance(op, ops.Merge):
        return ("mergeop",)
    if isinstance(op, ops.Diff):
        return ("diffop",)
    return _exec_caps(op) if isinstance(op, ops.Exec) else ()


def _exec_caps(op: ops.Exec) -> set[str]:
    caps = {"exec.meta.base"}
    needs = (
        (op.network != 0, ("exec.meta.network",)),
        (op.proxies is not None, ("exec.meta.proxyenv",)),
        (bool(op.cgroup_parent), ("exec.meta.cgroup.parent",)),
        (bool(op.ulimits), ("exec.meta.ulimit",)),
        (bool(op.secrets), ("exec.mount.secret",)),
        (any(m.cache for m in op.mounts), ("exec.mount.cache", "exec.mount.cache.sharing")),
        (any(m.tmpfs for m in op.mounts), ("exec.mount.tmpfs",)),
        (any(m.as_defined for m in op.mounts), ("exec.mount.cache.content",)),
        (any(m.selector for m in op.mounts), ("exec.mount.selector",)),
        (any(m.source.vertex is not None for m in op.mounts), ("exec.mount.bind",)),
    )
    for needed, names in needs:
        if needed:
            caps.update(names)
    return caps
