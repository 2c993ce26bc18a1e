"""Command line of `./dev`: names the commands, imports the module of the one that was asked for."""

from __future__ import annotations

import argparse
import importlib
import shlex
import subprocess
import sys
from collections.abc import Sequence

from devtools.errors import DevError

#: Command, module that exposes `configure(parser)` and `run(args) -> int`, one line of help.
COMMANDS = (
    ("demo", "devtools.demo", "build the sample, run it cold and warm, print a table"),
    ("test", "devtools.testing", "run every test"),
    ("lint", "devtools.lint", "check style, types and layout"),
    ("bench", "devtools.bench", "compare with stock builders"),
    ("images", "devtools.images", "build the frontend and shim images"),
    ("engines", "devtools.engines.cli", "bring the test engines up or down, or tell their status"),
    ("exec", "devtools.engines.execute", "run a command where the test engines are"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit status of the process."""
    args = list(sys.argv[1:] if argv is None else argv)
    wanted = args[0] if args else "--help"
    parser = _parser(wanted)
    try:
        parsed = parser.parse_args(args or ["--help"])
        return int(parsed.module.run(parsed))
    except DevError as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        said = (
            error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else error.stderr or ""
        )
        print(
            f"dev: {DevError(f'`{shlex.join(map(str, error.cmd))}` failed', said.strip())}", file=sys.stderr
        )
        return 1
    except OSError as error:
        print(f"dev: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("dev: interrupted", file=sys.stderr)
        return 130


def _parser(wanted: str) -> argparse.ArgumentParser:
    """Return a parser that knows all commands by name, and the options of the `wanted` one."""
    parser = argparse.ArgumentParser(
        prog="dev", description="The one door for people who work on this project."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module_name, help_line in COMMANDS:
        sub = commands.add_parser(name, help=help_line, description=help_line)
        if name == wanted:
            module = importlib.import_module(module_name)
            module.configure(sub)
            sub.set_defaults(module=module)
    return parser
