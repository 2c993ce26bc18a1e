"""A scenario: a folder with an application and one file for each way to build it (bench/scenarios/README.md)."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from bench.compare.phases import TWO

#: Promised where a Cirfile does not say.
_BOTH = "arch=amd64,arm64"
#: Need not be there: requirements whose wheels are taken from this machine.
LOCAL = "local.txt"
REQUIREMENTS, ADDED, CODE, VERIFY = "requirements.txt", "added.txt", "main.py", "verify"
FILES = (
    "Cirfile", "Dockerfile", "Dockerfile.usual", "Dockerfile.uv", "Apptainer.def",
    REQUIREMENTS, ADDED, CODE, VERIFY,
)  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """An application to measure."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def base(self) -> str:
        """The base image of the expert's Dockerfile."""
        return self.base_of("Dockerfile")

    def base_of(self, recipe: str) -> str:
        """The image that a Dockerfile or Cirfile begins with."""
        lines = (self.folder / recipe).read_text().splitlines()
        return next(line.split()[1] for line in lines if line.startswith("FROM "))

    @property
    def arches(self) -> tuple[str, ...]:
        """What its Cirfile promises to run on: `PLATFORMS arch=...`, where wheels exist for some only."""
        lines = (self.folder / "Cirfile").read_text().splitlines()
        words = [word for line in lines if line.startswith("PLATFORMS ") for word in line.split()]
        found = next((word for word in words if word.startswith("arch=")), _BOTH)
        return tuple(found.removeprefix("arch=").split(","))

    @property
    def lacking(self) -> frozenset[str]:
        """Phases that do not exist for it, with any system."""
        return frozenset() if len(self.arches) > 1 else TWO

    @property
    def added(self) -> list[str]:
        """Requirements that are added one after the other."""
        return (self.folder / ADDED).read_text().split()

    def kept(self, recipe: str) -> tuple[int, int]:
        """How many files, and lines, describe the image in one of the ways."""
        lines = [len((self.folder / name).read_text().splitlines()) for name in (recipe, REQUIREMENTS)]
        return len(lines), sum(lines)


def find(folder: Path, names: list[str] | None = None) -> list[Scenario]:
    """All scenarios of a folder, or the named ones in the given order.

    :raises ValueError: naming what is missing
    """
    there = sorted(path.name for path in folder.iterdir() if path.is_dir())
    for name in names or ():
        if name not in there:
            raise ValueError(f"no scenario `{name}`; there are {', '.join(there)}")
    found = [Scenario(folder / name) for name in names or there]
    for scenario in found:
        if missing := [name for name in FILES if not (scenario.folder / name).is_file()]:
            raise ValueError(f"{scenario.folder} has no {', '.join(missing)}")
    return found


class Copy:
    """A scenario's files where one system may change them."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.folder = folder
        self._scenario = scenario
        shutil.copytree(scenario.folder, folder, ignore=shutil.ignore_patterns(ADDED, LOCAL, "__pycache__"))

    def change_code(self) -> None:
        """Change the application's code; what it does stays."""
        with (self.folder / CODE).open("a") as file:  # never as in an earlier run, which caches may remember
            file.write(f"# change {uuid.uuid4().hex}\n")

    def add_dependency(self, number: int) -> None:
        """Let the requirements be those of the scenario and the ``number``-th of those to be added.

        :raises ValueError: when the scenario has not so many
        """
        added = self._scenario.added
        if number >= len(added):
            raise ValueError(f"{ADDED} has {len(added)} lines, {number + 1} rounds need one each")
        present = (self._scenario.folder / REQUIREMENTS).read_text().rstrip()
        (self.folder / REQUIREMENTS).write_text(f"{present}\n{added[number]}\n")

    def restore_requirements(self) -> None:
        """Let the requirements be those of the scenario."""
        shutil.copy(self._scenario.folder / REQUIREMENTS, self.folder / REQUIREMENTS)
