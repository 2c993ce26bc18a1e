"""The step that resolves requirements: a command of the build graph, so that the server caches it.

Its root file system is this frontend's own image, which the server hands every frontend as a graph;
the question goes in as a file, the lock comes out as one. The server may run it again when the question
changes, when the cache is dropped or on ``--no-cache``, and never otherwise.
"""

from __future__ import annotations

import os
import posixpath
import sys
from dataclasses import dataclass
from pathlib import Path

from cirfile import references
from cirfile.plan import Platform
from frontend import platforms
from frontend.gateway.caps import Capabilities
from frontend.llb import ops, state
from frontend.options import Options
from frontend.proto import ops_pb2 as pb

#: The graph of the frontend's own image, put there by servers from BuildKit 0.10 on.
OWN_IMAGE = Path("/run/config/buildkit/metadata/frontend.bin")
_QUESTION = "/in/question.json"
_OUTPUT = "/out"
_CACHE = "/var/cache/cir"
_SECRETS = ("cir_netrc", "cir_ca")
#: Variables of this process that the resolver needs too; all are fixed in the frontend's image.
_FORWARDED = ("PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "LANG")
_PROXIES = ("http", "https", "ftp", "no", "all")


@dataclass(frozen=True, slots=True)
class LockStep:
    """What to resolve: the question of `cirfile.locking`, how many requirements it has, where they are written.

    ``no_cache``: even if the server remembers the answer.
    """

    question: bytes
    ecosystem: str
    requirements: int
    locations: tuple[ops.Location, ...] = ()
    no_cache: bool = False

    @property
    def name(self) -> str:
        """What progress calls the step."""
        return (
            f"[lock] resolve {self.requirements} {self.ecosystem} requirement{'s' * (self.requirements != 1)}"
        )


class OwnImageError(RuntimeError):
    """The server does not tell where the frontend's own image is; the text says what to do."""


def own_image(options: Options, platform: Platform, path: Path = OWN_IMAGE) -> ops.State:
    """Return the root file system of this frontend. Raise `OwnImageError` where nobody tells it."""
    if path.exists():
        return state.foreign(pb.Definition.FromString(path.read_bytes()))
    source = options.raw.get("source", "")
    if not source:
        raise OwnImageError(
            "`PIN lock` needs BuildKit 0.10 or newer here; update Docker, or write `PIN latest`"
        )
    name = references.normalize(source)
    return state.image(name, platforms.to_llb(platform))


def lower(
    step: LockStep, image: ops.State, options: Options, platform: Platform, caps: Capabilities
) -> ops.State:
    """Return the file system with the lock at ``/<ecosystem>.json``; ``platform`` is the server's own.

    The file with the question is made from the question alone, so the cache key needs no look at it. A server
    that looks (one before BuildKit 0.13) gives it up once the answer is found, and may then show the
    remembered step as CANCELED.
    """
    question = state.file(
        ops.SCRATCH,
        ops.Mkfile("/question.json", step.question, 0o644),
        around=ops.Surroundings("[internal] the requirements to resolve"),
    )
    command = ops.Exec(
        args=(sys.executable, "-I", "-m", "cirfile.resolver", _QUESTION, _OUTPUT),
        env=_environment(),
        mounts=(
            ops.Mount("/", image),
            ops.Mount("/in", question, readonly=True, as_defined="exec.mount.cache.content" in caps.llb),
            ops.Mount(_OUTPUT),
            ops.Mount(
                _CACHE, cache=posixpath.join(options.build_arg("BUILDKIT_CACHE_MOUNT_NS"), "cir-resolver")
            ),
        ),
        secrets=tuple(ops.Secret(name, f"/run/secrets/{name}", optional=True) for name in _SECRETS),
        network=options.network,
        proxies=_proxies(options),
        hosts=options.hosts,
        hostname=options.hostname,
        cgroup_parent=options.cgroup_parent if "exec.meta.cgroup.parent" in caps.llb else "",
        ulimits=options.ulimits if "exec.meta.ulimit" in caps.llb else (),
    )
    around = ops.Surroundings(step.name, step.no_cache, locations=step.locations)
    return state.run(command, platforms.to_llb(platform), _OUTPUT, around)


def _environment() -> tuple[str, ...]:
    kept = [f"{name}={os.environ[name]}" for name in _FORWARDED if name in os.environ]
    return (*kept, "HOME=/root", f"UV_CACHE_DIR={_CACHE}/uv")


def _proxies(options: Options) -> ops.Proxies | None:
    """Return the proxies given as build arguments, in either case, as the stock frontend takes them."""
    given = {name.lower(): value for name, value in options.build_args if value}
    found = {kind: given.get(f"{kind}_proxy", "") for kind in _PROXIES}
    return ops.Proxies(**found) if any(found.values()) else None
