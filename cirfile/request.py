"""What the caller of the planner asks for: everything that is not in the Cirfile itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cirfile.imageconfig import ImageConfig, Pairs
from cirfile.plan import Platform

_USUAL = Platform()


@dataclass(frozen=True, slots=True)
class Request:
    """One build: the answer to "for what, and with which arguments?".

    ``build_args`` and ``labels`` are those of the command line (labels win over the Cirfile's).
    ``platform`` is what the image is for, ``build_platform`` where the build runs (``None``: the same).
    ``target`` is the stage asked for, empty for the only one. ``base_config`` is the configuration of
    the image of ``FROM``, ``None`` for ``scratch`` or where it is not known yet. ``named_contexts`` are
    the names given with ``--build-context``. ``ignore`` holds the patterns of the ignore file, ``None``
    where there is no such file. ``read`` returns the text of a file of the build context by its path
    below the root of it, or raises `FileNotFoundError` or `IsADirectoryError`; ``None`` where no context can be read.
    """

    build_args: Pairs = ()
    platform: Platform = _USUAL
    build_platform: Platform | None = None
    target: str = ""
    labels: Pairs = ()
    base_config: ImageConfig | None = None
    named_contexts: frozenset[str] = frozenset()
    ignore: tuple[str, ...] | None = None
    read: Callable[[str], str] | None = None
