"""Package indexes other than the client's own default: addresses, and the settings that name them."""

from __future__ import annotations

from collections.abc import Mapping

from cirfile.addresses import has_credentials
from cirfile.ecosystems.notation import NotationError
from cirfile.manifest import Index

DEFAULT, EXTRA = "default", "extra"

#: Options that name an index, and the role of it.
OPTIONS = {"-i": DEFAULT, "--index-url": DEFAULT, "--pypi-url": DEFAULT, "--extra-index-url": EXTRA}

#: Variables (build arguments, environment) in the order they are asked for, the first that is set wins.
DEFAULT_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
EXTRA_VARIABLES = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")


def check(url: str) -> None:
    """Raise `NotationError` where ``url`` cannot be an index, or holds credentials (which would be kept)."""
    if has_credentials(url):
        raise NotationError(
            "the address of the index holds a user or a password, which would be kept in the image",
            "remove it and give the build a netrc file: `--secret id=cir_netrc,src=$HOME/.netrc`",
        )
    if not url.startswith(("https://", "http://")) or not url.partition("://")[2].strip("/"):
        raise NotationError(f"`{url}` is no address of an index", "write `--index-url https://HOST/simple`")


def from_variables(values: Mapping[str, str]) -> list[tuple[str, Index]]:
    """Return the indexes that variables name, each with its variable.

    Entries of ``UV_INDEX`` may begin with ``name=``.
    """
    found: list[tuple[str, Index]] = []
    for role, names in ((DEFAULT, DEFAULT_VARIABLES), (EXTRA, EXTRA_VARIABLES)):
        variable = next((name for name in names if values.get(name, "").strip()), "")
        entries = values[variable].split() if variable else []
        found += [(variable, Index("pypi", _address(entry), role)) for entry in entries]
    return found


def _address(entry: str) -> str:
    """Return the address of ``[name=]address``."""
    name, equals, rest = entry.partition("=")
    return rest if equals and "/" not in name and ":" not in name else entry
