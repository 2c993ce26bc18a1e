"""``REQUIRE`` lines to the requirements, constraints and indexes of the manifest."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from cirfile.ecosystems import indexes, pypi
from cirfile.ecosystems.notation import Item, NotationError
from cirfile.errors import CirfileError
from cirfile.expand import Expander
from cirfile.gotext import clean
from cirfile.manifest import Index, Requirement
from cirfile.planning.state import State
from cirfile.source import Source, Span
from cirfile.suggest import did_you_mean
from cirfile.syntax import Cirfile, Require

if TYPE_CHECKING:
    from cirfile.ecosystems.requirements_file import Contents

_FILE_OPTIONS = {"-r": False, "--requirement": False, "-c": True, "--constraint": True}
_PYPROJECT = re.compile(r"((?:.*/)?pyproject\.toml)(?:\[([^\]]*)\])?\Z", re.DOTALL)


def apply_require(state: State, instruction: Require) -> None:
    """Expand, split and check one ``REQUIRE`` line."""
    whole = instruction.line.word(instruction.arguments, instruction.offset).span
    expander = Expander(state.cirfile.escape, quotes=False)
    text = state.expand_with(expander, instruction.arguments, whole)
    line = _RequireLine(state, instruction, whole if text != instruction.arguments else None)
    items = _split(instruction.ecosystem, text)
    if not items:
        raise CirfileError(
            whole, "missing-argument", "nothing is left to require after expansion",
            "give the variable a default: `${NAME:-package}`",
        )  # fmt: skip
    line.add(items)
    state.history.append(" ".join(instruction.line.text.split()))


def _split(ecosystem: str, text: str) -> list[Item]:
    if ecosystem == "pypi":
        return pypi.split(text)
    from cirfile.ecosystems import relations  # late, as all that only some files need

    return relations.split(text)


class _RequireLine:
    """One line while its items are read. ``span`` is set where expansion moved the items about."""

    def __init__(self, state: State, instruction: Require, span: Span | None) -> None:
        self._state = state
        self._line = instruction
        self._span = span
        self._needs = state.needs

    def _place(self, item: Item) -> Span:
        if self._span:
            return self._span
        return self._line.line.word(item.text, self._line.offset + item.offset, item.length).span

    def add(self, items: list[Item]) -> None:
        rest = iter(items)
        for item in rest:
            span = self._place(item)
            try:
                if self._line.ecosystem == "pypi" and item.text.startswith("-"):
                    self._option(item, next(rest, None) if "=" not in item.text else None, span)
                else:
                    self._check(item.text)
                    self._needs.add(Requirement(self._line.ecosystem, item.text, self._line.when), span)
            except NotationError as error:
                raise CirfileError(span, "requirement", str(error), error.hint) from None

    def _check(self, text: str) -> None:
        if self._line.ecosystem == "pypi":
            if re.fullmatch(r"\S*requirements\S*\.txt|\S*pyproject\.toml(?:\[.*\])?", text):
                raise NotationError(f"`{text}` is a file, not a package", f"write `REQUIRE pypi -r {text}`")
            pypi.check(text)
            return
        from cirfile.ecosystems import relations  # late, see above

        (relations.check_deb if self._line.ecosystem == "deb" else relations.check_cran)(text)

    def _option(self, item: Item, following: Item | None, span: Span) -> None:
        option, equals, value = item.text.partition("=")
        known = (*_FILE_OPTIONS, *indexes.OPTIONS)
        if option not in known:
            hint = (
                did_you_mean(option, known)
                or "the options are `-r FILE`, `-c FILE`, `--index-url`, `--extra-index-url`"
            )
            raise NotationError(f"`{option}` is no option of REQUIRE", hint)
        if not equals:
            value = following.text if following else ""
        if not value or (following and following.text.startswith("-")):
            raise NotationError(f"the option `{option}` needs a value", f"write `{option} VALUE`")
        if option in _FILE_OPTIONS:
            self._file(value, _FILE_OPTIONS[option], self._place(following) if following else span)
            return
        place = self._place(following) if following else span
        try:
            indexes.check(value)
        except NotationError as error:
            raise CirfileError(place, "index", str(error), error.hint) from None
        self._needs.indexes.append((Index("pypi", value, indexes.OPTIONS[option]), place))

    def _file(self, value: str, constraint: bool, span: Span) -> None:
        try:
            contents = self._contents(value, constraint, span)
        except FileNotFoundError:
            raise CirfileError(
                span, "file-not-found", f"there is no file `{value}` in the build context",
                "check the path, which is relative to the context, and the ignore file",
            ) from None  # fmt: skip
        except IsADirectoryError:
            raise CirfileError(
                span, "file-not-found", f"`{value}` is a folder of the build context", "name a file in it"
            ) from None
        for entry in contents.entries:
            requirement = Requirement("pypi", entry.text, self._line.when, entry.hashes)
            self._needs.add(requirement, span, entry.constraint)
        self._needs.indexes += [(index, span) for index in contents.indexes]
        self._needs.require_hashes |= contents.require_hashes

    def _contents(self, value: str, constraint: bool, span: Span) -> Contents:
        if "://" in value:
            raise NotationError(f"`{value}` is an address", "put the file into the build context")
        from cirfile.ecosystems import requirements_file  # late, see above

        match = _PYPROJECT.match(value)
        if not match:
            return requirements_file.parse_requirements(
                value, lambda path: self._read(path, span), constraint
            )
        from cirfile.ecosystems.pyproject import parse_pyproject  # late, see above

        extras = tuple(extra.strip() for extra in (match[2] or "").split(",") if extra.strip())
        try:
            texts = parse_pyproject(self._read(match[1], span).text, extras)
        except NotationError as error:
            raise CirfileError(span, "pyproject", f"`{match[1]}`: {error}", error.hint) from None
        return requirements_file.Contents(tuple(requirements_file.Entry(text, constraint) for text in texts))

    def _read(self, path: str, span: Span) -> Source:
        inside = clean(path.lstrip("/"))
        if self._state.request.read is None:
            raise CirfileError(
                span, "no-context", f"`{path}` cannot be read: there is no build context",
                "name the requirements themselves, or build with a context",
            )  # fmt: skip
        if inside == ".." or inside.startswith("../"):
            raise CirfileError(
                span,
                "outside-context",
                f"`{path}` lies outside of the build context",
                "move the file into the context",
            )
        return Source(inside, self._state.request.read(inside))


def files_named(cirfile: Cirfile) -> list[str]:
    """Return the files that ``REQUIRE`` lines name outright, so that a builder can fetch them ahead."""
    lines = (each for each in cirfile.instructions if isinstance(each, Require) and each.ecosystem == "pypi")
    words = [word for line in lines for word in line.arguments.split()]
    named = (value for option, value in pairwise(words) if option in _FILE_OPTIONS)
    plain = [value for value in named if re.fullmatch(r"[\w./-]+", value)]
    return [clean(value.lstrip("/")) for value in plain if not _PYPROJECT.match(value) and ".." not in value]


def all_indexes(state: State) -> tuple[Index, ...]:
    """Return the indexes of the lines and, for roles no line gives, those that variables name.

    Raise `CirfileError` on two default indexes, or a malformed one.
    """
    if not any(requirement.ecosystem == "pypi" for requirement in state.needs.requirements):
        return ()
    found: dict[Index, None] = {}
    for index, span in state.needs.indexes:
        default = next((other for other in found if other.role == indexes.DEFAULT), index)
        if index.role == indexes.DEFAULT and default != index:
            raise CirfileError(
                span, "two-indexes", f"`{index.url}` and `{default.url}` cannot both be the default",
                "name one of them with `--extra-index-url`",
            )  # fmt: skip
        found[index] = None
    given = {index.role for index in found}
    asked = indexes.from_variables(state.globals.given)
    roles = {index.role for _, index in asked}
    asked += [
        (name, index) for name, index in indexes.from_variables(state.values) if index.role not in roles
    ]
    for name, index in asked:
        if index.role in given:
            continue
        try:
            indexes.check(index.url)
        except NotationError as error:
            span = state.cirfile.base.span
            raise CirfileError(span, "index", f"`{name}`: {error}", error.hint) from None
        default = next((other for other in found if other.role == indexes.DEFAULT), index)
        if index.role == indexes.DEFAULT and default != index:
            raise CirfileError(
                state.cirfile.base.span, "two-indexes",
                f"`{name}` names two default indexes, `{default.url}` and `{index.url}`",
                "name one of them in `UV_INDEX` or `PIP_EXTRA_INDEX_URL`",
            )  # fmt: skip
        found[index] = None
    return tuple(found)
