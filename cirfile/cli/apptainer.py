"""The options of ``apptainer run``, as far as it takes to find the image among them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from cirfile.cli.errors import USAGE, CliError

#: Every other option takes a value.
_SWITCHES = frozenset(
    {
        *("--allow-setuid", "--cleanenv", "--compat", "--contain", "--containall", "--disable-cache"),
        *(
            "--docker-login",
            "--fakeroot",
            "--help",
            "--ipc",
            "--keep-privs",
            "--net",
            "--no-eval",
            "--no-home",
        ),
        *(
            "--no-https",
            "--no-init",
            "--no-pid",
            "--no-privs",
            "--no-umask",
            "--nv",
            "--nvccli",
            "--oom-kill-disable",
        ),
        *("--passphrase", "--pid", "--rocm", "--sharens", "--unsquash", "--userns", "--uts", "--writable"),
        *("--writable-tmpfs", "--intel-hpu", "--no-nv", "--no-rocm", "--nohttps"),
    }
)
_SHORT_SWITCHES = frozenset("ecCfhinpuw")
#: Options that say where the application starts; then the image's own word does not count.
_FOLDER = ("--cwd", "--pwd")


def split(words: Sequence[str]) -> tuple[list[str], str, list[str]]:
    """Take the words after ``cir run`` apart: options, image, arguments. Raise `CliError` (64) without an image."""
    options: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        options.append(word)
        if _takes_value(word) and rest:
            options.append(rest.pop(0))
    if not rest:
        raise CliError(USAGE, "no image is named", "write: cir run [OPTION...] IMAGE.sif [ARGUMENT...]")
    return options, rest[0], rest[1:]


def assignments(options: Sequence[str]) -> dict[str, str]:
    """Return the variables that ``--env`` sets: ``NAME=VALUE``, or several with commas between them, as in CSV."""
    found: dict[str, str] = {}
    for word, following in zip(options, [*options[1:], ""], strict=False):
        name, separator, value = word.partition("=")
        if name == "--env":
            for text in next(csv.reader([value if separator else following]), []):
                key, is_set, content = text.partition("=")
                found |= {key: content} if is_set else {}
    return found


def names_folder(options: Sequence[str]) -> bool:
    """Whether the options say where the application starts."""
    return any(word.partition("=")[0] in _FOLDER for word in options)


def is_sif(words: Sequence[str]) -> bool:
    """Whether the words name a file that is an Apptainer image, and so no image of Docker."""
    try:
        _, image, _ = split(words)
    except CliError:
        return False
    return image.endswith(".sif") and Path(image).is_file()


def _takes_value(word: str) -> bool:
    if word.startswith("--"):
        return "=" not in word and word not in _SWITCHES
    return word[-1] not in _SHORT_SWITCHES and len(word) == 2
