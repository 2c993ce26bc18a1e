"""``cir materialize``: make the platform layer of an image in the store, without starting it."""

from __future__ import annotations

import argparse

from cirfile.cli.host import NOBODY, host
from cirfile.cli.run import add_store_options, assemble

_EPILOG = """example, before a service is moved to a new version:
  cir materialize registry.example/app:2
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    add_store_options(parser)
    parser.add_argument(
        "--platform", default="", metavar="PLATFORM", help="for a platform this machine emulates"
    )
    parser.add_argument("image", metavar="IMAGE")


def run(arguments: argparse.Namespace) -> int:
    """Assemble; the exit status is the shim's."""
    machine = NOBODY if arguments.no_forward else host()
    shared = ["--platform", arguments.platform] if arguments.platform else []
    return assemble(arguments, machine, shared, arguments.image, arguments.platform)
