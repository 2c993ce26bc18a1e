"""Measure CIR beside stock builders, and report.

``./dev bench --compare`` runs this with the engines' settings. Samples are appended to a file; what is in it is not
measured again, so a run that was ended continues. Exit status 0 when everything was measured, 1 when samples
failed, 2 for arguments that do not fit.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.compare import machine, phases, scenario
from bench.compare.registry import registry
from bench.compare.report.write import write
from bench.compare.run import Runner, plan
from bench.compare.samples import Log, read
from bench.compare.systems import System
from bench.compare.systems.every import QUICK, every
from bench.compare.systems.host import Host

#: Scenarios of a quick run.
QUICK_SCENARIOS = ("fastapi", "sklearn")
#: Images of one phase are on the disk together, packed and unpacked, and in the registry.
_EACH = 1.2e9
UNSHAPED = "unshaped"


def main() -> int:
    """Measure what is missing, write the report."""
    args = arguments()
    try:
        if args.engines:
            _measure(args)
        record = read(args.samples.read_text().splitlines())
    except (ValueError, OSError) as error:
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
    _room(args.folder, len(systems) * (args.rounds + 1))
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="compare-", dir=args.folder)))
        folder.chmod(0o755)
        ends.enter_context(registry(host.enter, host.registry, folder / "registry"))
        log = Log(args.samples)
        runner = Runner(log, folder, UNSHAPED, args.rounds, chosen, args.settle)
        versions = {name: version for system in systems for name, version in system.versions().items()}
        log.begin(machine.describe() | versions, plan(scenarios, systems, {UNSHAPED: 0}, runner))
        runner.run(scenarios, systems)


def _chosen(systems: list[System], names: list[str] | None) -> list[System]:
    there = {system.name: system for system in systems}
    for name in names or ():
        if name not in there:
            raise ValueError(f"no system `{name}`; there are {', '.join(there)}")
    return [there[name] for name in names or there]


def _room(folder: Path, images: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < images * _EACH:
        print(
            f"bench: {folder} has {free / 1e9:.0f} GB free; large scenarios may need {images * _EACH / 1e9:.0f} GB,"
            " fewer rounds need less",
            file=sys.stderr,
        )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--engines", help="JSON: enter, user, registry, frontend, uv, ca; without, only report"
    )
    parser.add_argument("--scenarios", type=Path, default=Path(__file__).parents[1] / "scenarios")
    parser.add_argument("--folder", type=Path, help="where temporary files go; the engines must see it")
    parser.add_argument("--samples", type=Path, required=True, help="raw samples, JSON lines; appended to")
    parser.add_argument("--report", type=Path, required=True, help="folder for the HTML page and the table")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--settle", type=float, default=0, help="seconds of rest between phases")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--scenario", nargs="*")
    parser.add_argument("--system", nargs="*")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
