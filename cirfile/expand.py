"""Expansion of ``$name`` and ``${name...}``, with the quotes and escapes of the Dockerfile language.

The rules are those of BuildKit's word lexer, which imitates a shell: single quotes protect all, double
quotes protect all but ``$`` and escapes, the escape character protects the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cirfile import patterns
from cirfile.gotext import SPACE

#: Longest result of one expansion, in characters: a guard against values that double with every line.
LONGEST = 1 << 20
_DEEPEST = 50
_SPECIAL = "@*#?-$!0"
#: What may follow a name inside braces.
_MODIFIERS = "+-?#%"


class ExpandError(ValueError):
    """The text cannot be expanded; the message says why."""


class RequiredError(ExpandError):
    """``${name:?message}`` found no value; ``name`` is the variable."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(slots=True)
class Expansion:
    """The result: the whole text, the same split into words, and the names that were looked up."""

    text: str = ""
    words: list[str] = field(default_factory=list)
    matched: set[str] = field(default_factory=set)
    unmatched: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Expander:
    """How to expand: the escape character and what to leave as written.

    ``raw_quotes`` and ``raw_escapes`` keep quotes and escapes in the result, ``quotes=False`` treats
    quotes as ordinary letters, ``keep_unset`` leaves names without a value as written.
    """

    escape: str = "\\"
    raw_quotes: bool = False
    raw_escapes: bool = False
    quotes: bool = True
    keep_unset: bool = False

    def expand(self, text: str, values: Mapping[str, str]) -> Expansion:
        """Expand ``text``. Raise `ExpandError` where it is malformed or a ``${x:?}`` demands it."""
        return _Run(self, text, values).run()


class _Words:
    """Collects the words of a result: split at white space that was neither quoted nor escaped."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._open: list[str] = []

    def add(self, text: str) -> None:
        for letter in text:
            if letter not in SPACE:
                self._open.append(letter)
            elif self._open:
                self.close()

    def add_raw(self, text: str) -> None:
        if text:
            self._open.append(text)

    def close(self) -> list[str]:
        if self._open:
            self.words.append("".join(self._open))
            self._open.clear()
        return self.words


class _Run:
    """One expansion: a cursor over the text."""

    def __init__(self, rules: Expander, text: str, values: Mapping[str, str]) -> None:
        self._rules = rules
        self._text = text
        self._at = 0
        self._values = values
        self._raw_escapes = rules.raw_escapes
        self._depth = 0
        self.result = Expansion()

    def run(self) -> Expansion:
        self.result.text, self.result.words = self._until("")
        return self.result

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        letter = self._peek()
        self._at += 1
        return letter

    def _until(self, stop: str) -> tuple[str, list[str]]:
        """Expand up to ``stop`` (which is consumed), or to the end where ``stop`` is empty."""
        out: list[str] = []
        words = _Words()
        size = 0
        while letter := self._peek():
            if letter == stop:
                self._at += 1
                return "".join(out), words.close()
            piece = self._piece(letter, words)
            out.append(piece)
            size += len(piece)
            if size > LONGEST:
                raise ExpandError(f"the value grows beyond {LONGEST} characters")
        if stop:
            raise ExpandError(f"`{stop}` is missing after `${{`")
        return "".join(out), words.close()

    def _piece(self, letter: str, words: _Words) -> str:
        """Expand what begins with ``letter`` and add it to ``words``."""
        if letter == "$":
            piece = self._dollar()
            words.add(piece)
        elif letter in "'\"" and self._rules.quotes:
            piece = self._single() if letter == "'" else self._double()
            words.add_raw(piece)
        elif letter == "<":
            piece = self._heredoc_mark()
            words.add_raw(piece)
        elif letter == self._rules.escape:
            piece = self._escaped()
            words.add_raw(piece)
        else:
            piece = self._next()
            words.add(piece)
        return piece

    def _heredoc_mark(self) -> str:
        """Read ``<`` or ``<<``; blanks after the latter belong to it, so that it stays with its name."""
        start = self._at
        self._at += 1
        if self._peek() == "<":
            self._at += 1
            while self._peek() in ("\t", "\r", " "):
                self._at += 1
        return self._text[start : self._at]

    def _escaped(self) -> str:
        mark = self._next()
        return (mark if self._raw_escapes else "") + self._next()

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise ExpandError("a single quote is not closed")
        inner = self._text[self._at + 1 : end]
        self._at = end + 1
        return f"'{inner}'" if self._rules.raw_quotes else inner

    def _double(self) -> str:
        quote = self._next() if self._rules.raw_quotes else self._next()[:0]
        out = [quote]
        size = 0
        while letter := self._peek():
            if letter == '"':
                self._at += 1
                return "".join([*out, quote])
            if letter == "$":
                out.append(self._dollar())
            elif letter == self._rules.escape:
                out.append(self._escaped_in_double())
            else:
                out.append(self._next())
            size += len(out[-1])
            if size > LONGEST:
                raise ExpandError(f"the value grows beyond {LONGEST} characters")
        raise ExpandError("a double quote is not closed")

    def _escaped_in_double(self) -> str:
        """Inside double quotes only ``"``, ``$`` and the escape character itself can be protected."""
        mark = self._next()
        raw = mark if self._raw_escapes else ""
        following = self._peek()
        if not following:
            return raw
        return raw + (self._next() if following in ('"', "$", self._rules.escape) else mark)

    def _dollar(self) -> str:
        self._at += 1
        if self._peek() == "{":
            self._depth += 1
            if self._depth > _DEEPEST:
                raise ExpandError(f"`${{` is nested more than {_DEEPEST} deep")
            value = self._braces()
            self._depth -= 1
            return value
        name = self._name()
        if not name:
            return "$"
        value, known = self._look_up(name)
        return value if known or not self._rules.keep_unset else "$" + name

    def _name(self) -> str:
        """Read a name: letters, digits and ``_``; or only digits; or one special character."""
        start = self._at
        first = self._peek()
        if first and first in _SPECIAL and first != "0":
            self._at += 1
        elif first.isdecimal():
            while self._peek().isdecimal():
                self._at += 1
        else:
            while (letter := self._peek()) and (letter.isalpha() or letter.isdecimal() or letter == "_"):
                self._at += 1
        return self._text[start : self._at]

    def _look_up(self, name: str) -> tuple[str, bool]:
        if name in self._values:
            self.result.matched.add(name)
            return self._values[name], True
        self.result.unmatched.add(name)
        return "", False

    def _braces(self) -> str:
        self._at += 1
        if self._peek() in ("{", "}", ":"):
            raise ExpandError("there is no name after `${`")
        if not self._peek():
            raise ExpandError("`}` is missing after `${`")
        name = self._name()
        modifier = self._next()
        if modifier == "}":
            value, known = self._look_up(name)
            return value if known or not self._rules.keep_unset else f"${{{name}}}"
        if modifier == "/":
            return self._replacement(name)
        if modifier == ":":
            modifier += self._next()
        if modifier[-1:] not in tuple(_MODIFIERS) or modifier in (":#", ":%"):
            if not modifier:
                raise ExpandError("`}` is missing after `${`")
            raise ExpandError(f"`{modifier}` is no modifier that can follow `${{{name}`")
        return self._modified(name, modifier)

    def _modified(self, name: str, modifier: str) -> str:
        """Expand ``${name<modifier>word}`` with a modifier other than ``/``."""
        kind = modifier[-1]
        word = self._word("}", raw=kind in "#%")
        value, known = self._look_up(name)
        if not known and self._rules.keep_unset:
            return f"${{{name}{modifier}{word}}}"
        absent = not known or (modifier[0] == ":" and not value)
        if kind == "-":
            return word if absent else value
        if kind == "+":
            return "" if absent else word
        if kind == "?":
            if absent:
                default = f"is not allowed to be {'empty' if known else 'unset'}"
                raise RequiredError(name, f"`{name}` {default}: {word}" if word else f"`{name}` {default}")
            return value
        return self._trimmed(kind, word, value)

    def _trimmed(self, kind: str, word: str, value: str) -> str:
        greedy = word.startswith(kind)
        trim = patterns.trim_prefix if kind == "#" else patterns.trim_suffix
        try:
            return trim(word[1:] if greedy else word, value, greedy)
        except patterns.PatternError as error:
            raise ExpandError(str(error)) from None

    def _replacement(self, name: str) -> str:
        """Expand ``${name/pattern/text}``, or with two slashes for every match."""
        everywhere = self._peek() == "/"
        self._at += everywhere
        pattern = self._word("/", raw=True)
        text = self._word("}", raw=True)
        value, known = self._look_up(name)
        if not known and self._rules.keep_unset:
            return f"${{{name}/{pattern}/{text}}}"
        try:
            return patterns.replace(pattern, value, text, everywhere, LONGEST)
        except patterns.PatternError as error:
            raise ExpandError(str(error)) from None

    def _word(self, stop: str, raw: bool) -> str:
        before, self._raw_escapes = self._raw_escapes, raw
        word, _ = self._until(stop)
        self._raw_escapes = before
        return word
