"""Requirements files as pip reads them.

The format is that of https://pip.pypa.io/en/stable/reference/requirements-file-format/

Only what names packages of an index is taken; paths, addresses and options that change how packages
are built are refused with a way out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from cirfile.ecosystems import indexes, pypi
from cirfile.ecosystems.notation import NotationError
from cirfile.errors import CirfileError
from cirfile.manifest import Index
from cirfile.source import Source, Span
from cirfile.suggest import did_you_mean

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_HASH = re.compile(r"\s--hash[= ](\S+)")
_OPTION = re.compile(r"(--?[A-Za-z-]+)(?:[=\s]\s*(.*))?$", re.DOTALL)
_SHORT = re.compile(r"(-[rcief])([^-\s=].*)$")
#: Options without effect here: wheels are what is taken anyway, and every file is hashed.
_WITHOUT_EFFECT = ("--prefer-binary", "--only-binary", "--no-cache-dir", "--use-feature")
_REQUIRE_HASHES = "--require-hashes"
_REFUSED = {
    "-e": "name what the project needs: `REQUIRE pypi -r pyproject.toml`, and COPY its code",
    "-f": "publish the files to an index and name it with `--index-url`",
    "--no-index": "name the index that holds the packages with `--index-url`",
    "--no-binary": "only wheels are used; publish a wheel to an index and name it with `--extra-index-url`",
    "--pre": "name the pre-release in the bound: `package>=2.0rc1`",
    "--trusted-host": "give the build the certificate of the index: `--secret id=cir_ca,src=ca.pem`",
}
_LONG = {
    "--requirement": "-r", "--constraint": "-c", "--editable": "-e", "--find-links": "-f",
    "--index-url": "-i", "--pypi-url": "-i",
}  # fmt: skip
_DEEPEST = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One requirement or constraint with its hashes, as found in a file."""

    text: str
    constraint: bool = False
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """All a file says, the files it names included. With ``require_hashes`` nothing without a hash may be used."""

    entries: tuple[Entry, ...] = ()
    indexes: tuple[Index, ...] = ()
    require_hashes: bool = False


#: Reads a file of the build context by its path, and wraps it as a source.
Read = Callable[[str], Source]


def parse_requirements(
    path: str, read: Read, constraint: bool = False, above: tuple[str, ...] = ()
) -> Contents:
    """Read the requirements file at ``path``. Raise `CirfileError` that points into the file."""
    source = read(path)
    entries: list[Entry] = []
    found: list[Index] = []
    require_hashes = False
    for number, last, text in _logical_lines(source):
        span = Span(number, 1, last, len(source.lines()[last - 1].rstrip()) or 1)
        try:
            contents = _line(text, path, read, constraint, (*above, path), span)
        except NotationError as error:
            raise CirfileError(span, "requirements-file", str(error), error.hint, source) from None
        except CirfileError as error:
            raise error.in_source(source) from None
        entries += contents.entries
        found += contents.indexes
        require_hashes |= contents.require_hashes
    return Contents(tuple(entries), tuple(found), require_hashes)


def _logical_lines(source: Source) -> list[tuple[int, int, str]]:
    """Join continued lines and drop comments; return first and last line number and the text."""
    found: list[tuple[int, int, str]] = []
    parts: list[str] = []
    first = 0
    for number, raw in enumerate(source.lines(), 1):
        line = raw.rstrip("\r").removeprefix("\ufeff") if number == 1 else raw.rstrip("\r")
        first = first if parts else number
        bare = _COMMENT.sub("", line)
        if bare == line and line.endswith("\\"):
            parts.append(line[:-1])
            continue
        parts.append(bare)
        if text := "".join(parts).strip():
            found.append((first, number, text))
        parts = []
    if text := "".join(parts).strip():
        found.append((first, len(source.lines()), text))
    return found


def _line(text: str, path: str, read: Read, constraint: bool, above: tuple[str, ...], span: Span) -> Contents:
    if not text.startswith("-"):
        bare = re.split(r"\s--[a-z]", text, maxsplit=1)[0].strip()
        hashes = tuple(_HASH.findall(text))
        _check_options(text)
        pypi.check(bare)
        return Contents((Entry(bare, constraint, hashes),))
    match = _SHORT.match(text) or _OPTION.match(text)
    option, value = (match[1], (match[2] or "").strip()) if match else (text, "")
    option = _LONG.get(option, option)
    if option in ("-r", "-c"):
        return _included(value, path, read, constraint or option == "-c", above, span)
    if option in indexes.OPTIONS:
        indexes.check(value)
        return Contents((), (Index("pypi", value, indexes.OPTIONS[option]),))
    if option == _REQUIRE_HASHES:
        return Contents(require_hashes=True)
    if option in _WITHOUT_EFFECT:
        return Contents()
    known = (*indexes.OPTIONS, *_LONG, *_REFUSED, _REQUIRE_HASHES, "-r", "-c")
    raise NotationError(
        f"the option `{option}` cannot be used", _REFUSED.get(option) or did_you_mean(option, known)
    )


def _check_options(text: str) -> None:
    """Refuse options behind a requirement, other than hashes."""
    for option in re.findall(r"\s(--[a-z-]+)", text):
        if option != "--hash":
            raise NotationError(
                f"the option `{option}` cannot be used with a requirement",
                "wheels are taken as they are, never built",
            )


def _included(
    value: str, path: str, read: Read, constraint: bool, above: tuple[str, ...], span: Span
) -> Contents:
    if not value:
        raise NotationError("the option names no file", "write `-r other.txt`")
    if "://" in value:
        raise NotationError(f"`{value}` is an address", "put the file into the build context")
    folder = path.rpartition("/")[0]
    inner = f"{folder}/{value}" if folder and not value.startswith("/") else value
    if inner in above or len(above) >= _DEEPEST:
        raise NotationError(f"`{value}` includes itself", "remove one of the `-r` lines")
    try:
        return parse_requirements(inner, read, constraint, above)
    except FileNotFoundError:
        raise CirfileError(
            span, "file-not-found", f"there is no file `{inner}` in the build context",
            "check the path, which is relative to this file, and the ignore file",
        ) from None  # fmt: skip
