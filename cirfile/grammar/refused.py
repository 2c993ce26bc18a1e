"""Instructions of a Dockerfile that a Cirfile does not have, and what to write instead."""

from __future__ import annotations

import re

from cirfile.errors import CirfileError
from cirfile.lines import Line

#: How ``RUN`` lines begin, and what takes their place; ``{}`` is what was to be installed.
_REPLACED = (
    (r"(?:\S*python[0-9.]*\s+-m\s+)?(?:pip[0-9.]*|uv\s+pip)\s+install\s+(.+)", "REQUIRE pypi {}"),
    (r"uv\s+(?:sync|pip\s+sync)\b(.*)", "REQUIRE pypi -r pyproject.toml"),
    (r"(?:pipenv|poetry|pdm)\s+(?:install|sync)\b(.*)", "REQUIRE pypi -r pyproject.toml"),
    (r"(?:apt-get|apt|aptitude)\s+(?:-\S+\s+)*(?:update.*?install|install)\s+(.+)", "REQUIRE deb {}"),
    (r"(?:conda|mamba|micromamba)\s+(?:-\S+\s+)*install\s+(.+)", "REQUIRE pypi {}"),
    (r"(?:R|Rscript)\b.*?install\.packages\((.+)", "REQUIRE cran {}"),
    (r"(?:install2\.r|installr)\s+(.+)", "REQUIRE cran {}"),
    (r"(?:apk|dnf|yum|microdnf|zypper|pacman)\s+(.+)", "REQUIRE deb NAME"),
    (r"(?:useradd|adduser|groupadd|addgroup)\s+(.+)", "USER 1000"),
    (r"mkdir\s+(?:-\S+\s+)*(\S+).*", "WORKDIR {}"),
    (r"(?:curl|wget)\s+(.+)", "ADD ADDRESS DESTINATION"),
    (r"(?:chown|chmod)\s+(.+)", "COPY --chown=1000 --chmod=755 SOURCE DESTINATION"),
    (r"git\s+clone\s+(?:-\S+\s+)*(\S+).*", "ADD {} DESTINATION"),
)
_NOT_PACKAGES = re.compile(r"^(?:-(?!r$|c$|-requirement$|-constraint$)\S*|\\|\.)$")
_R_OPTION = re.compile(r"\b(?:repos|lib|dependencies|type|method)\s*=")
_R_NAME = re.compile(r"['\"]([A-Za-z][A-Za-z0-9.]*)['\"]")


def refuse_run(line: Line) -> CirfileError:
    """``RUN`` is refused: no program of the image runs at build, for no platform.

    Dependencies are named with ``REQUIRE``; what has to be computed from them once is a ``SETUP``.
    """
    _, rest, _ = line.arguments()
    text = "".join(doc.content for doc in line.heredocs) if rest.startswith("<<") else rest
    commands = [part.strip() for part in re.split(r"&&|;|\|\||\n", text[:2000]) if part.strip()]
    written = [instead for command in commands if (instead := _instead(command))]
    hint = "write " + ", ".join(f"`{one}`" for one in dict.fromkeys(written)) if written else (
        "name dependencies with `REQUIRE`; write `SETUP command` for what runs once per platform, "
        "after they are there; prepare other files before the build and `COPY` them"
    )  # fmt: skip
    return CirfileError(
        line.keyword().span, "run", "a Cirfile has no RUN: nothing of the image runs at build", hint
    )


def _instead(command: str) -> str:
    """Return the line that replaces one command of a ``RUN``, empty where none is known."""
    command = re.sub(r"^(?:sudo\s+|env\s+|[A-Z_]+=\S*\s+)+", "", command)
    for form, replacement in _REPLACED:
        match = re.match(form, command, re.DOTALL)
        if match:
            return replacement.format(_packages(match[1], replacement))
    return ""


def _packages(text: str, replacement: str) -> str:
    if "cran" in replacement and (names := _R_NAME.findall(_R_OPTION.split(text)[0])):
        return " ".join(names)
    kept = [word.strip("\"'") for word in text.split()[:40] if not _NOT_PACKAGES.match(word.strip("\"'"))]
    return " ".join(word for word in kept if word) or "NAME"


def refuse_onbuild(line: Line) -> CirfileError:
    """``ONBUILD`` is refused: an image with a platform layer is not meant as a base.

    Write the instruction into the Cirfile of the image that needs it.
    """
    _, rest, _ = line.arguments()
    instead = f"write `{rest}` in the file that builds on this one" if rest else "remove the line"
    return CirfileError(line.keyword().span, "onbuild", "a Cirfile has no ONBUILD", instead)
