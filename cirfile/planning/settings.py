"""Instructions that only change the configuration: ``ENV``, ``CMD`` and their like.

The ``created_by`` lines are those of the stock frontend, letter for letter.
"""

from __future__ import annotations

from cirfile.copies import strange_number
from cirfile.errors import CirfileError
from cirfile.gotext import duration, quote, quote_list, quote_number
from cirfile.imageconfig import Healthcheck, Pairs
from cirfile.plan import Argument
from cirfile.planning.state import State
from cirfile.planning.variables import description
from cirfile.ports import exposed
from cirfile.signals import NAMES, is_signal
from cirfile.suggest import did_you_mean
from cirfile.syntax import Command, HealthCheck, Words
from cirfile.syntax import Pairs as PairsLine

_DEFAULT_SHELL = ("/bin/sh", "-c")


def with_entry(pairs: Pairs, name: str, value: str) -> Pairs:
    """Return ``pairs`` with ``name`` set: in its place where it is there, else at the end."""
    if name in (key for key, _ in pairs):
        return tuple((key, value if key == name else old) for key, old in pairs)
    return (*pairs, (name, value))


def apply_env(state: State, instruction: PairsLine) -> None:
    """Add environment variables; all values of one line are expanded before the first is set."""
    expanded = _expanded(state, instruction)
    for name, value in expanded:
        state.values[name] = value
        state.change(env=with_entry(state.config.env, name, value))
    state.history.append("ENV" + "".join(f" {name}={value}" for name, value in expanded))


def apply_label(state: State, instruction: PairsLine) -> None:
    """Add labels."""
    expanded = _expanded(state, instruction)
    labels = dict(state.config.labels) | dict(expanded)
    state.change(labels=tuple(sorted(labels.items())))
    state.history.append("LABEL" + "".join(f" {name}={value}" for name, value in expanded))


def _expanded(state: State, instruction: PairsLine) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for pair in instruction.pairs:
        name = state.expand(pair.name, pair.span)
        if not name:
            raise CirfileError(
                pair.span, "missing-name", f"the name `{pair.name}` is empty after expansion",
                "give the variable in it a default: `${NAME:-default}`",
            )  # fmt: skip
        found.append((name, state.expand(pair.value or "", pair.span)))
    return found


def apply_arg(state: State, instruction: PairsLine) -> None:
    """Declare build arguments: the value of the command line, else the default, else the global one."""
    written: list[str] = []
    for pair in instruction.pairs:
        value = state.globals.given.get(pair.name)
        inherited = value is None and pair.value is None and pair.name in state.globals.values
        if inherited:
            value = state.globals.values[pair.name]
        elif value is None and pair.value is not None:
            value = state.expand(pair.value, pair.span)
        if value is not None:
            state.values[pair.name] = value
        argument = Argument(pair.name, value, pair.span, description(instruction.line, pair.name))
        state.declared[pair.name] = argument
        if not inherited:
            state.arguments[pair.name] = argument
        written.append(pair.name if value is None else f"{pair.name}={value}")
    state.history.append("ARG " + " ".join(written))


def _argv(state: State, command: Command) -> tuple[str, ...]:
    if not command.shell:
        return command.words
    return (*(state.config.shell or _DEFAULT_SHELL), " ".join(command.words))


def apply_cmd(state: State, command: Command) -> None:
    """Set the default command."""
    argv = _argv(state, command)
    state.commanded = True
    state.change(cmd=argv or None, args_escaped=True)
    state.history.append(f"CMD {quote_list(argv)}")


def apply_entrypoint(state: State, command: Command) -> None:
    """Set the entrypoint; a ``CMD`` inherited from the base ends with it."""
    argv = _argv(state, command) if command.words or command.shell else ()
    state.change(entrypoint=argv or None)
    if not state.commanded:
        state.change(cmd=None)
    state.history.append(f"ENTRYPOINT {quote_list(argv)}")


def apply_shell(state: State, command: Command) -> None:
    """Set the shell of commands in shell form."""
    state.change(shell=command.words)
    state.history.append(f"SHELL [{' '.join(command.words)}]")


def setup_argv(state: State, command: Command) -> tuple[str, ...]:
    """Return the argv of a ``SETUP``; the shell form runs under the shell in force."""
    return _argv(state, command)


def apply_healthcheck(state: State, health: HealthCheck) -> None:
    """Set the health check."""
    interval, timeout, period, start = health.durations
    state.change(healthcheck=Healthcheck(health.test, interval, timeout, period, start, health.retries))
    times = " ".join(quote(duration(value)) for value in health.durations)
    state.history.append(f"HEALTHCHECK &{{{quote_list(health.test)} {times} {quote_number(health.retries)}}}")


def apply_expose(state: State, instruction: Words) -> None:
    """Add ports."""
    ports: list[str] = []
    for word in sorted(instruction.words, key=lambda word: word.text):
        for text in state.expand_words(word.text, word.span):
            try:
                ports += exposed(text)
            except ValueError as error:
                raise CirfileError(
                    word.span, "port", str(error), "write for example `EXPOSE 8080/tcp`"
                ) from None
    state.change(exposed_ports=tuple(sorted({*state.config.exposed_ports, *ports})))
    state.history.append(f"EXPOSE [{' '.join(ports)}]")


def apply_volume(state: State, instruction: Words) -> None:
    """Add volumes."""
    paths = [state.expand(word.text, word.span) for word in instruction.words]
    if not all(paths):
        empty = instruction.words[paths.index("")]
        raise CirfileError(
            empty.span, "volume", f"the path `{empty.text}` is empty after expansion", "write `VOLUME /data`"
        )
    state.change(volumes=tuple(sorted({*state.config.volumes, *paths})))
    state.history.append(f"VOLUME [{' '.join(paths)}]")


def apply_user(state: State, instruction: Words) -> None:
    """Set the user."""
    user = state.expand(instruction.words[0].text, instruction.words[0].span)
    if number := strange_number(user):
        raise CirfileError(
            instruction.words[0].span, "owner",
            f"`{number}` is no user or group: numbers go from 0 to 4294967294", "write for example `USER 1000:1000`",
        )  # fmt: skip
    state.change(user=user)
    state.history.append(f"USER {user}")


def apply_stopsignal(state: State, instruction: Words) -> None:
    """Set the stop signal."""
    word = instruction.words[0]
    signal = state.expand(word.text, word.span)
    if not is_signal(signal):
        hint = (
            did_you_mean(f"SIG{signal.upper().removeprefix('SIG')}", [f"SIG{name}" for name in NAMES])
            or "write for example `STOPSIGNAL SIGTERM`"
        )
        raise CirfileError(word.span, "signal", f"`{signal}` is no signal", hint)
    state.change(stop_signal=signal)
    state.history.append(f"STOPSIGNAL {signal}")


def apply_maintainer(state: State, instruction: Words) -> None:
    """Set the author of the image."""
    state.author = instruction.words[0].text
    state.history.append(f"MAINTAINER {state.author}")
