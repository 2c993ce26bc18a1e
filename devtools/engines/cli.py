"""`./dev engines up|down|status|binfmt`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from devtools.engines import health, lifecycle
from devtools.engines.api import Engines
from devtools.engines.instance import Instance, current
from devtools.progress import say


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("up", help="bring the engines up (quick when they are)")
    down = actions.add_parser("down", help="end them and undo every change to the machine")
    down.add_argument("--purge", action="store_true", help="delete their cache folder, too")
    emulation = actions.add_parser("binfmt", help="let this machine run arm64 programs, or not")
    emulation.add_argument("switch", choices=("on", "off"))
    status = actions.add_parser("status", help="tell what answers")
    status.add_argument("--json", action="store_true", help="as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    """Do one action; the result is the exit status."""
    instance = current()
    if args.action == "up":
        Engines.ensure().emulation(True)
        say("engines are up: ./dev exec -- docker version")
        return 0
    if args.action == "down":
        lifecycle.down(instance, purge=args.purge)
        return 0
    if args.action == "binfmt":
        Engines.ensure().emulation(args.switch == "on")
        return 0
    now = health.check(instance)
    print(as_json(instance, now) if args.json else as_text(instance, now))
    return 0 if now.is_up else 1


def as_json(instance: Instance, now: health.Health) -> str:
    """Return the status for programs."""
    names = {
        "registry_address": instance.registry,
        "bridge_ip": instance.bridge_ip,
        "folder": str(instance.root),
    }
    return json.dumps({"up": now.is_up, **asdict(now), **names}, indent=2)


def as_text(instance: Instance, now: health.Health) -> str:
    """Return the status for a person."""
    if now.holder is None:
        return "down"
    rows = (
        ("holder", f"process {now.holder}"),
        ("docker", now.docker or "does not answer"),
        (
            "registry",
            f"{instance.registry}, from containers {instance.bridge_registry}"
            if now.registry
            else "does not answer",
        ),
        ("arm64", "programs run under emulation" if now.arm64 else "programs do not run"),
        ("folder", str(instance.root)),
    )
    return "\n".join(f"{name:<9} {text}" for name, text in rows)
