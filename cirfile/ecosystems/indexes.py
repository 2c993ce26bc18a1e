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


def from_variables(values: Mapping[str, str]) -> list[Index]:
    """Return the indexes that variables name; entries of ``UV_INDEX`` may begin with ``name=``."""
    found: list[Index] = []
    default = next((values[name] for name in DEFAULT_VARIABLES if values.get(name)), "")
    if default:
        found.append(Index("pypi", _address(default), DEFAULT))
    extra = next((values[name] for name in EXTRA_VARIABLES if values.get(name)), "")
    return found + [Index("pypi", _address(entry), EXTRA) for entry in extra.split()]


def _address(entry: str) -> str:
    """Return the address of ``[name=]address``."""
    name, equals, rest = entry.partition("=")
    return rest if equals and "/" not in name and ":" not in name else entry
