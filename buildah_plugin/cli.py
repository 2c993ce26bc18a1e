"""``buildah-cir bud -f Cirfile -t NAME CONTEXT``: Buildah's own flags for an image from a Cirfile.

Flags that only steer ``RUN``, of which a Cirfile has none, are errors rather than silently without effect.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from buildah_plugin import engine, outputs
from buildah_plugin.access import Access
from buildah_plugin.build import seconds
from buildah_plugin.images import POLICIES
from buildah_plugin.layout import FORMATS
from buildah_plugin.project import own_platform
from buildah_plugin.settings import Output, Settings
from buildah_plugin.talk import Talk
from cirfile import __version__
from cirfile.cli import guarded, show
from cirfile.cli.ending import terminable
from cirfile.cli.errors import NO_INPUT, USAGE, CliError
from cirfile.cli.host import NOBODY, Host, host
from cirfile.cli.project import args_of
from cirfile.plan import Platform
from cirfile.platforms import parse_list, parse_platform

NAMES = ("bud", "build", "build-using-dockerfile")
_MANY = {"action": "append", "default": []}

#: Flag, metavar (empty: a switch), whether it may be repeated, help.
_FLAGS = (
    ("--build-arg", "NAME=VALUE", True, "set an ARG"),
    ("--build-context", "NAME=PLACE", True, "add a named context: a folder or an image"),
    ("--label", "KEY=VALUE", True, "add a label"),
    ("--secret", "SPEC", True, "id=cir_netrc,src=PATH: credentials of indexes; id=cir_ca: certificates"),
    ("--platform", "LIST", True, "platforms to build for, e.g. linux/amd64,linux/arm64"),
    ("--os", "OS", False, "operating system to build for"),
    ("--arch", "ARCH", False, "architecture to build for"),
    ("--variant", "VARIANT", False, "variant of the architecture to build for"),
    ("--manifest", "NAME", False, "add the images to this list of manifests, made where it is not there"),
    ("--target", "STAGE", False, "the stage to build"),
    ("--ignorefile", "PATH", False, "the ignore file (default: CIRFILE.dockerignore, CONTEXT/.dockerignore)"),
    ("--timestamp", "SECONDS", False, "the time everything gets (default: SOURCE_DATE_EPOCH, else 1980)"),
    ("--iidfile", "PATH", False, "write the ID of the image"),
    ("--authfile", "PATH", False, "credentials of registries (default: as Buildah)"),
    ("--creds", "USER:PASSWORD", False, "credentials for every registry asked"),
    ("--cert-dir", "PATH", False, "certificates of registries"),
    ("--no-cache", "", False, "resolve the requirements anew"),
    ("--pull-always", "", False, "the same as --pull=always"),
    ("--pull-never", "", False, "the same as --pull=never"),
    ("--no-forward", "", False, "use nothing of this machine: certificates, netrc, index settings"),
    ("--debug", "", False, "say which commands are run, and what they say"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; no traceback reaches the caller."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = parser().parse_args(words)
    return guarded(lambda: run(arguments))


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    top = argparse.ArgumentParser(
        prog="buildah-cir",
        description="Buildah for Cirfiles: rootless, without a daemon.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"buildah-cir {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    sub = commands.add_parser(
        "bud", aliases=NAMES[1:], help="build an image from a Cirfile", allow_abbrev=False,
        description="Build an image from a Cirfile into the storage of this user, as `buildah bud` does.",
    )  # fmt: skip
    sub.add_argument("context", nargs="?", default=".", metavar="CONTEXT", help="folder (default: .)")
    sub.add_argument("-f", "--file", metavar="PATH", help="the Cirfile (default: CONTEXT/Cirfile)")
    sub.add_argument("-t", "--tag", action="append", default=[], metavar="NAME", help="name of the image")
    sub.add_argument("-q", "--quiet", action="store_true", help="print the ID of the image only")
    sub.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="SPEC",
        help="type=oci or docker (this one takes Skopeo), dest=PATH",
    )
    sub.add_argument(
        "--push", action="append", default=[], metavar="NAME", help="push the image, with digests kept"
    )
    sub.add_argument(
        "--format", choices=FORMATS, default=os.environ.get("BUILDAH_FORMAT", "oci"), help="of manifests"
    )
    sub.add_argument(
        "--pull",
        nargs="?",
        const="always",
        default="missing",
        metavar="POLICY",
        help=f"one of {', '.join(POLICIES)}",
    )
    sub.add_argument(
        "--tls-verify", nargs="?", const="true", metavar="BOOL", help="verify certificates of registries"
    )
    for flag, metavar, repeated, text in _FLAGS:
        if not metavar:
            sub.add_argument(flag, action="store_true", help=text)
        elif repeated:
            sub.add_argument(flag, action="append", default=[], metavar=metavar, help=text)
        else:
            sub.add_argument(flag, metavar=metavar, help=text)
    return top


@terminable()
def run(arguments: argparse.Namespace) -> int:
    """Build; the ID of the image goes to stdout, as Buildah prints it."""
    machine = NOBODY if arguments.no_forward else host()
    with engine.secrets_folder(machine, outputs.secrets(arguments.secret)) as secrets:
        result = engine.execute(settings(arguments, machine, secrets))
    show(result.id.removeprefix("sha256:"))
    return 0


def settings(arguments: argparse.Namespace, machine: Host, secrets: Path) -> Settings:
    """Return what the flags ask for. Raise `CliError` (64, 66) where they make no sense."""
    context = Path(arguments.context)
    if not context.is_dir():
        raise CliError(NO_INPUT, f"{context} is no folder", "name the folder with the files to copy")
    return Settings(
        file=Path(arguments.file) if arguments.file else context / "Cirfile",
        context=context,
        tags=tuple(arguments.tag),
        build_args=args_of(arguments, machine),
        labels=engine.labels(arguments.label),
        platforms=_platforms(arguments),
        target=arguments.target or "",
        manifest=arguments.manifest or "",
        contexts=outputs.contexts(arguments.build_context),
        ignorefile=Path(arguments.ignorefile) if arguments.ignorefile else None,
        timestamp=None if arguments.timestamp is None else seconds("--timestamp", arguments.timestamp),
        no_cache=arguments.no_cache,
        pull="always" if arguments.pull_always else "never" if arguments.pull_never else _policy(arguments.pull),
        kind=arguments.format,
        outputs=_outputs(arguments),
        iidfile=Path(arguments.iidfile) if arguments.iidfile else None,
        access=Access(
            Path("/nonexistent"), arguments.authfile or "", arguments.creds or "", arguments.cert_dir or "",
            _boolean("--tls-verify", arguments.tls_verify),
        ),
        environ=engine.environment(machine),
        secrets=secrets,
        talk=Talk(quiet=arguments.quiet, verbose=arguments.debug),
    )  # fmt: skip


def _outputs(arguments: argparse.Namespace) -> tuple[Output, ...]:
    found = [each for text in arguments.output for each in outputs.output(text, arguments.tag)]
    pushed = [Output("push", name) for name in arguments.push]
    return (*found, *pushed) if found else (Output("storage", ""), *pushed)


def _platforms(arguments: argparse.Namespace) -> tuple[Platform, ...]:
    try:
        found = parse_list(",".join(arguments.platform))
        if found or not (arguments.os or arguments.arch or arguments.variant):
            return found
        own = own_platform()
        parts = (arguments.os or own.os, arguments.arch or own.architecture, arguments.variant)
        return (parse_platform("/".join(part for part in parts if part)),)
    except ValueError as error:
        raise CliError(USAGE, f"--platform: {error}", "write linux/amd64,linux/arm64") from None


def _policy(text: str) -> str:
    """Return a policy by its name; Buildah still knows the booleans it had before."""
    return {"true": "always", "false": "never", "ifmissing": "missing", "ifnewer": "newer"}.get(text, text)


def _boolean(flag: str, text: str | None) -> bool | None:
    if text is None:
        return None
    if text not in ("true", "false"):
        raise CliError(USAGE, f"{flag}={text}", "it is true or false")
    return text == "true"


if __name__ == "__main__":
    sys.exit(main())
