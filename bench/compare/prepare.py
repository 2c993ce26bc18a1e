"""Before a scenario is measured, the mirror gets what its builds and runs will ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.compare import phases
from bench.compare.mirror.process import Mirror
from bench.compare.scenario import LOCAL, REQUIREMENTS, Scenario
from bench.compare.systems.host import Host

_ASK_LIBC = "import platform; print('_'.join(platform.libc_ver()[1].split('.')[:2]))"


@dataclass(frozen=True)
class Preparation:
    """Installs what a scenario requires, once and for nothing but the mirror's record, in the scenario's base.

    :param rounds: of a changed dependency: each adds another requirement
    :param chosen: names of the phases that will be measured
    """

    host: Host
    mirror: Mirror
    rounds: int
    chosen: frozenset[str]

    def __call__(self, scenario: Scenario) -> None:
        """Fill the mirror, which records.

        :raises RuntimeError: when something cannot be had
        """
        local = scenario.folder / LOCAL
        for requirement in local.read_text().split() if local.exists() else ():
            self.mirror.local(requirement)
        for platform in self._platforms(scenario):
            for wanted in self._wanted(scenario):
                self._install(scenario, [*platform, *wanted])

    def _platforms(self, scenario: Scenario) -> Iterator[list[str]]:
        yield []
        if phases.BUILD_PLATFORMS in self.chosen - scenario.lacking:
            libc = self._run(scenario, ["python3", "-c", _ASK_LIBC]).strip()
            yield ["--python-platform", f"aarch64-manylinux_{libc}"]

    def _wanted(self, scenario: Scenario) -> Iterator[list[str]]:
        yield ["--requirements", f"/app/{REQUIREMENTS}"]
        if phases.BUILD_DEPENDENCY in self.chosen:
            yield from ([requirement] for requirement in scenario.added[: self.rounds + 1])

    def _install(self, scenario: Scenario, wanted: Sequence[str]) -> None:
        argv = ["/uv/uv", "pip", "install", "--quiet", "--no-cache", "--target", "/tmp/installed", *wanted]
        self._run(scenario, argv)

    def _run(self, scenario: Scenario, argv: Sequence[str]) -> str:
        folders = {self.host.uv: "/uv", str(Path(scenario.folder).resolve()): "/app"}
        mounts = [word for source, target in folders.items() for word in ("-v", f"{source}:{target}:ro")]
        settings = ["-e", f"UV_DEFAULT_INDEX={self.host.index}", "-e", "UV_HTTP_TIMEOUT=600"]
        return self.host.run("docker", "run", "--rm", *mounts, *settings, scenario.base, *argv)
