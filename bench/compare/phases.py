"""The phases of an image's life that are measured, in the order in which they are taken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """One phase.

    :param cold: whether the page cache is dropped before each sample
    :param quick: whether a quick run takes it
    :param warmup: whether a round that does not count comes before the others: for the first of each kind of work;
        a cold phase begins with nothing that an earlier round could leave
    :param swept: whether it is measured on every link of a run, not on the main one only
    :param rounds: at most so many, where a round takes minutes
    """

    name: str
    title: str
    cold: bool = False
    quick: bool = True
    warmup: bool = False
    swept: bool = False
    rounds: int = 0


BUILD_COLD = "build.cold"
BUILD_SAME = "build.same"
BUILD_CODE = "build.code"
BUILD_DEPENDENCY = "build.dependency"
BUILD_PLATFORMS = "build.platforms"
PUSH = "push"
PUSH_PLATFORMS = "push.platforms"
DEPLOY_ABSENT = "deploy.absent"
DEPLOY_BASE = "deploy.base"
DEPLOY_SHARED = "deploy.shared"
DEPLOY_WARM = "deploy.warm"

PHASES = (
    Phase(BUILD_COLD, "build, nothing cached", cold=True, warmup=True, swept=True),
    Phase(BUILD_SAME, "build, nothing changed"),
    Phase(BUILD_CODE, "build, code changed"),
    Phase(BUILD_DEPENDENCY, "build, one dependency added"),
    Phase(PUSH, "push", warmup=True),
    Phase(BUILD_PLATFORMS, "build for amd64 and arm64, nothing cached", cold=True, quick=False, rounds=2),
    Phase(PUSH_PLATFORMS, "push for amd64 and arm64", quick=False, rounds=2),
    Phase(DEPLOY_ABSENT, "deploy, base absent", cold=True, quick=False, warmup=True),
    Phase(DEPLOY_BASE, "deploy, base present", cold=True, warmup=True, swept=True),
    Phase(DEPLOY_SHARED, "deploy, components shared", cold=True, swept=True),
    Phase(DEPLOY_WARM, "deploy, warm", warmup=True),
)
TITLES = {phase.name: phase.title for phase in PHASES}
DEPLOYMENTS = frozenset(phase.name for phase in PHASES if phase.name.startswith("deploy."))
#: What only some engines do: one image for two platforms.
TWO = frozenset({BUILD_PLATFORMS, PUSH_PLATFORMS})
#: What every engine with images does on its own platform.
USUAL = frozenset(phase.name for phase in PHASES) - TWO
