"""``cir build``: `docker buildx build` with what a Cirfile needs filled in; other engines take over as a whole.

Added to the user's own options: the frontend, where the Cirfile does not name one itself; the CA bundle
and netrc of this machine as the secrets ``cir_ca`` and ``cir_netrc``; proxies and index settings as
build arguments. Credentials in the address of an index are moved into the netrc secret.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cirfile import __version__
from cirfile.cli import docker, say, show
from cirfile.cli.ending import terminable
from cirfile.cli.errors import NO_INPUT, USAGE, CliError
from cirfile.cli.host import NOBODY, Host, host, netrc_of

#: Engines by name, and the modules whose ``build(arguments)`` does the work; `None` is this one. They are named, not
#: imported: the language knows no builder.
ENGINES: dict[str, str | None] = {
    "buildkit": None,
    "buildah": "buildah_plugin.engine",
    "apptainer": "buildah_plugin.apptainer.build",
}

#: A name below `localhost` is nobody's to register.
FRONTEND = f"localhost/cir/frontend:{__version__}"
CA_SECRET, NETRC_SECRET = "cir_ca", "cir_netrc"

#: Options handed to buildx as they are: flag, metavar (empty: a switch), help.
_PASSED = (
    ("--platform", "LIST", "platforms to build for, e.g. linux/amd64,linux/arm64"),
    ("--target", "STAGE", "the stage to build"),
    ("--label", "KEY=VALUE", "add a label"),
    ("--secret", "SPEC", "hand a secret to the build"),
    ("--ssh", "SPEC", "hand an SSH agent to the build"),
    ("--build-context", "NAME=PATH", "add a named context"),
    ("--cache-from", "SPEC", "import a build cache"),
    ("--cache-to", "SPEC", "export the build cache"),
    ("--output", "SPEC", "where the result goes"),
    ("--progress", "KIND", "auto, plain, tty, rawjson or quiet"),
    ("--metadata-file", "PATH", "write metadata of the result"),
    ("--iidfile", "PATH", "write the ID of the image"),
    ("--builder", "NAME", "the builder to use"),
    ("--add-host", "HOST:IP", "add a name for the build"),
    ("--network", "MODE", "network of the lock step"),
    ("--attest", "SPEC", "add an attestation"),
    ("--annotation", "KEY=VALUE", "add an annotation"),
    ("--sbom", "SPEC", "attach a list of components"),
    ("--provenance", "SPEC", "attach provenance"),
    ("--call", "METHOD", "ask the frontend: build, check, outline, targets"),
    ("--push", "", "push the result"),
    ("--load", "", "load the result into Docker"),
    ("--pull", "", "look for newer base images"),
    ("--no-cache", "", "do not use the build cache"),
    ("--check", "", "check the Cirfile only"),
    ("--quiet", "", "print the ID of the image only"),
    ("--debug", "", "more log output"),
)
_EPILOG = """environment:
  CIR_FRONTEND                  the frontend to use, instead of the one the Cirfile names
  CIR_SHIM                      the shim image, for the engines buildah and apptainer: a reference or oci:FOLDER
                                (with buildkit --build-arg CIR_SHIM=REFERENCE)
  SSL_CERT_FILE, NETRC          certificates and credentials to hand over (default: this machine's)
  HTTP_PROXY and its like       handed over
  index settings of uv and pip  handed over (UV_DEFAULT_INDEX, UV_INDEX, PIP_INDEX_URL, PIP_EXTRA_INDEX_URL
                                and older names); credentials in them become a secret, one login a host

Of a Cirfile that is not a file of this machine (in a remote context, on standard input) the syntax line is
not known: the frontend is the one of --frontend or CIR_FRONTEND, else the default one.

The engines buildah and apptainer refuse (64) what only BuildKit has a meaning for: --ssh, --cache-from, --cache-to,
--builder, --add-host, --network, --attest, --annotation, --sbom, --provenance, --call, --check, --frontend and
--dry-run. apptainer writes one file for one platform (-o app.sif), so it refuses --tag, --push and --load, too.

example:
  cir build -t registry.example/app:1 --platform linux/amd64,linux/arm64 --push .
  cir build --engine apptainer -o app.sif .
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "context", nargs="?", default=".", metavar="CONTEXT", help="folder or address (default: .)"
    )
    parser.add_argument("-f", "--file", metavar="PATH", help="the Cirfile (default: CONTEXT/Cirfile)")
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME", help="name of the image")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE", help="set an ARG")
    parser.add_argument(
        "--engine", choices=tuple(ENGINES), default="buildkit", help="what builds (default: buildkit)"
    )
    parser.add_argument("--frontend", metavar="IMAGE", help="the frontend to use")
    parser.add_argument("--no-forward", action="store_true", help="hand nothing of this machine to the build")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the docker command instead of running it"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the digest and the names of the result as JSON"
    )
    for flag, metavar, text in _PASSED:
        short = {"--output": ["-o"], "--quiet": ["-q"], "--debug": ["-D"]}.get(flag, [])
        name = "passed_" + flag.strip("-").replace("-", "_")
        if metavar:
            parser.add_argument(
                *short, flag, dest=name, action="append", default=[], metavar=metavar, help=text
            )
        else:
            parser.add_argument(*short, flag, dest=name, action="store_true", help=text)


@terminable()
def run(arguments: argparse.Namespace) -> int:
    """Build; the exit status is that of the engine."""
    if (module := ENGINES[arguments.engine]) is not None:
        return int(importlib.import_module(module).build(arguments))
    if arguments.json:
        _check_json(arguments)
    machine = NOBODY if arguments.no_forward else host()
    with tempfile.TemporaryDirectory(prefix="cir-build-") as folder:
        metadata = Path((arguments.passed_metadata_file or [f"{folder}/metadata.json"])[-1])
        command = _command(arguments, machine, netrc_of(machine, Path(folder)), metadata)
        if arguments.dry_run:
            show(shlex.join(["docker", *command]))
            return 0
        status = docker.attached(command, aside=arguments.json)
        if status != 0:
            docker.need_buildx()
        if status == 0 and arguments.json:
            _report(arguments.tag, metadata)
        return status


def _command(arguments: argparse.Namespace, machine: Host, netrc: Path | None, metadata: Path) -> list[str]:
    given_args = {text.partition("=")[0] for text in arguments.build_arg}
    secrets = _ids(arguments.passed_secret)
    command = [
        "buildx",
        "build",
        *_flags("--tag", arguments.tag),
        *_flags("--build-arg", arguments.build_arg),
    ]
    name, local = _file(arguments)
    command += ["--file", name]
    if frontend := _frontend(arguments, local):
        command += ["--build-arg", f"BUILDKIT_SYNTAX={frontend}"]
    # A proxy may hold a password: without a value Docker takes it from our environment, argv stays clean.
    forwarded = {name: name for name, _ in machine.proxies}
    forwarded |= {name: f"{name}={value}" for name, value in machine.beside(given_args).indexes}
    for name, text in forwarded.items():
        if name not in given_args:
            command += ["--build-arg", text]
    for name, path in ((CA_SECRET, machine.certificates), (NETRC_SECRET, netrc)):
        if path is not None and name not in secrets:
            command += ["--secret", f"id={name},src={path}"]
    if arguments.json and not arguments.passed_metadata_file:
        command += ["--metadata-file", str(metadata)]
    return [*command, *_passed(arguments), arguments.context]


def _flags(flag: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]


def _passed(arguments: argparse.Namespace) -> Iterator[str]:
    for flag, metavar, _ in _PASSED:
        value = getattr(arguments, "passed_" + flag.strip("-").replace("-", "_"))
        if metavar:
            yield from _flags(flag, value)
        elif value:
            yield flag


def _ids(specs: Sequence[str]) -> set[str]:
    fields = (field.partition("=") for spec in specs for field in spec.split(","))
    return {value for key, _, value in fields if key == "id"}


def _file(arguments: argparse.Namespace) -> tuple[str, Path | None]:
    """Return the name of the Cirfile for buildx, and its path if it is a file of this machine.

    In a remote context, as in a tar on standard input, a relative name is one of that context.
    """
    if arguments.file == "-":
        return "-", None
    if _is_remote(arguments.context):
        name = arguments.file or "Cirfile"
        return name, Path(name) if Path(name).is_absolute() else None
    path = Path(arguments.file) if arguments.file else Path(arguments.context) / "Cirfile"
    if not path.is_file():
        raise CliError(
            NO_INPUT, f"there is no {path}", "name the folder of the Cirfile, or the Cirfile with -f"
        )
    return str(path), path


def _is_remote(context: str) -> bool:
    """Tell whether buildx fetches a context, or reads it from standard input."""
    if Path(context).is_dir():
        return False
    return context == "-" or "://" in context or context.startswith(("git@", "github.com/"))


def _frontend(arguments: argparse.Namespace, file: Path | None) -> str:
    """Return the frontend to ask for, empty where the Cirfile's own word stands."""
    chosen = arguments.frontend or os.environ.get("CIR_FRONTEND")
    if chosen:
        return str(chosen)
    return "" if file is not None and file.is_file() and _names_syntax(file) else FRONTEND


def _names_syntax(file: Path) -> bool:
    from cirfile.directives import Directives

    directives = Directives()
    for number, line in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        if not directives.read(line, number):
            break
    return "syntax" in directives.found


def _check_json(arguments: argparse.Namespace) -> None:
    """Raise `CliError` (64) where there is no image to tell of, or stdout is taken."""
    outputs = [field for text in arguments.passed_output for field in text.split(",")]
    taken = any(field in ("-", "dest=-") for field in outputs)
    asked = any(method != "build" for method in arguments.passed_call)
    if taken or asked or arguments.passed_check:
        flag = "--output -" if taken else "--check" if arguments.passed_check else "--call"
        raise CliError(USAGE, f"{flag} writes to stdout what it finds, and so does --json", "leave one out")


def _report(tags: list[str], metadata: Path) -> None:
    if not metadata.is_file():
        say("note: the builder wrote no metadata")
        return
    found = json.loads(metadata.read_text())
    show(json.dumps({"digest": found.get("containerimage.digest", ""), "names": tags}, indent=2))
