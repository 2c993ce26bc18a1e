"""Pages of the simple repository API: parsed, led to another address, and written in both formats."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html; charset=utf-8"
#: What we ask an index for.
ACCEPT = f"{JSON}, text/html;q=0.1"

#: A page: the members of PEP 691's JSON, addresses whole.
Page = dict[str, Any]

_PROJECT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!~-]*")


def normalized(project: str) -> str:
    """A project's name as indexes write it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", project).lower()


def is_project(name: str) -> bool:
    """Whether a name can be a project's, normalized; nothing else becomes the name of a folder."""
    return _PROJECT.fullmatch(name) is not None


def is_file(name: str) -> bool:
    """Whether a name can be a distribution's; nothing else becomes the name of a file."""
    return _FILE.fullmatch(name) is not None


def parse(body: bytes, kind: str, address: str) -> Page:
    """Read a page.

    :param kind: its content type
    :param address: where it was, for addresses that are relative
    :raises ValueError: when it is none
    """
    if kind.partition(";")[0].strip().endswith("+json"):
        page: Page = json.loads(body)
    else:
        anchors = _Anchors()
        anchors.feed(body.decode(errors="replace"))
        page = {"meta": {"api-version": "1.0"}, "name": "", "files": anchors.files}
    for file in page["files"]:
        file["url"] = urljoin(address, file["url"])
    page["files"] = [file for file in page["files"] if is_file(file["filename"])]
    return page


def led_to(page: Page, folder: str) -> Page:
    """The same page with its files below an address."""
    files = [file | {"url": f"{folder}/{quote(file['filename'])}"} for file in page["files"]]
    return page | {"files": files}


def as_json(page: Page) -> bytes:
    """Write a page as PEP 691 has it."""
    return json.dumps(page, separators=(",", ":")).encode()


def as_html(page: Page) -> bytes:
    """Write a page as PEP 503 has it, with the attributes of later ones."""
    lines = ['<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0"></head><body>']
    for file in page["files"]:
        algorithm, digest = next(iter(file["hashes"].items()), ("", ""))
        address = file["url"] + (f"#{algorithm}={digest}" if digest else "")
        shown = {"href": address, **_attributes(file)}
        words = " ".join(f'{name}="{html.escape(value)}"' for name, value in shown.items())
        lines.append(f"<a {words}>{html.escape(file['filename'])}</a><br>")
    return "\n".join([*lines, "</body></html>", ""]).encode()


def _attributes(file: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    if file.get("requires-python"):
        found["data-requires-python"] = file["requires-python"]
    if file.get("yanked"):
        found["data-yanked"] = file["yanked"] if isinstance(file["yanked"], str) else ""
    metadata = file.get("core-metadata", file.get("dist-info-metadata"))
    if metadata:
        known = next(iter(metadata.items()), None) if isinstance(metadata, dict) else None
        value = "=".join(known) if known else "true"
        found |= {"data-core-metadata": value, "data-dist-info-metadata": value}
    return found


class _Anchors(HTMLParser):
    """Collects the files of a page that an index has as HTML only."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[dict[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an anchor as a file."""
        given = {name: value or "" for name, value in attrs}
        if tag != "a" or not given.get("href"):
            return
        address, _, fragment = given["href"].partition("#")
        name = unquote(urlsplit(address).path.rpartition("/")[2])
        file: dict[str, Any] = {"filename": name, "url": address, "hashes": _hash(fragment)}
        if given.get("data-requires-python"):
            file["requires-python"] = given["data-requires-python"]
        if "data-yanked" in given:
            file["yanked"] = given["data-yanked"] or True
        metadata = given.get("data-core-metadata", given.get("data-dist-info-metadata"))
        if metadata is not None:
            file["core-metadata"] = _hash(metadata) or True
        self.files.append(file)


def _hash(text: str) -> dict[str, str]:
    algorithm, _, digest = text.partition("=")
    return {algorithm: digest} if digest else {}
