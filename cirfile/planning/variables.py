"""Variables: the global scope above ``FROM``, and what every later line may use."""

from __future__ import annotations

from cirfile.errors import CirfileError
from cirfile.expand import Expander, ExpandError, Expansion, RequiredError
from cirfile.lines import Line
from cirfile.plan import Argument, Platform
from cirfile.request import Request
from cirfile.source import Span
from cirfile.syntax import Cirfile, Pair, Pairs

#: Build arguments that every build understands without an ``ARG`` line.
PREDEFINED = tuple(
    name
    for base in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (base, base.lower())
)
_HINT = "`$NAME` and `${NAME}` are variables; protect a dollar sign with the escape character"


def expand(expander: Expander, text: str, values: dict[str, str], span: Span) -> Expansion:
    """Expand ``text``. Raise `CirfileError` at ``span`` where it is malformed."""
    try:
        return expander.expand(text, values)
    except RequiredError as error:
        hint = f"set it: `--build-arg {error.name}=VALUE` with `ARG {error.name}`, or ENV"
        raise CirfileError(span, "required-variable", str(error), hint) from None
    except ExpandError as error:
        raise CirfileError(span, "expansion", f"cannot expand `{_short(text)}`: {error}", _HINT) from None


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def description(line: Line, name: str) -> str:
    """Return the text of the comment ``# NAME text`` above an ``ARG``, or above ``FROM`` for its name."""
    return next((c[len(name) + 1 :] for c in line.comments if c.startswith(name + " ")), "")


class Globals:
    """The scope of ``FROM``: platform arguments and the ``ARG`` lines above it."""

    def __init__(self, cirfile: Cirfile, request: Request) -> None:
        self.expander = Expander(cirfile.escape)
        self.given = dict(request.build_args)
        self.values = _platform_arguments(request, cirfile.base.name)
        self.arguments: dict[str, Argument] = {}
        self.undefined: list[tuple[str, Span]] = []
        for pairs in cirfile.arguments:
            for pair in pairs.pairs:
                self._declare(pairs, pair)

    def _declare(self, pairs: Pairs, pair: Pair) -> None:
        value = self.given.get(pair.name)
        if value is None and pair.value is not None:
            value = self.expand(pair.value, pair.span)
        if value is not None:
            self.values[pair.name] = value
        self.arguments[pair.name] = Argument(pair.name, value, pair.span, description(pairs.line, pair.name))

    def expand(self, text: str, span: Span) -> str:
        """Expand a word of ``FROM`` or of an ``ARG`` above it."""
        result = expand(self.expander, text, self.values, span)
        names = result.unmatched - set(self.arguments)
        self.undefined += [(name, span) for name in sorted(names)]
        return result.text


def _platform_arguments(request: Request, stage: str) -> dict[str, str]:
    target, build = request.platform, request.build_platform or request.platform
    values = {**_platform_values("BUILD", build), **_platform_values("TARGET", target)}
    values["TARGETSTAGE"] = request.target or stage or "default"
    given = dict(request.build_args)
    return {name: given.get(name, value) for name, value in values.items()}


def _platform_values(prefix: str, platform: Platform) -> dict[str, str]:
    return {
        f"{prefix}PLATFORM": str(platform),
        f"{prefix}OS": platform.os,
        f"{prefix}OSVERSION": "",
        f"{prefix}ARCH": platform.architecture,
        f"{prefix}VARIANT": platform.variant,
    }
