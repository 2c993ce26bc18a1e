"""Python packages: wheels chosen from a lock, fetched, verified, unpacked once and hard-linked into layers.

The modules follow the way of a wheel: `selection` (with `tags`, `names`) chooses; `fetch` (with `address`,
`access`, `client`, `indexes`, `pages`, `sink`) brings it; `unpack` (with `archive`, `inflate`, `wheel`,
`scripts`) makes files of it; `cache` keeps them; `layer` links them; `bytecode` (with `attendant`, `compiler`)
compiles what will be imported; `pipeline` (with `crew`) does all of that at the same time. `handover` tells uv the same
settings where it resolves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cirfile.lock import Lock
    from shim.facts import Facts
    from shim.provider import Selection, Workplace
    from shim.providers.pypi.pipeline import Pipeline


class Pypi:
    """The provider for packages of Python package indexes; see `shim.provider.Provider`."""

    ecosystem = "pypi"

    def select(self, lock: Lock, facts: Facts) -> Selection:
        """Choose one wheel a component; see `selection.select`."""
        from shim.providers.pypi import selection

        return selection.select(lock, facts)

    def assembly(self, selection: Selection, workplace: Workplace) -> Pipeline:
        """What fills ``workplace.target`` with a virtual environment that holds the selection.

        Its `run` raises `ShimError`: 69 where a component cannot be had or is not what the lock says, 64 for
        unusable index settings, 75 past the deadline.

        :raises ShimError: 78 where the base has no Python
        """
        from shim.errors import NOT_PROMISED, ShimError

        # Not needed to choose, and slow to import: TLS, HTTP, threads.
        from shim.providers.pypi.pipeline import Pipeline

        if workplace.facts.python is None:
            raise ShimError(NOT_PROMISED, "the base image has no Python", "start from a base with Python")
        return Pipeline(selection, workplace, workplace.facts.python)


PROVIDER = Pypi()
