"""Indexes named at deployment, and how a file of the lock is found in them.

A lock holds the address of every file. A site may have a mirror instead (``UV_DEFAULT_INDEX``,
``PIP_INDEX_URL``) or an index beside (``UV_INDEX``, ``PIP_EXTRA_INDEX_URL``): there the same file is looked
up by name and SHA-256 on the project's page (`pages`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cirfile.manifest import Manifest
from shim import warm
from shim.errors import USAGE, ShimError
from shim.provider import Choice
from shim.providers.pypi.address import Address, parse

#: Variables that name indexes, in the order they are asked for.
DEFAULT_VARIABLES = tuple(name.decode() for name in warm.DEFAULT_INDEX)
EXTRA_VARIABLES = tuple(name.decode() for name in warm.EXTRA_INDEXES)


@dataclass(frozen=True, slots=True)
class Indexes:
    """The indexes of this deployment: ``default`` replaces the lock's, ``extra`` are asked as well."""

    default: Address | None = None
    extra: tuple[Address, ...] = ()
    replaced: frozenset[str] = frozenset()

    def places(self, choice: Choice) -> tuple[Address, ...]:
        """The indexes in which to look a component up."""
        replaced = choice.index in self.replaced
        if replaced and self.default:
            return (self.default, *self.extra)
        return self.extra

    def own(self, choice: Choice) -> bool:
        """Whether the address in the lock may be used: not where another index replaces the lock's."""
        return self.default is None or choice.index not in self.replaced or self._is_default(choice)

    def first(self, choice: Choice) -> bool:
        """Whether `places` go before the lock's address: for all but the client's default index."""
        return not self.own(choice) or (bool(choice.index) and not self._is_default(choice))

    def _is_default(self, choice: Choice) -> bool:
        """Whether a component was locked from the very index that is the default here."""
        return self.default is not None and _bare(choice.index) == _bare(self.default.text)


def read(environment: Mapping[str, str], manifest: Manifest) -> Indexes:
    """The indexes that the environment names; uv's variables win over pip's, and its new names over its old ones.

    :raises ShimError: 64 where a variable does not hold addresses
    """
    default = _first(environment, DEFAULT_VARIABLES)[:1]
    extra = _first(environment, EXTRA_VARIABLES)
    # The index an image was built with as its default is replaced like the client's own default.
    built = {index.url for index in manifest.indexes if index.ecosystem == "pypi" and index.role == "default"}
    return Indexes(next(iter(default), None), extra, frozenset({"", *built}))


def _bare(index: str) -> str:
    """An index's address without what does not tell it from others."""
    return index.partition("#")[0].rstrip("/")


def page_address(index: Address, project: str) -> Address:
    """The address of a project's page."""
    path, question, query = index.path.partition("?")
    return replace(index, path=f"{path.rstrip('/')}/{project}/{question}{query}")


def _first(environment: Mapping[str, str], names: Iterable[str]) -> tuple[Address, ...]:
    """The addresses of the first variable that holds any."""
    return next((found for name in names if (found := _several(environment, name))), ())


def _several(environment: Mapping[str, str], name: str) -> tuple[Address, ...]:
    """Addresses separated by spaces, each perhaps with a name before it as uv allows (``name=address``)."""
    found = []
    for word in environment.get(name, "").split():
        label, equals, url = word.partition("=")
        if not equals or "/" in label or ":" in label:
            label, url = "", word
        try:
            address = parse(url)
        except ValueError as error:
            raise ShimError(
                USAGE, f"{name}: {error}", "give whole addresses, such as https://host/simple/"
            ) from None
        found.append(_with_credentials(address, label, environment))
    return tuple(found)


def _with_credentials(address: Address, label: str, environment: Mapping[str, str]) -> Address:
    """Add what ``UV_INDEX_<NAME>_USERNAME`` and ``_PASSWORD`` hold for a named index."""
    name = "".join(character if character.isalnum() else "_" for character in label).upper()
    user = environment.get(f"UV_INDEX_{name}_USERNAME", "") if name else ""
    password = environment.get(f"UV_INDEX_{name}_PASSWORD", "") if name else ""
    return replace(address, user=user or address.user, password=password or address.password)
