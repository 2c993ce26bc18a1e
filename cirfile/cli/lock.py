"""``cir lock``: resolve the requirements of a Cirfile as the build does, and write or compare the lock."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from cirfile.cli import say, show
from cirfile.cli.ending import terminable
from cirfile.cli.errors import FINDINGS, CliError
from cirfile.cli.host import Host, host, netrc_of
from cirfile.cli.project import add_source_options, args_of, open_project, plan_of
from cirfile.codec import CodecError, decode_lock, encode_lock
from cirfile.lock import Lock
from cirfile.manifest import Manifest
from cirfile.resolver import Resolution, ResolverError, resolve

_EPILOG = """examples:
  cir lock                  write Cirfile.lock beside ./Cirfile
  cir lock -o - | jq .      print it
  cir lock --check          exit with 1 where Cirfile.lock is out of date

Docker asks the registry for the base, which tells its Python and its settings for indexes. Where it can't, the
Cirfile has to tell the Python (PLATFORMS python=3.12); otherwise nothing is written, and the status is 69.
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
    machine = host()
    plan = plan_of(project, args_of(arguments, machine), arguments.platform, need_python=True)
    resolution = _resolved(plan.manifest, machine)
    for remark in resolution.remarks:
        say(f"note: {remark}")
    data = encode_lock(resolution.lock)
    if arguments.output == "-" and not arguments.check:
        sys.stdout.buffer.write(data)
        return 0
    target = Path(arguments.output or f"{project.path}.lock")
    if arguments.check:
        return _check(target, resolution.lock)
    write_whole(target, data)
    say(f"wrote {target}: {summary(resolution.lock)}")
    return 0


@terminable()
def _resolved(manifest: Manifest, machine: Host) -> Resolution:
    with tempfile.TemporaryDirectory(prefix="cir-lock-") as folder:
        netrc = netrc_of(machine, Path(folder))
        own = {"NETRC": netrc, "SSL_CERT_FILE": machine.certificates}
        given = {name: str(path) for name, path in own.items() if path is not None}
        try:
            return resolve(manifest, os.environ | given)
        except ResolverError as error:
            raise CliError(error.code, error.message, error.hint) from None


def write_whole(target: Path, data: bytes) -> None:
    """Write a file so that whoever reads it finds the old or the new content, whatever happens meanwhile.

    A link stays a link, and a device or a pipe is written to. Raise `OSError` where it can't be written;
    nothing is left then.
    """
    if target.exists() and not target.is_file():
        target.write_bytes(data)
        return
    real = target.resolve()
    aside = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        aside.write_bytes(data)
        if real.exists():
            aside.chmod(real.stat().st_mode & 0o777)
        aside.replace(real)
    finally:
        aside.unlink(missing_ok=True)


def summary(lock: Lock) -> str:
    """Say in a few words what a lock holds."""
    artifacts = sum(len(component.artifacts) for component in lock.components)
    return f"{len(lock.components)} components, {artifacts} artifacts, Python {lock.requires_python}"


def _check(target: Path, lock: Lock) -> int:
    """Compare with the lock that is there; which version of the resolver made it does not matter."""
    try:
        found = decode_lock(target.read_bytes()) if target.is_file() else None
    except CodecError:
        found = None
    if found is None or replace(found, resolver="") != replace(lock, resolver=""):
        say(f"{target} is out of date: write it anew with `cir lock`")
        return FINDINGS
    show(f"{target} is up to date")
    return 0
