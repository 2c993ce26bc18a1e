"""``cir lock``: resolve the requirements of a Cirfile as the build does, and write or compare the lock."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cirfile.cli import say, show
from cirfile.cli.errors import FINDINGS, CliError
from cirfile.cli.project import add_source_options, build_args, open_project, plan_of
from cirfile.codec import encode_lock
from cirfile.ecosystems.indexes import DEFAULT_VARIABLES, EXTRA_VARIABLES
from cirfile.lock import Lock
from cirfile.resolver import ResolverError, resolve

_EPILOG = """examples:
  cir lock                  write Cirfile.lock beside ./Cirfile
  cir lock -o - | jq .      print it
  cir lock --check          exit with 1 where Cirfile.lock is out of date
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "context", nargs="?", default=".", metavar="CONTEXT", help="folder or Cirfile (default: .)"
    )
    add_source_options(parser)
    parser.add_argument(
        "--platform", default="", metavar="PLATFORM", help="whose base tells the Python to lock for"
    )
    parser.add_argument(
        "-o", "--output", metavar="PATH", help="where to write, - for stdout (default: Cirfile.lock)"
    )
    parser.add_argument(
        "--check", action="store_true", help="compare with the lock that is there, write nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Lock, then write, print or compare."""
    project = open_project(arguments.context, arguments.file)
    plan = plan_of(project, index_args(build_args(arguments.build_arg, dict(os.environ))), arguments.platform)
    try:
        resolution = resolve(plan.manifest)
    except ResolverError as error:
        raise CliError(error.code, error.message, error.hint) from None
    for remark in resolution.remarks:
        say(f"note: {remark}")
    data = encode_lock(resolution.lock)
    if arguments.output == "-" and not arguments.check:
        sys.stdout.buffer.write(data)
        return 0
    target = Path(arguments.output or f"{project.path}.lock")
    if arguments.check:
        return _check(target, data)
    target.write_bytes(data)
    say(f"wrote {target}: {summary(resolution.lock)}")
    return 0


def index_args(given: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Add the index settings of the environment, as `cir build` hands them over."""
    known = dict(given)
    for name in (*DEFAULT_VARIABLES, *EXTRA_VARIABLES):
        if os.environ.get(name):
            known.setdefault(name, os.environ[name])
    return tuple(sorted(known.items()))


def summary(lock: Lock) -> str:
    """Say in a few words what a lock holds."""
    artifacts = sum(len(component.artifacts) for component in lock.components)
    return f"{len(lock.components)} components, {artifacts} artifacts, Python {lock.requires_python}"


def _check(target: Path, data: bytes) -> int:
    if not target.is_file() or target.read_bytes() != data:
        say(f"{target} is out of date: write it anew with `cir lock`")
        return FINDINGS
    show(f"{target} is up to date")
    return 0
