"""Environment markers: parse, evaluate, and list what they ask for.

The grammar is that of PEP 508 with the set variables of PEP 751 (``"x" in extras``), see
https://packaging.python.org/en/latest/specifications/dependency-specifiers/. Standard library only, so
that whatever reads a lock (the shim too) can carry this module.

A lock says conditions that PEP 508 has no variable for in the set variable ``extras``: the platform
fact ``accelerator`` with the value ``cuda`` is the member ``accelerator=cuda``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

#: Variable -> text, or the set of texts for ``extras`` and ``dependency_groups``.
Environment = Mapping[str, "str | frozenset[str]"]

#: Variables that hold a version of Python and are compared as versions; for CPython the last is one too.
PYTHON_VARIABLES = frozenset({"python_version", "python_full_version", "implementation_version"})
SET_VARIABLES = frozenset({"extras", "dependency_groups"})

#: What every platform of this product has in common: CPython on Linux.
LINUX: Mapping[str, str] = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "extra": "",
}

_VARIABLES = frozenset(
    {*LINUX, *PYTHON_VARIABLES, *SET_VARIABLES} | {"platform_machine", "platform_release", "platform_version"}
)
#: Spellings of setuptools that PEP 508 still allows.
_LEGACY = {
    "os.name": "os_name",
    "sys.platform": "sys_platform",
    "platform.version": "platform_version",
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<paren>[()])
      | (?P<op><=|>=|===|==|~=|!=|<|>)
      | (?P<text>'[^']*'|"[^"]*")
      | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
    )""",
    re.VERBOSE,
)
_VERSION = re.compile(
    r"v?(\d+(?:\.\d+)*)(\.\*)?(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview|dev)[-_.]?\d*)?", re.IGNORECASE
)


class MarkerError(ValueError):
    """The text is not a marker; the message says where it stops making sense."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One comparison. ``variable`` may stand on either side; ``swapped`` tells it stood on the right."""

    variable: str
    op: str
    value: str
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Markers joined by ``and`` (``every``) or by ``or``."""

    every: bool
    members: tuple[Marker, ...]


Marker = Atom | Group


def parse(text: str) -> Marker:
    """Read a marker. Raise `MarkerError` where ``text`` is none."""
    parser = _Parser(text)
    marker = parser.any_of()
    parser.end()
    return marker


def atoms(marker: Marker) -> Iterator[Atom]:
    """Yield every comparison of a marker, from left to right."""
    if isinstance(marker, Atom):
        yield marker
    else:
        for member in marker.members:
            yield from atoms(member)


def evaluate(marker: Marker, environment: Environment, unknown: bool = False) -> bool:
    """Tell whether ``marker`` holds; a comparison with a variable that is not given counts as ``unknown``."""
    if isinstance(marker, Group):
        results = (evaluate(member, environment, unknown) for member in marker.members)
        return all(results) if marker.every else any(results)
    if marker.variable not in environment:
        return unknown
    return _compare(marker, environment[marker.variable])


def version(text: str) -> tuple[tuple[int, ...], int]:
    """Return the release numbers of a PEP 440 version and -1 for a pre-release of it, else 0."""
    match = _VERSION.match(text.strip())
    if match is None:
        raise MarkerError(f"{text!r} is not a version")
    release = tuple(int(part) for part in match.group(1).split("."))
    return release, -1 if match.group(3) else 0


def _compare(atom: Atom, actual: str | frozenset[str]) -> bool:
    if isinstance(actual, frozenset):
        return (atom.value in actual) == (atom.op == "in")
    if atom.op in ("in", "not in"):
        inside = actual in atom.value if not atom.swapped else atom.value in actual
        return inside == (atom.op == "in")
    if atom.variable in PYTHON_VARIABLES:
        op = _MIRRORED.get(atom.op, atom.op) if atom.swapped else atom.op
        return _compare_versions(actual, op, atom.value)
    left, right = (atom.value, actual) if atom.swapped else (actual, atom.value)
    return _TEXT_OPS[atom.op](left, right)


def _compare_versions(actual: str, op: str, wanted: str) -> bool:
    """Compare a final release of Python with a PEP 440 clause."""
    have, _ = version(actual)
    want, pre = version(wanted)
    if wanted.endswith(".*"):
        same = _pad(have, len(want))[: len(want)] == want
        return same if op == "==" else not same
    if op == "~=":
        at_least = (_pad(have), 0) >= (_pad(want), pre)
        return at_least and have[: len(want) - 1] == want[:-1]
    return _VERSION_OPS[op]((_pad(have), 0), (_pad(want), pre))


def _pad(release: tuple[int, ...], length: int = 4) -> tuple[int, ...]:
    return release + (0,) * (length - len(release))


_Versions = tuple[tuple[int, ...], int]
_VERSION_OPS: dict[str, Callable[[_Versions, _Versions], bool]] = {
    "==": lambda a, b: a == b,
    "===": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_TEXT_OPS: dict[str, Callable[[str, str], bool]] = {
    "==": lambda a, b: a == b,
    "===": lambda a, b: a == b,
    "~=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class _Parser:
    """A cursor over the tokens of one marker."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._kind, self._token = "", ""
        self._depth = 0
        self._advance()

    def _advance(self) -> tuple[str, str]:
        current = self._kind, self._token
        rest = self._text[self._position :]
        if not rest.strip():
            self._kind, self._token = "end", ""
            return current
        match = _TOKEN.match(rest)
        if match is None:
            raise self._error("a variable, a quoted text or an operator")
        self._position += match.end()
        self._kind, self._token = str(match.lastgroup), match.group(str(match.lastgroup))
        return current

    def _error(self, wanted: str) -> MarkerError:
        return MarkerError(f"expected {wanted} near column {self._position + 1} of marker {self._text!r}")

    def end(self) -> None:
        """Insist that nothing is left."""
        if self._kind != "end":
            raise self._error("`and`, `or` or the end")

    def any_of(self) -> Marker:
        """``marker_or = marker_and ('or' marker_and)*``."""
        return self._joined("or", self._all_of)

    def _all_of(self) -> Marker:
        """``marker_and = marker_expr ('and' marker_expr)*``."""
        return self._joined("and", self._expression)

    def _joined(self, word: str, member: Callable[[], Marker]) -> Marker:
        members = [member()]
        while (self._kind, self._token) == ("word", word):
            self._advance()
            members.append(member())
        return members[0] if len(members) == 1 else Group(word == "and", tuple(members))

    def _expression(self) -> Marker:
        """``marker_expr = marker_var op marker_var | '(' marker_or ')'``."""
        if (self._kind, self._token) == ("paren", "("):
            return self._parenthesised()
        left_kind, left = self._operand()
        op = self._operator()
        right_kind, right = self._operand()
        if left_kind == right_kind:
            raise self._error("a comparison of a variable with a quoted text")
        if left_kind == "word":
            return self._checked(Atom(left, op, right))
        return self._checked(Atom(right, op, left, swapped=True))

    def _parenthesised(self) -> Marker:
        self._depth += 1
        if self._depth > 50:
            raise self._error("fewer nested parentheses")
        self._advance()
        marker = self.any_of()
        if (self._kind, self._token) != ("paren", ")"):
            raise self._error("`)`")
        self._advance()
        self._depth -= 1
        return marker

    def _checked(self, atom: Atom) -> Atom:
        if atom.variable in SET_VARIABLES and not (atom.swapped and atom.op in ("in", "not in")):
            raise self._error(f'`"…" in {atom.variable}`')
        if atom.variable in PYTHON_VARIABLES and atom.op not in ("in", "not in"):
            version(atom.value)
        return atom

    def _operand(self) -> tuple[str, str]:
        kind, token = self._advance()
        if kind == "text":
            return kind, token[1:-1]
        name = _LEGACY.get(token, token)
        if kind != "word" or name not in _VARIABLES:
            raise self._error("a variable or a quoted text")
        return kind, name

    def _operator(self) -> str:
        kind, token = self._advance()
        if kind == "op" or (kind, token) == ("word", "in"):
            return token
        if (kind, token) == ("word", "not") and (self._kind, self._token) == ("word", "in"):
            self._advance()
            return "not in"
        raise self._error("a comparison")
