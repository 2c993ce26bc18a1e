"""The package index that clients on this machine use by default: no registry's host stands in this project."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from bench.compare.mirror import pages

#: Settings of uv that name the default index, in the order in which they are asked for.
VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
#: What pip goes by: its files, its variables, and what it has built in.
_ASK_PIP = (
    "from pip._internal.commands import create_command;"
    " print(create_command('download').parse_args([])[0].index_url)"
)
_LONGEST = 60.0


def find(environ: Mapping[str, str] = os.environ) -> str:
    """The address of the default index: of uv's settings, else of pip's.

    :raises RuntimeError: when pip does not tell
    """
    for name in VARIABLES:
        if address := environ.get(name, "").strip():
            return address
    asked = subprocess.run(
        [sys.executable, "-c", _ASK_PIP], capture_output=True, text=True, env=dict(environ)
    )
    if asked.returncode:
        raise RuntimeError(
            f"no package index is known: pip does not tell its default ({asked.stderr.strip()[-200:]});"
            " set UV_DEFAULT_INDEX"
        )
    return asked.stdout.strip()


@dataclass(frozen=True)
class Upstream:
    """The index at an address; user and password may stand in it."""

    address: str

    def project(self, name: str) -> str:
        """Where the page of a project is."""
        return f"{self.address.rstrip('/')}/{name}/"

    def open(self, address: str, accept: str = "*/*") -> IO[bytes] | None:
        """Ask for a page or a file; None where there is none.

        :raises OSError: when the index does not answer, or refuses
        """
        asked = urllib.request.Request(_plain(address), headers={"Accept": accept, **self._login(address)})
        try:
            answer: IO[bytes] = urllib.request.urlopen(asked, timeout=_LONGEST)
        except urllib.error.HTTPError as error:
            if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                return None
            raise
        return answer

    def page(self, name: str) -> tuple[pages.Page, dict[str, str]] | None:
        """The page of a project and its headers; None where the index has no such project.

        :raises OSError: when the index does not answer
        :raises ValueError: when the answer is no page
        """
        answer = self.open(self.project(name), pages.ACCEPT)
        if answer is None:
            return None
        with answer:
            headers = headers_of(answer)
            kind = headers.get("content-type", "")
            return pages.parse(answer.read(), kind, answer.geturl()), headers  # type: ignore[attr-defined]

    def _login(self, address: str) -> dict[str, str]:
        """What the index's own host gets to know who asks."""
        own, asked = urlsplit(self.address), urlsplit(address)
        if not own.username or own.hostname != asked.hostname:
            return {}
        words = f"{unquote(own.username)}:{unquote(own.password or '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(words).decode()}"}


def headers_of(answer: IO[bytes]) -> dict[str, str]:
    """Headers of an answer, by name in small letters."""
    return {name.lower(): value for name, value in answer.headers.items()}  # type: ignore[attr-defined]


def _plain(address: str) -> str:
    """An address without user and password."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
