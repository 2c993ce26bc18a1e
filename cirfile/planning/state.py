"""The image while its instructions are gone through, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cirfile.errors import CirfileError
from cirfile.expand import Expander
from cirfile.imageconfig import DEFAULT_PATH, SCRATCH, ImageConfig
from cirfile.layout import SHIM
from cirfile.manifest import Index, Pin, Requirement, Setup
from cirfile.plan import Argument, Step
from cirfile.planning.variables import Globals, expand
from cirfile.request import Request
from cirfile.source import Span
from cirfile.syntax import Cirfile

_RESERVED = SHIM.rsplit("/", 1)[0]


@dataclass(slots=True)
class Needs:
    """What the ``REQUIRE`` lines so far say; ``spans`` runs parallel to ``requirements``."""

    requirements: list[Requirement] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    constraints: list[Requirement] = field(default_factory=list)
    indexes: list[tuple[Index, Span]] = field(default_factory=list)
    require_hashes: bool = False
    _known: set[tuple[Requirement, bool]] = field(default_factory=set)

    def add(self, requirement: Requirement, span: Span, constraint: bool = False) -> None:
        """Add one, unless it is there already."""
        if (requirement, constraint) in self._known:
            return
        self._known.add((requirement, constraint))
        if constraint:
            self.constraints.append(requirement)
        else:
            self.requirements.append(requirement)
            self.spans.append(span)


class State:
    """What has been decided so far. Instructions change it; `cirfile.planner` makes the plan of it."""

    def __init__(self, cirfile: Cirfile, request: Request, globals_: Globals, scratch: bool) -> None:
        self.cirfile = cirfile
        self.request = request
        self.globals = globals_
        self.scratch = scratch
        self.expander = Expander(cirfile.escape)
        self.config = _first_config(request.base_config, scratch)
        self.values: dict[str, str] = dict(self.config.env)
        self.declared: dict[str, Argument] = {}
        self.arguments: dict[str, Argument] = dict(globals_.arguments)
        self.steps: list[Step] = []
        self.history: list[str] = []
        self.reads_base: dict[str, Span] = {}
        self.undefined: list[tuple[str, Span]] = list(globals_.undefined)
        self.needs = Needs()
        self.platforms: dict[str, tuple[tuple[str, ...], Span]] = {}
        self.pin = Pin()
        self.setup: list[Setup] = []
        self.author = ""
        self.commanded = False

    def change(self, **fields: object) -> None:
        """Set fields of the image's configuration."""
        self.config = replace(self.config, **fields)  # type: ignore[arg-type]  # names are checked by replace

    def expand(self, text: str, span: Span) -> str:
        """Expand one word, quotes removed."""
        return self.expand_with(self.expander, text, span)

    def expand_with(self, expander: Expander, text: str, span: Span) -> str:
        """Expand with other rules than those of words."""
        result = expand(expander, text, self.values, span)
        self._note(result.unmatched, span)
        return result.text

    def expand_words(self, text: str, span: Span) -> list[str]:
        """Expand and split at white space that is not quoted."""
        result = expand(self.expander, text, self.values, span)
        self._note(result.unmatched, span)
        return result.words

    def _note(self, unmatched: set[str], span: Span) -> None:
        self.undefined += [(name, span) for name in sorted(unmatched - self.declared.keys())]

    def needs_base(self, reason: str, span: Span) -> None:
        """Note why the base has to be unpacked: a sentence, and where it is written."""
        self.reads_base.setdefault(reason, span)

    def check_reserved(self, path: str, span: Span) -> None:
        """Raise `CirfileError` where ``path`` lies in the folder that belongs to the shim."""
        if path == _RESERVED or path.startswith(_RESERVED + "/"):
            raise CirfileError(
                span, "reserved-path", f"`{_RESERVED}` belongs to the shim and cannot be written",
                "choose another destination, for example `/app`",
            )  # fmt: skip


def _first_config(base: ImageConfig | None, scratch: bool) -> ImageConfig:
    """Return the configuration to begin with: that of the base, and a ``PATH`` where it has none."""
    if scratch or base is None:
        return SCRATCH if scratch else ImageConfig(env=(("PATH", DEFAULT_PATH),))
    env = base.env if "PATH" in dict(base.env) else (*base.env, ("PATH", DEFAULT_PATH))
    return replace(base, env=env, on_build=())
