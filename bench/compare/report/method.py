"""What the report says of how it was measured: written once, for page and table."""

from __future__ import annotations

from bench.compare.phases import TITLES
from bench.compare.report.figures import Figures

#: Paragraphs: what they are about, and what they say.
_METHOD = (
    (
        "Applications",
        "They are ours (bench/scenarios); those of the paper (arXiv 2604.10411) are not public. Each has a "
        "Cirfile, the best Dockerfile we could write (uv, cache mounts, compiled bytecode, slim base), the one "
        "that people usually write, and a definition for Apptainer; each computes something and prints a line, the "
        "first useful one. Their base images are stand-ins of this test bed with the names, users and variables of "
        "the official ones (docs/engines.md): `python:3.11-slim` has 64.5 MB compressed, `python:3.11` a library "
        "more, where the official one is some times as large; so whole images, and deployments with the base "
        "absent, are smaller than with that. Among the lines a maintainer keeps are those that hand on this test "
        "bed's certificates and index (three of each), which `cir build` does by itself.",
    ),
    (
        "Rounds",
        "Systems and links are measured in turn within each round, in another order each round; the first phase of "
        "each kind of work has a warm-up round that does not count. Some phases have fewer rounds: {fewer}. The "
        "page cache is dropped before phases that begin cold. Figures are medians (lowest to highest), ratios are "
        "medians of the ratios round by round, where both are of one phase, and behind them stand the lowest and "
        "the highest round. A cell with fewer rounds than planned is listed under what is missing; a cell of which "
        "one round failed has no figure. A dash: the phase does not exist for the system, or was not planned for "
        "it (two platforms with Buildah's own recipe, with the usual Dockerfile and with `uv run`). What is the "
        "same work for a system is measured once and shown for all of it: {alike}.",
    ),
    (
        "Builds",
        "With nothing cached: the base image is there, and for CIR on Docker the frontend's, which a host fetches "
        "once; layers and caches of earlier builds are not. One dependency added: another one each round. For two "
        "platforms: amd64 and arm64 on this machine; CIR runs nothing of the other one, a Dockerfile runs its "
        "commands there under emulation, as Dockerfiles do. (One whose author lets uv install for a platform that "
        "is not run would not need it; that is not measured.) `push` sends what the registry does not have: the "
        "base is there, and of CIR and `uv run` the layer that all their images share.",
    ),
    (
        "Deployment",
        "Pull, create and start until the first useful line, of an image the host has never seen, but for the warm "
        "one. Base present: the base's layers are there. Components shared: another application with the same lock "
        "was deployed before. A stock image of it was built apart, by another team, and shares the base alone, so "
        "that this is base present again; two images that one builder makes of the same step share its layer, and "
        "so does a new version of one whose code alone changed: such deployments are not measured. CIR's store and "
        "the cache of `uv run` are shared whoever built; of another lock, with another version of one package, the "
        "rest would be there, and the layer be put together anew. The sibling was started once and may have left "
        "bytecode to make, which the first of the rounds finish. Stock builds compile all modules. CIR compiles "
        "those that are reached by imports; where it can, it starts the application before that is done and goes "
        "on beside it, so a deployment may end with some of it left to do, and processor seconds are counted until "
        "the first useful line. Where the application ends before all is made, the next start takes up what is "
        "left.",
    ),
    (
        "Network",
        "Registry and package index are on this machine and behind the link that is named. Base images and CIR's "
        "shim image come from a registry that is not behind it, where a build with nothing cached has to fetch "
        "them. The link has a bandwidth and no latency, and the index speaks plain HTTP: on a real network many "
        "small requests take longer.",
    ),
    (
        "Machine",
        "Processor time, memory and disk are the whole machine's during a phase, daemons included. Memory is what "
        "processes have written and no disk has, at most and beside what it was; page cache is not in it. Received "
        "and sent bytes are those of the link, elsewhere is what came over the machine's own network. Disk is "
        "shown for deployments alone: daemons delete old caches while they build. A run may be continued on "
        "another day, where the machine may be faster or slower, also one of the same name: ratios are of what was "
        "taken in one sitting alone, that is until the machine was started again (of older samples: on one day and "
        "processor). The pace is what a little hashing, unpacking and compiling took on it.",
    ),
)

_CIR_BUILD = "resolves the requirements into a lock, adds two layers to the base unread; nothing is installed"
_CIR_START = "the entrypoint fetches what the lock names from the package index, verifies it, assembles it in the store"
#: What a system does, by name: to build, to ship, to start.
_DOES = {
    "cir": (
        f"`docker buildx build` of the Cirfile: {_CIR_BUILD}. Nothing cached: no lock, no metadata of packages",
        "`docker push`, `docker pull`",
        f"`docker run` with a volume as store, empty but for components shared and warm: {_CIR_START}",
    ),
    "cir-buildah": (
        f"`cir build --engine buildah` of the Cirfile: {_CIR_BUILD}. Nothing cached: an empty cache folder, so the "
        "shim's layer is fetched, too",
        "`buildah push`, `podman pull`",
        f"`podman run` with a volume as store: {_CIR_START}",
    ),
    "cir-apptainer": (
        "`cir build --engine apptainer` of the Cirfile: the same image, then one file of it, compressed anew each "
        "time; nothing cached: an empty cache folder, so base and shim are fetched",
        "`apptainer push` and `pull` of the file (oras)",
        "`cir run` as an ordinary user: assembles the layer in a folder as store, on a local disk, and binds "
        "that. The file holds the base, so it travels in every state; of what is shared, only the store is there",
    ),
    "docker": (
        "`docker buildx build` of the best Dockerfile; nothing cached: no layers, no uv cache",
        "`docker push`, `docker pull`; layers are compressed with gzip, as BuildKit does unless it is told otherwise "
        "(with `compression=zstd` they would be smaller and unpacked sooner: not measured), and unpacked with pigz",
        "`docker run`",
    ),
    "docker-usual": (
        "`docker buildx build` of the usual Dockerfile: pip, no cache mounts",
        "`docker push`, `docker pull`",
        "`docker run`",
    ),
    "buildah": (
        "`buildah bud --layers` of the best Dockerfile, as root; nothing cached: no layers, no uv cache",
        "`buildah push`, `podman pull`",
        "`podman run`",
    ),
    "apptainer": (
        "`apptainer build` of a definition, as an ordinary user, unpacked in memory, compressed with zstd at level "
        "3 as CIR's file is: everything anew whatever changed, with no cache of packages bound; nothing cached: the "
        "base is fetched, too",
        "`apptainer push` and `pull` of the file (oras), the base in it",
        "`apptainer exec`",
    ),
    "apptainer-usual": (
        "the same, compressed as Apptainer does by itself: with gzip",
        "the same",
        "the same",
    ),
    "uv-run": (
        "`docker buildx build` of an image of Python with uv, and the code",
        "`docker push`, `docker pull`",
        "`docker run`: `uv run` resolves and installs at each start, with a volume as its cache",
    ),
}


def method(figures: Figures) -> list[tuple[str, str]]:
    """The paragraphs for one run."""
    fewer = "; ".join(f"{TITLES.get(phase, phase)}, {rounds}" for phase, rounds in figures.plan.fewer.items())
    given = {"fewer": fewer or "none in this run", "alike": _alike(figures) or "nothing in this run"}
    return [(what, words.format(**given)) for what, words in _METHOD]


def _alike(figures: Figures) -> str:
    said = []
    for system, alike in figures.plan.alike.items():
        for same in dict.fromkeys(alike.values()):
            titles = [TITLES.get(phase, phase) for phase, other in alike.items() if other == same]
            said.append(f"{figures.plan.systems[system]}, {' and '.join(titles)} as {TITLES.get(same, same)}")
    return "; ".join(said)


def does(figures: Figures) -> list[list[str]]:
    """A table: what the systems of a run do."""
    rows = [["system", "build", "ship", "start"]]
    return rows + [
        [title, *_DOES[system]] for system, title in figures.plan.systems.items() if system in _DOES
    ]
