"""Instructions that set the configuration of the image: names, values and single words."""

from __future__ import annotations

import re

from cirfile.errors import CirfileError
from cirfile.flags import TEXT
from cirfile.gotext import SPACE
from cirfile.grammar.common import exec_form, missing, no_flags, one_argument, pairs, with_flags
from cirfile.lines import Line
from cirfile.suggest import nearest
from cirfile.syntax import From, Pair, Pairs, Words
from cirfile.words import Word, split_blank, split_quoted

_STAGE = re.compile(r"[a-z][a-z0-9-_.]*\Z")


def parse_from(line: Line) -> From:
    """Parse ``FROM``: what the image stands on.

        FROM [--platform=PLATFORM] IMAGE [AS NAME]

    The image the application stands on, or ``scratch`` for none. Exactly one; only ``ARG`` may come
    before it. Its layers become the lowest of the result and are not unpacked at build. ``NAME`` is what
    ``--target`` may name. Variables of ``ARG`` lines above are expanded. An image made from a Cirfile cannot
    be the base of another.
    """
    flags, rest, offset = with_flags("FROM", line, {"platform": TEXT})
    words = [line.word(text, offset + at) for text, at in split_blank(rest)]
    if not words:
        raise missing("FROM", line, "an image", "FROM python:3.11-slim")
    if len(words) == 1:
        return From("FROM", line, words[0], flags.text("platform"))
    if len(words) != 3 or words[1].text.upper() != "AS":
        raise CirfileError(
            words[1].span, "from-form", "FROM takes an image and nothing else but a name",
            "write `FROM image` or `FROM image AS name`",
        )  # fmt: skip
    name = words[2].text.lower()
    if not _STAGE.match(name):
        raise CirfileError(
            words[2].span, "stage-name", f"`{words[2].text}` cannot be the name of a stage",
            "begin with a letter and use only letters, digits, `-`, `_` and `.`",
        )  # fmt: skip
    return From("FROM", line, words[0], flags.text("platform"), name)


def parse_arg(line: Line) -> Pairs:
    """Parse ``ARG``: a variable that the command line may set.

        ARG NAME[=DEFAULT] ...

    A variable that ``--build-arg NAME=value`` sets. Above ``FROM`` it is seen by ``FROM`` only, and
    below after a bare ``ARG NAME``. A comment ``# NAME what it is for`` right above describes it.
    Predefined: ``TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT TARGETSTAGE``, the same with ``BUILD``,
    and the proxy variables.
    """
    rest, offset = no_flags("ARG", line)
    words = split_quoted(rest, line.escape)
    if not words:
        raise missing("ARG", line, "a name", "ARG VERSION=1.0")
    found: list[Pair] = []
    for text, at in words:
        name, equals, value = text.partition("=")
        span = line.word(text, offset + at).span
        if not name:
            raise CirfileError(
                span, "missing-name", "there is no name before `=`", "write `ARG NAME=default`"
            )
        found.append(Pair(name, value if equals else None, span))
    return Pairs("ARG", line, tuple(found))


def parse_env(line: Line) -> Pairs:
    """Parse ``ENV``: environment of the application.

        ENV NAME=VALUE ...
        ENV NAME VALUE

    Environment variables of the running application; later lines may use them as ``$NAME``.
    """
    return Pairs("ENV", line, pairs("ENV", line))


def parse_label(line: Line) -> Pairs:
    """Parse ``LABEL``: labels of the image.

        LABEL NAME=VALUE ...

    Labels of the image. Those of ``--label`` win.
    """
    return Pairs("LABEL", line, pairs("LABEL", line))


def parse_expose(line: Line) -> Words:
    """Parse ``EXPOSE``: ports.

        EXPOSE PORT[-PORT][/PROTOCOL] ...

    Ports the application listens on; the protocol is ``tcp`` (default), ``udp`` or ``sctp``.
    """
    rest, offset = no_flags("EXPOSE", line)
    words = [line.word(text, offset + at) for text, at in split_blank(rest)]
    if not words:
        raise missing("EXPOSE", line, "a port", "EXPOSE 8080")
    return Words("EXPOSE", line, tuple(words))


def parse_volume(line: Line) -> Words:
    """Parse ``VOLUME``: folders with data of their own.

        VOLUME PATH ...
        VOLUME ["PATH", ...]

    Folders that hold data of their own, outside of the image.
    """
    rest, offset = no_flags("VOLUME", line)
    listed = exec_form(rest, line, offset)
    if listed is None:
        words = [line.word(text, offset + at) for text, at in split_blank(rest)]
    else:
        words = [Word(text.strip(SPACE), line.word(rest, offset).span) for text in listed]
    if not words or not all(word.text for word in words):
        raise missing("VOLUME", line, "a path", "VOLUME /data")
    return Words("VOLUME", line, tuple(words))


def parse_workdir(line: Line) -> Words:
    """Parse ``WORKDIR``: the working folder.

        WORKDIR PATH

    The working folder of the application and of relative destinations below this line; made where it is
    missing. A relative path continues the one before.
    """
    return Words("WORKDIR", line, (one_argument("WORKDIR", line, "a path", "WORKDIR /app"),))


def parse_user(line: Line) -> Words:
    """Parse ``USER``: who the application runs as.

        USER NAME|NUMBER[:GROUP]

    Who the application runs as. A number needs no entry in the base's ``/etc/passwd``.
    """
    return Words("USER", line, (one_argument("USER", line, "a user", "USER 1000"),))


def parse_stopsignal(line: Line) -> Words:
    """Parse ``STOPSIGNAL``: how the application is asked to stop.

        STOPSIGNAL SIGNAL

    The signal that asks the application to stop, by name (``SIGTERM``) or number.
    """
    return Words("STOPSIGNAL", line, (one_argument("STOPSIGNAL", line, "a signal", "STOPSIGNAL SIGINT"),))


def parse_maintainer(line: Line) -> Words:
    """Parse ``MAINTAINER``: the author, deprecated.

        MAINTAINER NAME

    Deprecated: sets the author of the image. Write ``LABEL org.opencontainers.image.authors=NAME``.
    """
    word = one_argument("MAINTAINER", line, "a name", 'LABEL org.opencontainers.image.authors="Ada"')
    return Words("MAINTAINER", line, (word,))


def unknown(line: Line, keywords: tuple[str, ...]) -> CirfileError:
    """Return the complaint about an instruction the language does not have."""
    word = line.keyword()
    match = _MEANT.get(word.text.upper()) or nearest(word.text, keywords)
    hint = f"did you mean `{match}`?" if match else "the instructions are " + " ".join(keywords)
    return CirfileError(word.span, "unknown-instruction", f"`{word.text}` is no instruction", hint)


#: Words people write for instructions that have another name.
_MEANT = {
    "APT": "REQUIRE deb", "APT-GET": "REQUIRE deb", "CONDA": "REQUIRE pypi", "CRAN": "REQUIRE cran",
    "DEB": "REQUIRE deb", "DEPENDS": "REQUIRE", "INSTALL": "REQUIRE", "PIP": "REQUIRE pypi",
    "PYPI": "REQUIRE pypi", "UV": "REQUIRE pypi",
}  # fmt: skip
