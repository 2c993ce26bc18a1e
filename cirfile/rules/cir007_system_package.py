"""CIR007: Packages of the operating system are not required from pypi."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cirfile.ecosystems.pypi import name
from cirfile.rule import Found, Rule, Subject

_FORM = re.compile(r"lib[a-z0-9+.-]+[0-9]|.+-dev|python3-.+|r-cran-.+|fonts-.+")
_NAMES = frozenset((
    "apt", "bash", "build-essential", "ca-certificates", "cmake-data", "curl", "default-jre", "ffmpeg",
    "gcc", "g++", "gfortran", "git", "gnupg", "graphviz-dev", "imagemagick", "libgomp1", "locales",
    "make", "nodejs", "openjdk", "openssh-client", "pandoc", "poppler-utils", "procps", "sox",
    "tesseract-ocr", "tini", "tzdata", "unzip", "wget", "xvfb",
))  # fmt: skip
#: These are packages of Python as well, and what is meant.
_BOTH = frozenset(("tzdata", "pandoc"))


def _check(subject: Subject) -> Iterator[Found]:
    for requirement, span in subject.requirements("pypi"):
        package = name(requirement.text)
        if package not in _BOTH and (package in _NAMES or _FORM.fullmatch(package)):
            yield span, f"`{package}` is a package of the operating system; write `REQUIRE deb {package}`"


RULE = Rule(
    "CIR007", "system-package", "Packages of the operating system are not required from pypi.", _check
)
