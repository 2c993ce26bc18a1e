"""Text to syntax: `parse` reads a whole Cirfile, `parse_instruction` one logical line."""

from __future__ import annotations

from collections.abc import Callable

from cirfile.errors import CirfileError, raise_all
from cirfile.grammar import commands, files, needs, refused, settings
from cirfile.keywords import ALL
from cirfile.lines import Line, Reader
from cirfile.source import Source, Span
from cirfile.syntax import Cirfile, From, Instruction, Pairs, PinAt

#: The parse function of every instruction, in the order the reference lists them.
GRAMMAR: dict[str, Callable[[Line], Instruction]] = {
    "FROM": settings.parse_from,
    "ARG": settings.parse_arg,
    "REQUIRE": needs.parse_require,
    "PLATFORMS": needs.parse_platforms,
    "PIN": needs.parse_pin,
    "SETUP": commands.parse_setup,
    "COPY": files.parse_copy,
    "ADD": files.parse_add,
    "WORKDIR": settings.parse_workdir,
    "ENV": settings.parse_env,
    "ENTRYPOINT": commands.parse_entrypoint,
    "CMD": commands.parse_cmd,
    "SHELL": commands.parse_shell,
    "USER": settings.parse_user,
    "EXPOSE": settings.parse_expose,
    "VOLUME": settings.parse_volume,
    "HEALTHCHECK": commands.parse_healthcheck,
    "STOPSIGNAL": settings.parse_stopsignal,
    "LABEL": settings.parse_label,
    "MAINTAINER": settings.parse_maintainer,
}

#: Instructions that are always an error, and what says so.
REFUSALS: dict[str, Callable[[Line], CirfileError]] = {
    "RUN": refused.refuse_run,
    "ONBUILD": refused.refuse_onbuild,
}


def parse(source: Source) -> Cirfile:
    """Parse a Cirfile. Raise `CirfileError`, with every mistake of the file attached to the first."""
    _check_text(source)
    reader = Reader(source)
    lines, errors = reader.read()
    found: list[Instruction] = []
    for line in lines:
        try:
            found.append(parse_instruction(line))
        except CirfileError as error:
            errors.append(error)
    named = any(line.keyword().text.upper() == "FROM" for line in lines)
    errors += _order_errors(found, source, named)
    raise_all(sorted(errors, key=lambda error: (error.span.line, error.span.column)), source)
    position = next(i for i, instruction in enumerate(found) if isinstance(instruction, From))
    base = found[position]
    assert isinstance(base, From)  # noqa: S101 - chosen by that test one line above; for the type checker
    return Cirfile(
        source,
        arguments=tuple(one for one in found[:position] if isinstance(one, Pairs)),
        base=base,
        instructions=tuple(found[position + 1 :]),
        escape=reader.directives.escape,
        directives=tuple((name, *value) for name, value in reader.directives.found.items()),
    )


def parse_instruction(line: Line) -> Instruction:
    """Parse one logical line. Raise `CirfileError` where it is no valid instruction."""
    keyword = line.keyword().text.upper()
    if keyword in REFUSALS:
        raise REFUSALS[keyword](line)
    if keyword not in GRAMMAR:
        raise settings.unknown(line, ALL)
    return GRAMMAR[keyword](line)


def _check_text(source: Source) -> None:
    """Refuse what no file of text holds: NUL characters and halves of UTF-16 pairs."""
    for number, line in enumerate(source.lines(), 1):
        for column, letter in enumerate(line, 1):
            if letter == "\0" or "\ud800" <= letter <= "\udfff":
                raise CirfileError(
                    Span(number, column), "not-text", "this is not text: it holds a character no text has",
                    "save the file as UTF-8", source,
                )  # fmt: skip


def _order_errors(found: list[Instruction], source: Source, named: bool) -> list[CirfileError]:
    """Check what is said of the file as a whole: one ``FROM``, first; one ``PIN``."""
    errors: list[CirfileError] = []
    bases = [one for one in found if isinstance(one, From)]
    if not bases:
        return [] if named else [_no_base(found, source)]
    errors += [
        CirfileError(
            one.line.keyword().span,
            "before-from",
            f"{one.keyword} comes before FROM",
            "begin with `FROM image` or `FROM scratch`; only ARG may stand above it",
        )
        for one in found[: found.index(bases[0])]
        if one.keyword != "ARG"
    ]
    errors += [
        CirfileError(
            second.line.keyword().span,
            "second-from",
            "a Cirfile has one FROM",
            "build other stages with a Dockerfile and copy from them: "
            "`--build-context name=docker-image://image` and `COPY --from=name`",
        )
        for second in bases[1:]
    ]
    return errors + _pin_errors([one for one in found if isinstance(one, PinAt)])


def _no_base(found: list[Instruction], source: Source) -> CirfileError:
    last = found[-1].span.last_line if found else 1
    text = "the file has no FROM" if found else "the file holds no instruction"
    last = min(last, len(source.lines()))
    return CirfileError(Span(last), "no-from", text, "begin with `FROM image`, or `FROM scratch` for none")


def _pin_errors(pins: list[PinAt]) -> list[CirfileError]:
    return [
        CirfileError(
            pin.span,
            "repeated-pin",
            f"PIN is already given on line {pins[0].span.line}",
            "keep one of the two lines",
        )
        for pin in pins[1:]
    ]
