"""Parser directives: comments of the form ``# name=value`` above everything else in a file.

``syntax`` chooses the frontend, ``escape`` the escape character, ``check`` configures the lint rules.
A directive is only one while nothing else, not even another comment or an empty line, came before it.
"""

from __future__ import annotations

import re

from cirfile.errors import CirfileError
from cirfile.gotext import SPACE
from cirfile.source import Span

NAMES = ("syntax", "escape", "check")
ESCAPES = ("\\", "`")
_DIRECTIVE = re.compile(r"#[\t\n\f\r ]*([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*\Z")


class Directives:
    """Reads directives line by line; ``found`` maps each name to its value and line number."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, int]] = {}
        self._over = False

    @property
    def escape(self) -> str:
        """The escape character in force, a backslash by default."""
        return self.found.get("escape", ("\\", 0))[0]

    def read(self, line: str, number: int) -> bool:
        """Take one line, without its end; tell whether it is a directive. Raise `CirfileError` on misuse."""
        match = None if self._over else _DIRECTIVE.match(line.strip(SPACE))
        if match is None or match[1].lower() not in NAMES:
            self._over = True
            return False
        name, value = match[1].lower(), match[2]
        span = Span(number, 1, number, len(line))
        if name in self.found:
            first = self.found[name][1]
            raise CirfileError(
                span, "repeated-directive", f"the directive `{name}` is already given on line {first}",
                "remove one of the two lines",
            )  # fmt: skip
        if name == "escape" and value not in ESCAPES:
            raise CirfileError(
                span, "bad-escape", f"`{value}` cannot be the escape character",
                "write `# escape=\\` or ``# escape=` ``",
            )  # fmt: skip
        self.found[name] = (value, number)
        return True
