"""``cir materialize``: make the platform layer of an image in the store, without starting it."""

from __future__ import annotations

import argparse
import importlib

from cirfile.cli import apptainer
from cirfile.cli.host import NOBODY, host
from cirfile.cli.run import add_store_options, assemble

_EPILOG = """examples, before a service is moved to a new version, and before a job is submitted:
  cir materialize registry.example/app:2
  cir materialize --store /scratch/project/cir train.sif

With a SIF, CIR_TIMEOUT, CIR_OFFLINE, CIR_LOG and CIR_ACCELERATOR of the caller count, and CIR_STORE where --store names
nothing. With Docker they do not: `cir run -e CIR_TIMEOUT=2h IMAGE` makes the layer with such settings before it starts
the application.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    add_store_options(parser)
    parser.add_argument(
        "--platform", default="", metavar="PLATFORM", help="for a platform this machine emulates"
    )
    parser.add_argument(
        "--unpacked", action="store_true", help="Apptainer: keep a folder in the store instead of one file"
    )
    parser.add_argument("image", metavar="IMAGE")


def run(arguments: argparse.Namespace) -> int:
    """Assemble; the exit status is the shim's."""
    if apptainer.is_sif([arguments.image]):
        return int(importlib.import_module("buildah_plugin.apptainer.commands").make(arguments))
    machine = NOBODY if arguments.no_forward else host()
    shared = ["--platform", arguments.platform] if arguments.platform else []
    return assemble(arguments, machine, shared, arguments.image, arguments.platform)
