"""`./dev exec -- CMD...`.

Run a command where the test engines are, in their place and with their settings.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from devtools.engines import enter, lifecycle, state
from devtools.engines.instance import current


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--user", action="store_true", help="run as an unprivileged account (rootless engines)"
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- CMD...", help="the command and its arguments"
    )


def run(args: argparse.Namespace) -> int:
    """Become the command: nothing stays in between. Brings the engines up when they are down.

    :raises DevError: when they cannot be brought up or the working folder is not visible among them
    """
    argv = args.command[1:] if args.command[:1] == ["--"] else args.command
    lifecycle.require_root()
    instance = current()
    known = state.load(instance.root)
    holder = known.pid if known is not None and known.is_alive() else lifecycle.up(instance)
    folder = enter.visible(holder, Path.cwd())
    prefixed = enter.command(instance, holder, argv or ["bash"], folder, user=args.user)
    os.execvp(prefixed[0], prefixed)
