"""``cir plan``: what a Cirfile means, or what an image will fetch on a platform and why."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cirfile import __version__
from cirfile.cli import docker, show
from cirfile.cli.choose import Chosen, Machine, choose, insist
from cirfile.cli.describe import describe
from cirfile.cli.errors import INVALID, NOT_PROMISED, USAGE, CliError
from cirfile.cli.host import host
from cirfile.cli.image import Image, read_image
from cirfile.cli.project import add_source_options, args_of, open_project, own_platform, plan_of
from cirfile.cli.run import forwarded, index_settings
from cirfile.cli.tables import size, table
from cirfile.hierarchy import included
from cirfile.lock import Lock
from cirfile.platforms import parse_platform
from cirfile.promise import PromiseError, promise
from cirfile.pylock import covered_pythons
from cirfile.report import plan_json
from cirfile.wheels import Target

_PYTHON = re.compile(r"3\.(\d{1,3})(t?)", re.ASCII)
_EPILOG = """examples:
  cir plan                                    what ./Cirfile means
  cir plan registry.example/app:1             what the image fetches on this architecture
  cir plan --platform linux/arm64 --python 3.12 registry.example/app:1
  cir plan --here registry.example/app:1      ask the image itself, on the machine of Docker
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "what", nargs="?", default=".", metavar="CONTEXT|IMAGE", help="folder, Cirfile or image"
    )
    add_source_options(parser)
    parser.add_argument(
        "--platform", default="", metavar="PLATFORM", help="e.g. linux/arm64 (default: this machine's)"
    )
    parser.add_argument(
        "--python", metavar="3.X", help="Python of the base, where the image does not tell it"
    )
    parser.add_argument(
        "--libc", choices=("glibc", "musl"), default="glibc", help="libc of the base (default: glibc)"
    )
    parser.add_argument(
        "--fact",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further fact, e.g. accelerator=cuda",
    )
    parser.add_argument(
        "--here", action="store_true", help="run the shim of the image to decide, not the application"
    )
    parser.add_argument("--why", action="store_true", help="show what was passed over, and why")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Plan a Cirfile or an image."""
    if arguments.file or Path(arguments.what).exists():
        return _plan_cirfile(arguments)
    if arguments.what == "." or arguments.what.startswith((".", "/")):
        raise CliError(USAGE, f"there is no {arguments.what}", "name a folder, a Cirfile or an image")
    if arguments.here:
        return _ask_shim(arguments)
    return _plan_image(arguments)


def _plan_cirfile(arguments: argparse.Namespace) -> int:
    project = open_project(arguments.what, arguments.file)
    plan = plan_of(project, args_of(arguments, host()), arguments.platform)
    show(json.dumps(plan_json(plan), indent=2, ensure_ascii=False) if arguments.json else describe(plan))
    return 0


def _ask_shim(arguments: argparse.Namespace) -> int:
    docker.ensure_image(arguments.what, arguments.platform)
    flags = ["--platform", arguments.platform] if arguments.platform else []
    log = ["--env", "CIR_LOG=json"] if arguments.json else []
    machine = host()  # of which no logins go to an image that is only asked
    settings = [*forwarded(machine, set()), *index_settings(machine, set())]
    return docker.attached(
        ["run", "--rm", "--no-healthcheck", "--env", "CIR_MODE=plan", *log, *flags, *settings, arguments.what]
    )


def _plan_image(arguments: argparse.Namespace) -> int:
    image = read_image(arguments.what, arguments.platform)
    lock = image.locks.get("pypi", Lock("pypi", ()))
    try:
        machine = _machine(arguments, image, lock)
        _check_promised(image, machine)
        chosen = choose(lock, machine)
    except ValueError as error:
        message = f"the lock of {image.reference} cannot be read: {error}"
        raise CliError(INVALID, message, "build the image again") from None
    if arguments.json:
        show(json.dumps(_as_json(image, machine, chosen), indent=2))
    else:
        show(_as_text(image, machine, chosen, arguments.why))
    insist(chosen, machine)
    return 0


def _machine(arguments: argparse.Namespace, image: Image, lock: Lock) -> Machine:
    try:
        arch = (parse_platform(arguments.platform) if arguments.platform else own_platform()).architecture
    except ValueError as error:
        raise CliError(USAGE, str(error), "write for example --platform linux/arm64") from None
    match = _PYTHON.fullmatch(arguments.python or _python(image, lock))
    if match is None:
        raise CliError(
            USAGE, f"--python {arguments.python} is no minor version", "write for example --python 3.12"
        )
    facts = tuple(sorted(_fact(text) for text in arguments.fact))
    return Machine(Target(arch, arguments.libc, (3, int(match[1])), free_threaded=bool(match[2])), facts)


def _check_promised(image: Image, machine: Machine) -> None:
    """Raise `CliError` (78) where the image promises other platforms only."""
    asked = machine.stated()
    for fact, values in image.manifest.platforms:
        if fact in asked and set(values).isdisjoint(included(fact, asked[fact])):
            raise CliError(
                NOT_PROMISED,
                f"{image.reference} does not promise {fact}={asked[fact]}, but {fact}={','.join(values)}",
                f"add it to PLATFORMS of the Cirfile: `PLATFORMS {fact}={','.join([*values, asked[fact]])}`",
            )


def _fact(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise CliError(USAGE, f"--fact {text}: the value is missing", "write for example accelerator=cuda")
    return name, value


def _python(image: Image, lock: Lock) -> str:
    """Return the Python of the base: promised, told by the base, or the newest the lock is complete for."""
    promised = dict(image.manifest.platforms).get("python", ())
    told = ".".join(image.environment.get("PYTHON_VERSION", "").split(".")[:2])
    if told and (not promised or told in promised):
        return told
    if promised:
        return promised[-1]
    try:
        covered = covered_pythons(lock, promise(image.manifest.platforms))
    except PromiseError:
        covered = ()
    return ".".join(str(part) for part in covered[-1]) if covered else "3.11"


def _as_json(image: Image, machine: Machine, chosen: tuple[Chosen, ...]) -> Mapping[str, Any]:
    """The plan; bytes and components are null where they are found out at deployment."""
    later = image.is_resolved_later
    return {
        "cir": __version__,
        "image": image.reference,
        "platform": str(machine),
        "pin": image.manifest.pin.mode,
        "bytes": None if later else _bytes(chosen),
        "components": None if later else [_component(one) for one in chosen],
        "elsewhere": [
            {"ecosystem": r.ecosystem, "requirement": r.text}
            for r in image.manifest.requirements
            if r.ecosystem != "pypi"
        ],
    }


def _component(one: Chosen) -> Mapping[str, Any]:
    return {
        "name": one.component.name,
        "version": one.component.version,
        "artifact": one.artifact.name if one.artifact else None,
        "sha256": one.artifact.sha256 if one.artifact else None,
        "size": one.artifact.size if one.artifact else None,
        "reason": one.reason,
        "rejected": [{"artifact": name, "reason": reason} for name, reason in one.rejected],
    }


def _as_text(image: Image, machine: Machine, chosen: tuple[Chosen, ...], why: bool) -> str:
    if not image.manifest.requirements:
        return f"{image.reference} requires nothing: it starts at once on every platform"
    if image.is_resolved_later:
        return (
            f"{image.reference} is resolved at deployment (PIN {image.manifest.pin.mode}): ask it with --here"
        )
    head = f"{image.reference} on {machine}: {len(chosen)} components, {size(_bytes(chosen))} to fetch"
    rows: list[tuple[str, ...]] = []
    for one in chosen:
        name = one.artifact.name if one.artifact else "NOTHING FITS"
        amount = size(one.artifact.size) if one.artifact and one.artifact.size else ""
        rows.append((one.component.name, one.component.version, amount, name, one.reason))
        if why:
            rows += [("", "", "", f"not {name}", reason) for name, reason in one.rejected]
    return f"{head}\n\n" + table(("component", "version", "bytes", "artifact", "why"), rows)


def _bytes(chosen: tuple[Chosen, ...]) -> int:
    return sum(one.artifact.size for one in chosen if one.artifact)
