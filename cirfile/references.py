"""Names of images, as https://github.com/distribution/reference defines them: checked, made complete, made short."""

from __future__ import annotations

import re

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::{_TAG})?(?:@{_DIGEST})?")
_LONGEST = 512
HUB = "docker.io"


def is_reference(text: str) -> bool:
    """Tell whether ``text`` can name an image: lower-case path, optional host, tag and digest."""
    return len(text) <= _LONGEST and bool(_REFERENCE.fullmatch(text))


class ImageNameError(ValueError):
    """A text that is not the name of an image."""


def normalize(text: str) -> str:
    """Return ``text`` with registry, ``library/`` and ``:latest`` filled in; a digest is kept.

    Raise `ImageNameError` where it is not the name of an image.
    """
    if not is_reference(text):
        raise ImageNameError(
            f"`{text}` is not the name of an image: names are lower case, as in `python:3.11-slim`"
        )
    name, _, digest = text.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    domain, path = _split(head + slash + last)
    tag = tag or ("" if digest else "latest")
    return f"{domain}/{path}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        domain, path = first, rest
    else:
        domain, path = HUB, name
    domain = {"index.docker.io": HUB}.get(domain, domain)
    return domain, f"library/{path}" if domain == HUB and "/" not in path else path


def familiar(text: str) -> str:
    """Return the short form under which a client names contexts: no default registry, no ``:latest``."""
    name = normalize(text)
    name = name.removeprefix(f"{HUB}/library/").removeprefix(f"{HUB}/")
    return name.removesuffix(":latest")


def pin(reference: str, digest: str) -> str:
    """Return ``reference`` with ``digest``, unless there is none or it has one already."""
    if not digest or "@" in reference:
        return reference
    return f"{reference}@{digest}"


def repository(reference: str) -> str:
    """Return a complete ``reference`` without tag and digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]
