"""``cir run``: `docker run` with the store of this machine, or `apptainer run` with the layer bound.

Two containers: the first makes the platform layer with the store writable, the second runs the
application with the store read-only, so that no application can change what another one runs. All
options before the image are Docker's; those of `cir run` itself come first. With an Apptainer image (see
`buildah_plugin.apptainer`) they are Apptainer's.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cirfile.cli import apptainer, docker, show
from cirfile.cli.ending import terminable
from cirfile.cli.errors import USAGE, CliError
from cirfile.cli.host import INDEXES, NOBODY, PROXIES, Host, host, netrc_of

STORE = "/var/lib/cir"
DEFAULT_VOLUME = "cir-store"
#: Where files of the host are put into containers.
_CA, _NETRC = "/run/cir/ca.crt", "/run/cir/netrc"
#: Docker's switches; every other option of `docker run` takes a value.
_SWITCHES = frozenset(
    {
        *("--detach", "--disable-content-trust", "--help", "--init", "--interactive", "--no-healthcheck"),
        *("--oom-kill-disable", "--privileged", "--publish-all", "--quiet", "--read-only", "--rm"),
        *("--sig-proxy", "--tty", "--use-api-socket"),
    }
)
_SHORT_SWITCHES = frozenset("ditPq")
#: Options of the application's container that the assembly needs as well.
_SHARED = frozenset(
    {"--platform", "--network", "--net", "--dns", "--dns-search", "--add-host", "--runtime", "--gpus"}
)
#: Variables of the application's container that are meant for the shim, and so for the assembly as well. No others:
#: they may be the application's secrets.
_SETTINGS = re.compile(
    rf"CIR_[A-Z_]+|UV_INDEX_\w+_(USERNAME|PASSWORD)|{'|'.join((*INDEXES, *PROXIES))}", re.ASCII
)
#: Those that are the assembly's own: it materializes, into the store that is mounted for it.
_NOT_SETTINGS = frozenset({"CIR_MODE", "CIR_STORE"})
_OWN_VALUES = frozenset({"--store", "--engine", "--layer"})
_OWN = _OWN_VALUES | {"--no-forward", "--dry-run", "-h", "--help"}
#: Engines by name, and the modules whose ``run(arguments)`` does the work; `None` is this one. They are named, not
#: imported: the language knows no builder.
ENGINES: dict[str, str | None] = {
    "docker": None,
    "apptainer": "buildah_plugin.apptainer.commands",
    "host": "buildah_plugin.host.commands",
}
#: How a layer gets into an Apptainer container, see `buildah_plugin.apptainer.binding`.
LAYER_WAYS = ("auto", "file", "node", "folder")
_EPILOG = """examples:
  cir run --rm -p 8000:8000 registry.example/app:1
  cir run --store /srv/cir --rm registry.example/train:1 --trees 200
  cir run --nv train.sif --trees 200
  cir run --engine host ./train --trees 200     (a folder with a Cirfile, on this machine itself)

The options of `cir run` itself, those above, come first; all others, up to the image, are the engine's.

Of the variables that --env sets, the assembly gets those for the shim, too: CIR_* (but not CIR_MODE and
CIR_STORE), index settings of uv and pip, proxies; no others, and none from --env-file.

The store is the Docker volume `cir-store` unless --store names another volume or a folder; for Apptainer it is the
folder CIR_STORE, else $XDG_CACHE_HOME/cir, which is ~/.cache/cir where that is unset. --engine host needs no engine:
the application's files are laid over this machine's in bubblewrap or in a mount namespace; where the kernel gives
neither, they stay in a folder.

With a SIF and with --engine host, CIR_TIMEOUT, CIR_OFFLINE, CIR_LOG and CIR_ACCELERATOR of the caller count, and
CIR_STORE where --store names nothing. With Docker they do not: give them with -e, and the store with --store.
"""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The words of `docker run` taken apart: its options, the image, what follows it."""

    options: tuple[tuple[str, ...], ...]
    image: str
    command: tuple[str, ...]

    def shared(self) -> list[str]:
        """Return the options that the assembly needs as well, the shim's settings among them."""
        needed = (o for o in self.options if o[0].partition("=")[0] in _SHARED and _value(o) != "none")
        settings = (("--env", text) for text in self._assignments() if is_setting(text.partition("=")[0]))
        return [word for option in (*needed, *settings) for word in option]

    def all_options(self) -> list[str]:
        """Return all options as they were given."""
        return [word for option in self.options for word in option]

    def platform(self) -> str:
        """Return the platform asked for, empty for the machine's own."""
        return next((_value(option) for option in self.options if option[0].startswith("--platform")), "")

    def sets(self) -> set[str]:
        """Return the names of the environment variables that the options set."""
        return {text.partition("=")[0] for text in self._assignments()}

    def _assignments(self) -> list[str]:
        """Return what ``--env`` is given: ``NAME=VALUE``, or ``NAME`` for the value of Docker's environment."""
        return [text for option in self.options if (text := _assignment(option)) is not None]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.usage = (
        "cir run [--engine ENGINE] [--store VOLUME] [OPTION...] [ENGINE-OPTION...] IMAGE [ARGUMENT...]"
    )
    parser.epilog = _EPILOG
    parser.add_argument(
        "--engine",
        choices=tuple(ENGINES),
        help="what runs it (default: apptainer for a SIF, docker for others)",
    )
    parser.add_argument(
        "--layer",
        choices=LAYER_WAYS,
        default="auto",
        help="Apptainer: bind the layer as a file, unpacked on this node, or as a folder of the store (default: auto, "
        "a folder where the store is on a disk of this machine, else the first of the three that works)",
    )
    add_store_options(parser)


def separate(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the words after ``cir run`` into our own options, which come first, and Docker's."""
    rest = list(words)
    own: list[str] = []
    while rest and rest[0].partition("=")[0] in _OWN:
        own.append(rest.pop(0))
        if own[-1] in _OWN_VALUES and rest:
            own.append(rest.pop(0))
    return own, rest


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that every command with a store has."""
    parser.add_argument(
        "--store",
        metavar="VOLUME",
        help=f"volume or folder (default: {DEFAULT_VOLUME}; Apptainer: CIR_STORE, else $XDG_CACHE_HOME/cir, else "
        "~/.cache/cir)",
    )
    parser.add_argument(
        "--no-forward", action="store_true", help="hand nothing of this machine to the containers"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the docker commands instead of running them"
    )


def run(arguments: argparse.Namespace) -> int:
    """Materialize, then become the application's container; the exit status is the application's."""
    module = ENGINES[arguments.engine or ("apptainer" if apptainer.is_sif(arguments.words) else "docker")]
    if module is not None:
        return int(importlib.import_module(module).run(arguments))
    invocation = split(arguments.words)
    machine = NOBODY if arguments.no_forward else host()
    start = [
        "run",
        *("--volume", f"{arguments.store or DEFAULT_VOLUME}:{STORE}:ro"),
        *forwarded(machine, invocation.sets()),
        *index_settings(machine, invocation.sets()),
        *invocation.all_options(),
        invocation.image,
        *invocation.command,
    ]
    status = assemble(arguments, machine, invocation.shared(), invocation.image, invocation.platform())
    if arguments.dry_run:
        show(shlex.join(["docker", *start]))
        return 0
    return status or docker.become(start)


@terminable()
def assemble(
    arguments: argparse.Namespace, machine: Host, shared: Sequence[str], image: str, platform: str
) -> int:
    """Make the layer in a container of its own, or print how with ``--dry-run``; return the shim's status."""
    with tempfile.TemporaryDirectory(prefix="cir-run-") as folder:
        store = arguments.store or DEFAULT_VOLUME
        command = assembly_command(store, machine, netrc_of(machine, Path(folder)), shared, image)
        if arguments.dry_run:
            show(shlex.join(["docker", *command]))
            return 0
        docker.ensure_image(image, platform)
        return docker.attached(command)


def assembly_command(
    store: str, machine: Host, netrc: Path | None, shared: Sequence[str], image: str
) -> list[str]:
    """Return the `docker run` that makes the layer: as root, the store writable, nothing of the user's."""
    login = ["--volume", f"{netrc}:{_NETRC}:ro", "--env", f"NETRC={_NETRC}"] if netrc else []
    given = {text.partition("=")[0] for option, text in pairwise(shared) if option == "--env"}
    indexes = [word for pair in machine.beside(given).indexes for word in ("--env", "=".join(pair))]
    return [
        *("run", "--rm", "--user", "0:0", "--no-healthcheck"),
        *("--volume", f"{store}:{STORE}"),
        *("--env", "CIR_MODE=materialize"),
        *forwarded(machine, set()),
        *login,
        *indexes,
        *shared,
        image,
    ]


def forwarded(machine: Host, already: set[str]) -> list[str]:
    """Hand over the CA bundle and proxies, unless the user sets them for the container."""
    words: list[str] = []
    if machine.certificates is not None and "SSL_CERT_FILE" not in already:
        words += ["--volume", f"{machine.certificates}:{_CA}:ro", "--env", f"SSL_CERT_FILE={_CA}"]
    for name, _ in machine.proxies:
        if name not in already:
            words += [
                "--env",
                name,
            ]  # without a value: docker takes it from our environment, argv stays clean
    return words


def shim_indexes(machine: Host, already: Collection[str]) -> dict[str, str]:
    """The index settings of the machine for the shim of an application's container, which tells by them what was made.

    :param already: variables that the user sets
    """
    return {f"CIR_{name}": value for name, value in machine.beside(already).indexes}


def index_settings(machine: Host, already: Collection[str]) -> list[str]:
    """`shim_indexes` as words for docker."""
    found = shim_indexes(machine, already)
    return [word for name, value in found.items() for word in ("--env", f"{name}={value}")]


def split(words: Sequence[str]) -> Invocation:
    """Take the words of `docker run` apart. Raise `CliError` (64) where they name no image."""
    options: list[tuple[str, ...]] = []
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if _takes_value(word) and rest:
            options.append((word, rest.pop(0)))
        else:
            options.append((word,))
    if not rest:
        raise CliError(USAGE, "no image is named", "write: cir run [DOCKER-OPTION...] IMAGE [ARGUMENT...]")
    return Invocation(tuple(options), rest[0], tuple(rest[1:]))


def _takes_value(word: str) -> bool:
    """Tell whether the next word belongs to this option."""
    if word.startswith("--"):
        return "=" not in word and word not in _SWITCHES
    letters = word[1:].rstrip()
    for position, letter in enumerate(letters):
        if letter not in _SHORT_SWITCHES:
            return position == len(letters) - 1  # `-p 80:80`, but not `-p80:80`
    return False


def is_setting(name: str) -> bool:
    """Whether a variable of the application's container is meant for the assembly as well."""
    return name not in _NOT_SETTINGS and _SETTINGS.fullmatch(name) is not None


def _assignment(option: tuple[str, ...]) -> str | None:
    """Return the value of ``--env``, ``-e`` or ``-ite``; `None` for another option."""
    if option[0].startswith("--"):
        return _value(option) if option[0].partition("=")[0] == "--env" else None
    letters = option[0][1:].lstrip("".join(_SHORT_SWITCHES))
    if not letters.startswith("e"):
        return None
    return option[1] if len(option) > 1 else letters[1:].removeprefix("=")


def _value(option: tuple[str, ...]) -> str:
    if len(option) > 1:
        return option[1]
    word = option[0]
    return word.partition("=")[2] if word.startswith("--") else word[2:]
