"""Instructions that bring files: ``COPY`` and ``ADD``."""

from __future__ import annotations

from cirfile.errors import CirfileError
from cirfile.flags import LIST, SWITCH, TEXT, Flags
from cirfile.grammar.common import exec_form, missing, with_flags
from cirfile.lines import Heredoc, Line, parse_heredoc
from cirfile.syntax import CopyFiles
from cirfile.words import Word, split_blank

_BOTH = {"chown": TEXT, "chmod": TEXT, "link": SWITCH, "exclude": LIST}
_COPY = _BOTH | {"from": TEXT, "parents": SWITCH}
_ADD = _BOTH | {"keep-git-dir": SWITCH, "checksum": TEXT, "unpack": SWITCH}


def parse_copy(line: Line) -> CopyFiles:
    """Parse ``COPY``: files of the build context, a named context or an image.

        COPY [--from=ORIGIN] [--chown=USER[:GROUP]] [--chmod=MODE] [--link] [--parents]
             [--exclude=PATTERN] SOURCE ... DESTINATION

    Copy files of the build context, or of ``ORIGIN``: an image or a named context of ``--build-context``.
    A source may be a pattern (``*``, ``?``, ``[...]``) or a here-document (``<<NAME``). A destination
    that ends with ``/`` is a folder. Words that hold blanks need the array form ``COPY ["a b", "c"]``.
    ``/.cir`` belongs to the image: what ``COPY . /`` would put there is left out.
    """
    return _files("COPY", line, _COPY)


def parse_add(line: Line) -> CopyFiles:
    """Parse ``ADD``: files, archives and addresses.

        ADD [--chown=USER[:GROUP]] [--chmod=MODE] [--link] [--exclude=PATTERN] [--checksum=DIGEST]
            [--keep-git-dir] [--unpack] SOURCE ... DESTINATION

    As ``COPY``, and unpacks local archives and fetches ``http``, ``https`` and git addresses.
    ``--unpack`` unpacks fetched archives too, ``--unpack=false`` none.
    """
    return _files("ADD", line, _ADD)


def _files(keyword: str, line: Line, kinds: dict[str, str]) -> CopyFiles:
    flags, words = _sources(keyword, line, kinds)
    *sources, destination = words
    if parse_heredoc(destination.text):
        raise CirfileError(
            destination.span, "heredoc-destination", "a here-document cannot be the destination",
            f"write `{keyword} <<NAME /path/of/the/file`",
        )  # fmt: skip
    documents = {doc.name: doc for doc in line.heredocs}
    announced = [(word, parse_heredoc(word.text)) for word in sources]
    inline = [documents[doc.name] for _, doc in announced if doc and doc.name in documents]
    return CopyFiles(
        keyword,
        line,
        sources=tuple(word for word, doc in announced if not doc),
        documents=_in_order(inline),
        destination=destination,
        origin=_origin(flags),
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        checksum=flags.text("checksum"),
        exclude=flags.list("exclude"),
        link=bool(flags.switch("link")),
        parents=bool(flags.switch("parents")),
        unpack=flags.switch("unpack"),
        keep_git_dir=flags.switch("keep-git-dir"),
    )


def _sources(keyword: str, line: Line, kinds: dict[str, str]) -> tuple[Flags, list[Word]]:
    """Return flags and words. Raise `CirfileError` where there is no source or no destination."""
    flags, rest, offset = with_flags(keyword, line, kinds)
    listed = exec_form(rest, line, offset)
    if listed is None:
        words = [line.word(text, offset + at) for text, at in split_blank(rest)]
    else:
        words = [Word(text, line.word(rest, offset).span) for text in listed]
    if not words:
        raise missing(keyword, line, "a source and a destination", f"{keyword} app.py /app/")
    if len(words) == 1:
        raise CirfileError(
            words[0].span, "missing-destination", f"{keyword} has a source but no destination",
            f"write `{keyword} {words[0].text} .` to put it into the working folder",
        )  # fmt: skip
    return flags, words


def _in_order(documents: list[Heredoc]) -> tuple[Heredoc, ...]:
    """Drop repetitions: of two documents with one name only the last exists."""
    return tuple({doc.name: doc for doc in documents}.values())


def _origin(flags: Flags) -> Word | None:
    """Return the value of ``--from``; stages and variables cannot be named there."""
    word = flags.text("from")
    if word is None or not word.text:
        return None
    if "$" in word.text:
        raise CirfileError(
            word.span, "copy-from-variable", "variables are not expanded in `--from`",
            "write the image or the named context itself",
        )  # fmt: skip
    if word.text.isdecimal():
        raise CirfileError(
            word.span, "copy-from-stage", f"`--from={word.text}` names a stage, and there is one only",
            "name an image or a context of `--build-context`",
        )  # fmt: skip
    return word
