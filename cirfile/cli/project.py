"""A Cirfile on disk with its context: where commands get syntax, request and plan from."""

from __future__ import annotations

import argparse
import os
import platform as python_platform
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from cirfile.cli import docker, say
from cirfile.cli.errors import INVALID, NO_INPUT, USAGE, CliError
from cirfile.cli.host import Host
from cirfile.gotext import clean
from cirfile.ignore import Matcher, parse_ignore
from cirfile.imageconfig import Pairs, from_oci
from cirfile.parser import parse
from cirfile.plan import Plan, Platform
from cirfile.planner import base, plan
from cirfile.platforms import parse_platform
from cirfile.request import Request
from cirfile.source import Source
from cirfile.syntax import Cirfile, Platforms


@dataclass(frozen=True, slots=True)
class Project:
    """A Cirfile, where it is, and the root of its build context."""

    path: Path
    context: Path
    syntax: Cirfile


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Declare which Cirfile is meant and with which arguments."""
    parser.add_argument("-f", "--file", metavar="PATH", help="the Cirfile (default: CONTEXT/Cirfile)")
    parser.add_argument(
        "--build-arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set an ARG; NAME alone takes its value from the environment",
    )


def open_project(where: str, file: str | None) -> Project:
    """Read and parse a Cirfile. ``where`` is its context, or the Cirfile itself."""
    place = Path(where)
    path = Path(file) if file else place / "Cirfile" if place.is_dir() else place
    context = place if place.is_dir() else path.parent
    try:
        text = path.read_bytes().decode("utf-8-sig" if path.name else "utf-8", "surrogateescape")
    except FileNotFoundError:
        raise CliError(
            NO_INPUT, f"there is no {path}", "name the folder of the Cirfile, or the Cirfile with -f"
        ) from None
    return Project(path, context, parse(Source(str(path), text)))


def args_of(arguments: argparse.Namespace, machine: Host) -> Pairs:
    """Return the build arguments: index settings of the machine, as `cir build` hands them over, and those given.

    A bare name takes the environment's value, as with Docker.
    """
    given: dict[str, str] = {}
    for text in arguments.build_arg:
        name, separator, value = text.partition("=")
        if not name:
            raise CliError(USAGE, f"--build-arg {text}: the name is missing", "write NAME=VALUE")
        if separator or name in os.environ:
            given[name] = value if separator else os.environ[name]
    return tuple(sorted({**dict(machine.beside(given).indexes), **given}.items()))


def request_of(project: Project, args: Pairs, platform: str = "") -> Request:
    """Return a request for one platform that can read the build context and knows what it leaves out.

    Without a platform it is this machine's, or the first that the Cirfile promises where that leaves this one out.
    """
    places = (Path(f"{project.path}.dockerignore"), project.context / ".dockerignore")
    ignore = next((place for place in places if place.is_file()), None)
    patterns = parse_ignore(ignore.read_text(errors="replace")) if ignore else None
    try:
        wanted = parse_platform(platform) if platform else _platform_of(project.syntax)
    except ValueError as error:
        raise CliError(USAGE, str(error), "write for example --platform linux/arm64") from None
    return Request(
        build_args=args, platform=wanted, ignore=patterns, read=_reader(project.context, patterns or ())
    )


def own_platform() -> Platform:
    """Return the platform of this machine."""
    return parse_platform(python_platform.machine())


def _platform_of(cirfile: Cirfile) -> Platform:
    own = own_platform()
    lines = (each.conditions for each in cirfile.instructions if isinstance(each, Platforms))
    promised = next((values for line in lines for fact, values in line if fact == "arch"), ())
    return own if own.architecture in promised or not promised else parse_platform(promised[0])


def plan_of(project: Project, args: Pairs, platform: str = "", *, need_python: bool = False) -> Plan:
    """Plan a Cirfile for one platform; Docker is asked for the configuration of the base.

    Where it can't tell, a note says so. With ``need_python`` raise `CliError` (69) then, unless the Cirfile tells
    the Python itself: the plan would be another one than the build's.
    """
    request = request_of(project, args, platform)
    found = base(project.syntax, request)
    if not found.reference:
        return plan(project.syntax, request)
    try:
        config = from_oci(docker.remote_config(found.reference, str(found.platform or request.platform)))
    except CliError as error:
        planned = plan(project.syntax, request)  # what is wrong with the Cirfile is said first
        if need_python and "python" not in dict(planned.manifest.platforms):
            raise _unknown_base(found.reference, error) from None
        say(f"note: what the base {found.reference} sets (Python, indexes) is left out here: {error.message}")
        return planned
    return plan(project.syntax, replace(request, base_config=config))


def _unknown_base(reference: str, error: CliError) -> CliError:
    return CliError(
        error.code,
        f"the Python of the base {reference} is not known: {error.message}",
        f"{error.hint}; or tell the Python in the Cirfile, for example `PLATFORMS python=3.12`",
    )


def _reader(context: Path, ignored: tuple[str, ...]) -> docker.Reader:
    root = context.resolve()
    try:
        left_out = Matcher(ignored)
    except ValueError as error:
        raise CliError(INVALID, f"the ignore file: {error}", "correct the pattern") from None

    def read(path: str) -> str:
        """Read a file of the context; one outside of it, or left out of it, is not there, as for the engine."""
        if left_out.matches(clean(path.lstrip("/"))):
            raise FileNotFoundError(path)
        try:
            file = (root / PurePosixPath(path.lstrip("/"))).resolve()
        except RuntimeError:  # links in a circle, until Python 3.12
            raise FileNotFoundError(path) from None
        if file.is_relative_to(root) and file.is_dir():
            raise IsADirectoryError(path)
        if not file.is_relative_to(root) or not file.is_file():
            raise FileNotFoundError(path)
        return file.read_text(errors="replace")

    return read
