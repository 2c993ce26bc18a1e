"""Measure CIR beside stock builders, and report.

``./dev bench`` runs this with the engines' settings. Samples are appended to a file; what is in it is not
measured again, so a run that was ended continues. Exit status 0 when everything was measured, 1 when samples
failed, 2 for arguments that do not fit.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from bench.compare import machine, phases, scenario
from bench.compare.network import network
from bench.compare.prepare import Preparation
from bench.compare.report.write import write
from bench.compare.run import Runner, plan
from bench.compare.samples import Log, read
from bench.compare.systems import System
from bench.compare.systems.every import QUICK, SWEPT, every
from bench.compare.systems.host import Host

#: Scenarios of a quick run.
QUICK_SCENARIOS = ("fastapi", "sklearn")
UNSHAPED = "unshaped"
#: Folders of runs begin with this.
_PREFIX = "cir-compare-"
#: The link that everything is measured on, where it is among those of the run, in Mbit/s.
_MAIN = 500.0


def main() -> int:
    """Measure what is missing, write the report."""
    args = arguments()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if args.engines:
            _measure(args)
        record = read(args.samples.read_text().splitlines())
    except (ValueError, OSError, RuntimeError) as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted; the same command continues", file=sys.stderr)
        return 130
    for path in write(record, args.report):
        print(path)
    return 1 if any(sample.error for sample in record.samples) else 0


def _measure(args: argparse.Namespace) -> None:
    scenarios = scenario.find(
        args.scenarios, args.scenario or (list(QUICK_SCENARIOS) if args.quick else None)
    )
    given = json.loads(args.engines)
    user = Host.from_json(json.dumps(given | {"enter": given["user"]}))
    host = Host.from_json(json.dumps(given))
    systems = _chosen(every(host, user), args.system or (list(QUICK) if args.quick else None))
    chosen = [phase for phase in phases.PHASES if phase.quick or not args.quick]
    with ExitStack() as ends:
        folder = ends.enter_context(_folder(args.folder, args.disk))
        found = ends.enter_context(
            network(
                host.enter, tuple(given["link"]), host.registry, host.index, folder / "registry", args.record
            )
        )
        log = Log(args.samples)
        prepare = Preparation(host, found.mirror, args.rounds, frozenset(phase.name for phase in chosen))
        runner = Runner(
            log,
            folder,
            found,
            _links(args.link),
            args.rounds,
            SWEPT,
            chosen,
            prepare,
            args.settle,
            disk=args.disk,
        )
        versions = {name: version for system in systems for name, version in system.versions().items()}
        log.begin(machine.describe() | versions | given["versions"], plan(scenarios, systems, runner))
        runner.run(scenarios, systems)


@contextmanager
def _folder(parent: Path, disk: Path) -> Iterator[Path]:
    """A folder for one run; those that killed ones left go.

    :raises ValueError: where another run is using the engines, whose disk that is
    """
    with (disk / "compare.lock").open("w") as lock:
        if not _lock(lock.fileno()):
            raise ValueError("another comparison is running on the same engines")
        for left in parent.glob(f"{_PREFIX}*"):
            with _opened(left) as descriptor:
                if descriptor is not None and _lock(descriptor):  # not of a run on other engines
                    shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as name, _opened(Path(name)) as own:
            assert own is not None
            _lock(own)
            Path(name).chmod(0o755)
            yield Path(name)


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """A descriptor of a folder of this account; none for what is none, or somebody else's."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield None
        return
    try:
        yield descriptor if os.fstat(descriptor).st_uid == os.geteuid() else None
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    """Leave by way of everything that takes something down."""
    raise KeyboardInterrupt


def _links(names: list[str]) -> dict[str, float]:
    """Mbit/s by name, the main link first.

    :raises ValueError: naming what is no bandwidth
    """
    found: dict[str, float] = {}
    for name in names:
        if name == UNSHAPED:
            found[name] = 0.0
            continue
        try:
            mbit = float(name)
        except ValueError:
            mbit = 0.0
        if not 1 <= mbit <= 100_000:
            raise ValueError(f"--link {name}: give Mbit/s from 1 to 100000, or `{UNSHAPED}`")
        found[f"{mbit:g} Mbit/s"] = mbit
    return dict(sorted(found.items(), key=lambda item: item[1] != _MAIN))


def _chosen(systems: list[System], names: list[str] | None) -> list[System]:
    there = {system.name: system for system in systems}
    for name in names or ():
        if name not in there:
            raise ValueError(f"no system `{name}`; there are {', '.join(there)}")
    return [there[name] for name in names or there]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--engines", help="JSON: enter, user, link, registry, index, frontend, uv, ca; without, only report"
    )
    parser.add_argument("--scenarios", type=Path, default=Path(__file__).parents[1] / "scenarios")
    parser.add_argument(
        "--folder", type=Path, help="where temporary files go; the engines and the user must see it"
    )
    parser.add_argument("--disk", type=Path, help="a folder on the engines' disk")
    parser.add_argument("--samples", type=Path, required=True, help="raw samples, JSON lines; appended to")
    parser.add_argument("--report", type=Path, required=True, help="folder for the HTML page and the table")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--link", nargs="+", default=["500"], help=f"Mbit/s, or {UNSHAPED}")
    parser.add_argument("--record", type=Path, help="what the index mirror has; kept from run to run")
    parser.add_argument("--settle", type=float, default=0, help="seconds of rest between phases")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--scenario", nargs="*")
    parser.add_argument("--system", nargs="*")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
