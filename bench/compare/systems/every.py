"""All systems, in the order of the report. Another one joins here."""

from __future__ import annotations

from bench.compare import phases
from bench.compare.systems import System
from bench.compare.systems.apptainer import Apptainer, CirApptainer
from bench.compare.systems.clients import Buildah, CirBuildah, Docker
from bench.compare.systems.host import Host
from bench.compare.systems.images import Images

CIR, STOCK = "cir", "docker"
#: Those of a quick run: ours, what we hold ourselves against, and what users would pick instead.
QUICK = (CIR, STOCK, "uv-run")
#: Those that are measured on every link of a run.
SWEPT = QUICK


def every(host: Host, user: Host) -> list[System]:
    """All systems; ``user`` is the same host, entered as an ordinary user."""
    docker = Docker(host)
    syntax = ("--build-arg", f"BUILDKIT_SYNTAX={host.frontend}")
    store = "/var/lib/cir"
    return [
        Images(
            CIR, "CIR on Docker", "Cirfile", docker, store=store, common=True, flags=syntax, also=phases.TWO
        ),
        Images(
            "cir-buildah",
            "CIR on Buildah and Podman",
            "Cirfile",
            CirBuildah(host),
            store=store,
            common=True,
            also=phases.TWO,
        ),
        CirApptainer(user),
        Images(STOCK, "Docker, expert's Dockerfile", "Dockerfile", docker, also=phases.TWO),
        Images("docker-usual", "Docker, usual Dockerfile", "Dockerfile.usual", docker),
        Images("buildah", "Buildah and Podman, expert's Dockerfile", "Dockerfile", Buildah(host)),
        Apptainer(user),
        Images(
            "uv-run",
            "uv run in a container, cache volume",
            "Dockerfile.uv",
            docker,
            store="/root/.cache/uv",
            common=True,
        ),
    ]
