"""`./dev engines up|down|status|binfmt`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from devtools.engines import health, lifecycle
from devtools.engines.instance import current
from devtools.progress import say


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("up", help="bring the engines up (quick when they are)")
    down = actions.add_parser("down", help="end them and undo every change to the machine")
    down.add_argument("--purge", action="store_true", help="delete their cache folder, too")
    status = actions.add_parser("status", help="tell what answers")
    status.add_argument("--json", action="store_true", help="as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    """Do one action; the result is the exit status."""
    instance = current()
    if args.action == "up":
        lifecycle.up(instance)
        say("engines are up: ./dev exec -- docker version")
        return 0
    if args.action == "down":
        lifecycle.down(instance, purge=args.purge)
        return 0
    now = health.check(instance)
    if args.json:
        print(json.dumps(asdict(now) | {"registry_address": instance.registry, "bridge_ip": instance.bridge_ip}, indent=2))
    else:
        print(now)
    return 0 if now.is_up else 1
