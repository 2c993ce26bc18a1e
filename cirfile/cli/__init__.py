"""The command line: one sub-command a module, each with ``configure(parser)`` and ``run(arguments)``.

Results go to stdout, talk to stderr. What a command needs is imported when it is called, so that
``cir --help`` and completion are quick.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from types import ModuleType

from cirfile import __version__
from cirfile.cli.errors import INTERNAL, INTERRUPTED, INVALID, CliError, status_of
from cirfile.errors import CirfileError, render

#: Command and its one line of help; the module is `cirfile.cli.<command>`.
COMMANDS = {
    "build": "build an image from a Cirfile",
    "run": "run an image with the shared store, as `docker run` does",
    "materialize": "make the platform layer of an image in the store, without starting it",
    "plan": "say what a Cirfile means, or what an image will fetch on a platform and why",
    "lock": "resolve the requirements of a Cirfile and write the lock",
    "lint": "check Cirfiles",
    "sbom": "list the components of an image or lock as CycloneDX or SPDX",
    "completion": "print a completion script for a shell",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; no traceback reaches the caller."""
    return guarded(lambda: _call(list(sys.argv[1:] if argv is None else argv)))


def guarded(call: Callable[[], int]) -> int:
    """Run a command of ours; what goes wrong is said in words, and is the exit status."""
    try:
        status = call()
        sys.stdout.flush()  # here, where a reader that went away can still be dealt with
        return status
    except CirfileError as error:
        say(render(error))
        return INVALID
    except CliError as error:
        say(str(error))
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; keep the interpreter from complaining when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        say(f"error: {error.filename or 'cir'}: {error.strerror or error}")
        return status_of(error)
    except Exception as error:
        return _fault(error)


def _call(words: list[str]) -> int:
    rest: list[str] = []
    if words[:1] == ["run"]:  # docker's options can't be told from its arguments by argparse
        own, rest = command("run").separate(words[1:])
        words = ["run", *own]
    arguments = parser(words[:1]).parse_args(words)
    arguments.words = rest
    return int(arguments.run(arguments))


def _fault(error: Exception) -> int:
    """Tell of an error that should have been met earlier."""
    if os.environ.get("CIR_LOG") == "debug":
        say("".join(traceback.format_exception(error)).rstrip())
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    say(f"error: a fault of `cir` itself: {reason}\nhint: CIR_LOG=debug shows where; please report it")
    return INTERNAL


def parser(wanted: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Return the parser; only the commands ``wanted`` get their options, the others are names."""
    top = argparse.ArgumentParser(
        prog="cir",
        description="Container images that name their dependencies instead of carrying them.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"cir {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in wanted:
            module = command(name)
            module.configure(sub)
            sub.set_defaults(run=module.run)
    return top


def command(name: str) -> ModuleType:
    """Import the module of a command."""
    return importlib.import_module(f"cirfile.cli.{name}")


def say(text: str) -> None:
    """Speak to the person at the terminal."""
    sys.stderr.write(f"{text}\n")


def show(text: str) -> None:
    """Write a result."""
    sys.stdout.write(f"{text}\n")
