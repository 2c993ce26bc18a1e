"""Instructions that hold a command line: what the container runs, and how its health is asked."""

from __future__ import annotations

import re

from cirfile.errors import CirfileError
from cirfile.flags import TEXT, Flags
from cirfile.gotext import SPACE, parse_duration
from cirfile.grammar.common import exec_form, missing, no_flags, rest_span, with_flags
from cirfile.lines import Line
from cirfile.suggest import did_you_mean
from cirfile.syntax import Command, HealthCheck

_DURATIONS = ("interval", "timeout", "start-period", "start-interval")
_MILLISECOND = 10**6


def _command(keyword: str, line: Line) -> Command:
    rest, offset = no_flags(keyword, line)
    words = exec_form(rest, line, offset)
    span = rest_span(line, rest, offset)
    if words is not None:
        return Command(keyword, line, words, False, span)
    return Command(keyword, line, (rest,) if rest else (), True, span)


def parse_cmd(line: Line) -> Command:
    """Parse ``CMD``: the default command or arguments.

        CMD ["WORD", ...]
        CMD COMMAND LINE

    What runs where ``docker run`` names nothing else, or the default arguments of ``ENTRYPOINT``. The
    second form is run by a shell.
    """
    return _command("CMD", line)


def parse_entrypoint(line: Line) -> Command:
    """Parse ``ENTRYPOINT``: the program of the image.

        ENTRYPOINT ["WORD", ...]
        ENTRYPOINT COMMAND LINE

    The program of the image; the arguments of ``docker run`` follow it. It ends the inheritance of the
    base's ``CMD``. Programs are found in the platform layer first, so write ``python``, not its path.
    """
    return _command("ENTRYPOINT", line)


def parse_shell(line: Line) -> Command:
    """Parse ``SHELL``: what runs commands in shell form.

        SHELL ["PROGRAM", "FLAG", ...]

    The shell that runs commands in shell form below this line, ``["/bin/sh", "-c"]`` by default.
    """
    command = _command("SHELL", line)
    if command.shell or not command.words:
        raise CirfileError(
            command.span_of_words, "shell-form", "SHELL takes an array of words only",
            'write `SHELL ["/bin/bash", "-c"]`',
        )  # fmt: skip
    return command


def parse_setup(line: Line) -> Command:
    """Parse ``SETUP``: a command run once in every platform layer.

        SETUP ["WORD", ...]
        SETUP COMMAND LINE

    A command run once in every platform layer, after its components, with what it writes kept in the
    layer: downloading a model, compiling a cache. It never runs at build. (The shim does not run it yet: such
    an image ends with status 78.)
    """
    command = _command("SETUP", line)
    if not command.words or not any(word.strip() for word in command.words):
        raise missing("SETUP", line, "a command", "SETUP python -m spacy download en_core_web_sm")
    return command


def parse_healthcheck(line: Line) -> HealthCheck:
    """Parse ``HEALTHCHECK``: how the application's health is asked.

        HEALTHCHECK [--interval=D] [--timeout=D] [--start-period=D] [--start-interval=D]
                    [--retries=N] CMD COMMAND
        HEALTHCHECK NONE

    How the engine asks whether the application is well. The command finds the platform layer's programs.
    """
    kinds = dict.fromkeys((*_DURATIONS, "retries"), TEXT)
    flags, rest, offset = with_flags("HEALTHCHECK", line, kinds)
    if not rest:
        raise missing(
            "HEALTHCHECK", line, "`CMD` and a command, or `NONE`", "HEALTHCHECK CMD python check.py"
        )
    match = re.match(r"\S+", rest)
    kind = match[0] if match else rest
    after = rest[len(kind) :].lstrip(SPACE)
    if kind.upper() == "NONE":
        if after:
            raise CirfileError(
                rest_span(line, rest, offset), "healthcheck-none", "HEALTHCHECK NONE takes no arguments",
                "remove what follows `NONE`",
            )  # fmt: skip
        return HealthCheck("HEALTHCHECK", line, ("NONE",), (0, 0, 0, 0))
    if kind.upper() != "CMD":
        raise CirfileError(
            line.word(kind, offset).span, "healthcheck-form", f"HEALTHCHECK cannot do `{kind}`",
            did_you_mean(kind, ("CMD", "NONE")) or f"write `HEALTHCHECK CMD {rest}`",
        )  # fmt: skip
    return _health(line, flags, after, offset + len(rest) - len(after))


def _health(line: Line, flags: Flags, command: str, offset: int) -> HealthCheck:
    words = exec_form(command, line, offset)
    test = ("CMD-SHELL", command) if words is None else ("CMD", *words)
    if not command or words == ():
        raise missing("HEALTHCHECK", line, "a command after `CMD`", "HEALTHCHECK CMD python check.py")
    interval, timeout, period, start = (_duration(flags, name) for name in _DURATIONS)
    return HealthCheck("HEALTHCHECK", line, test, (interval, timeout, period, start), _retries(flags))


def _duration(flags: Flags, name: str) -> int:
    word = flags.text(name)
    if word is None or not word.text:
        return 0
    try:
        value = parse_duration(word.text)
    except ValueError as error:
        raise CirfileError(
            word.span, "duration", f"{error}", f"write a number and a unit: `--{name}=30s`"
        ) from None
    if value != 0 and value < _MILLISECOND:
        raise CirfileError(
            word.span,
            "duration",
            f"`--{name}` is shorter than one millisecond",
            f"write for example `--{name}=30s`",
        )
    return value


def _retries(flags: Flags) -> int:
    word = flags.text("retries")
    if word is None or not word.text:
        return 0
    if not re.fullmatch(r"\+?[0-9]{1,10}", word.text) or int(word.text) >= 2**31:
        raise CirfileError(
            word.span,
            "retries",
            f"`{word.text}` is not a number of retries",
            "write for example `--retries=3`",
        )
    return int(word.text)
