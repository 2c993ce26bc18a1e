"""A project's page of an index: the JSON of PEP 691 or the HTML of PEP 503."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from urllib.parse import unquote

from shim.provider import Choice
from shim.providers.pypi.address import Address

#: What is asked for, in the order of preference (PEP 691, "Version + Format Selection").
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"


def find(page: bytes, kind: str, place: Address, choice: Choice) -> Address | None:
    """The address of the chosen file on a project's page; `None` where the page does not have it.

    :param kind: the page's content type
    :raises ValueError: where the page cannot be read
    """
    links = _json_links(page) if "json" in kind else _html_links(page)
    for name, url, sha256 in links:
        if name == choice.artifact.name and sha256 in ("", choice.artifact.sha256):
            return place.join(url)
    return None


def _json_links(page: bytes) -> list[tuple[str, str, str]]:
    try:
        files = json.loads(page)["files"]
        return [(str(f["filename"]), str(f["url"]), str(f["hashes"].get("sha256", ""))) for f in files]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"its JSON is not that of PEP 691 ({type(error).__name__})") from None


def _html_links(page: bytes) -> list[tuple[str, str, str]]:
    parser = _Links()
    try:
        parser.feed(page.decode("utf-8", "replace"))
    except AssertionError as error:  # what `html.parser` makes of some malformed declarations
        raise ValueError(f"its HTML cannot be read ({error})") from None
    found = []
    for link in parser.links:
        url, _, fragment = link.partition("#")
        name = unquote(url.partition("?")[0].rpartition("/")[2])
        sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""
        found.append((name, url, sha256))
    return found


class _Links(HTMLParser):
    """Collects the targets of all links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the ``href`` of an ``<a>``."""
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
