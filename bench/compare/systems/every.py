"""All systems, in the order of the report. Another one joins here."""

from __future__ import annotations

from typing import Any

from bench.compare import phases
from bench.compare.systems import System
from bench.compare.systems.apptainer import Apptainer, CirApptainer, UsualApptainer
from bench.compare.systems.clients import Buildah, CirBuildah, Client, Docker
from bench.compare.systems.host import Host
from bench.compare.systems.images import Images
from bench.compare.systems.names import TITLES

CIR, STOCK = "cir", "docker"
#: Those of a quick run: ours, what we hold ourselves against, and what users would pick instead.
QUICK = (CIR, STOCK, "uv-run")
#: Those that are measured on every link of a run.
SWEPT = QUICK


def every(host: Host, user: Host) -> list[System]:
    """All systems; ``user`` is the same host, entered as an ordinary user."""
    docker, store = Docker(host), "/var/lib/cir"
    syntax = ("--build-arg", f"BUILDKIT_SYNTAX={host.frontend}")

    def images(name: str, recipe: str, client: Client, **more: Any) -> Images:
        return Images(name, TITLES[name], recipe, client, **more)

    found: list[System] = [
        images(CIR, "Cirfile", docker, store=store, common=True, flags=syntax, also=phases.TWO),
        images("cir-buildah", "Cirfile", CirBuildah(host), store=store, common=True, also=phases.TWO),
        CirApptainer(user),
        images(STOCK, "Dockerfile", docker, also=phases.TWO),
        images("docker-usual", "Dockerfile.usual", docker),
        images("buildah", "Dockerfile", Buildah(host)),
        Apptainer(user),
        UsualApptainer(user),
        images("uv-run", "Dockerfile.uv", docker, store="/root/.cache/uv", common=True),
    ]
    return sorted(found, key=lambda system: list(TITLES).index(system.name))
