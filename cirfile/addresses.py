"""Which sources of ``ADD`` are addresses: git repositories and files of the web.

An address is a git repository if it is ``git://`` or ``ssh://``, an scp-like ``user@host:path``, or an
``http(s)://`` address whose path ends with ``.git``; BuildKit decides in the same way.
"""

from __future__ import annotations

import re

_SCHEME = re.compile(r"([a-zA-Z0-9]+)://")
_SCP = re.compile(r"[a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:.*", re.DOTALL)

#: What a source can be.
LOCAL, WEB, GIT = "local", "web", "git"


def kind(source: str) -> str:
    """Return `LOCAL`, `WEB` or `GIT`."""
    scheme = _SCHEME.match(source)
    if not scheme:
        return GIT if _SCP.fullmatch(source) and not source.startswith(("./", "../")) else LOCAL
    name = scheme[1].lower()
    if name in ("git", "ssh"):
        return GIT
    if name not in ("http", "https"):
        return LOCAL
    if _path(source).endswith(".git"):
        return GIT
    return WEB if source.startswith(("http://", "https://")) else LOCAL


def file_name(address: str) -> str:
    """Return the name a fetched file gets: the last part of the path, ``__unnamed__`` where there is none."""
    name = _path(address).rstrip("/").rsplit("/", 1)[-1]
    return name if name not in ("", ".") else "__unnamed__"


def has_credentials(address: str) -> bool:
    """Tell whether an address holds a user or a password."""
    return "@" in _authority(address)


def has_secret(address: str) -> bool:
    """Tell whether a source holds what must stay out of the image.

    That is a password, and over http(s) a user as well, for a token is written as one. The user of
    ``git@host:path`` and ``ssh://git@host/path`` is the same for everybody.
    """
    if address.lower().startswith(("http://", "https://")):
        return has_credentials(address)
    return ":" in _authority(address).rpartition("@")[0]


def _authority(address: str) -> str:
    """Return what stands between ``://`` and the path."""
    from urllib.parse import urlsplit  # here, because most files name no address

    try:
        return urlsplit(address).netloc
    except ValueError:
        return address.partition("://")[2].partition("/")[0]


def _path(address: str) -> str:
    from urllib.parse import unquote, urlsplit  # here, because most files name no address

    try:
        return unquote(urlsplit(address).path)
    except ValueError:
        return ""
