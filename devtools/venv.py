"""The virtual environments of lint, tests and benchmarks, and of the demo without engines.

They hold what pyproject.toml names, nothing of the machine: for developers, or for running `cir` only.

They hold the dependencies, not the project, so that several checkouts can share one cache folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devtools import apt, paths
from devtools.errors import DevError, tail
from devtools.progress import step

#: The extra of pyproject.toml that developers need.
EXTRA = "dev"


def ensure(extra: str = EXTRA) -> Path:
    """Make the environment unless there is one of these very requirements; the result is its folder.

    :param extra: of pyproject.toml, empty for what running `cir` needs
    :raises DevError: when packages cannot be fetched or the machine's Python cannot make environments
    """
    wanted = requirements(tomllib.loads((paths.CHECKOUT / "pyproject.toml").read_text()), extra)
    home = paths.venvs() / fingerprint(wanted)
    stamp = home / ".complete"
    if stamp.exists():
        return home
    paths.venvs().mkdir(parents=True, exist_ok=True)
    with (paths.venvs() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            with step(f"{'development' if extra else 'Python'} environment (once)"):
                make(home, wanted)
            stamp.touch()
    return home


def requirements(project: dict[str, Any], extra: str) -> list[str]:
    """Return the requirements of the project and one of its extras, with references to other extras followed.

    :param project: the content of pyproject.toml
    :param extra: empty for none
    """
    name = project["project"]["name"]
    extras = project["project"].get("optional-dependencies", {})
    found: set[str] = set(project["project"].get("dependencies", ()))
    for requirement in extras[extra] if extra else ():
        inner = re.fullmatch(rf"{re.escape(name)}\[([\w,\s-]+)\]", requirement.strip())
        if inner:
            for reference in inner[1].split(","):
                found.update(requirements(project, reference.strip()))
        else:
            found.add(requirement)
    return sorted(found)


def fingerprint(wanted: list[str]) -> str:
    """Short digest of the requirements and of the Python that the environment is made with."""
    text = repr((wanted, sys.version_info[:3], os.path.realpath(sys.executable)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def make(home: Path, wanted: list[str]) -> None:
    """Make the environment at `home` from nothing.

    :raises DevError: with the last lines of what the tools said
    """
    log = home.with_suffix(".log")
    environment = os.environ | {"UV_SYSTEM_CERTS": "1", "DEBIAN_FRONTEND": "noninteractive"}
    shutil.rmtree(home, ignore_errors=True)
    with log.open("wb") as sink:

        def call(*argv: str | os.PathLike[str]) -> None:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment)
            if done.returncode:
                raise DevError("cannot make the development environment", tail(log), f"the whole log: {log}")

        python = home / "bin/python"
        if wheel := pip_wheel(call, home.with_suffix(".pip")):
            call(sys.executable, "-m", "venv", "--without-pip", home)
            pip = [str(python), str(wheel / "pip")]
        else:
            call(sys.executable, "-m", "venv", home)
            pip = [str(python), "-m", "pip"]
        uv = [requirement for requirement in wanted if re.match(r"uv\b", requirement)]
        if uv:
            call(*pip, "install", "--quiet", *uv)
            call(home / "bin/uv", "pip", "install", "--quiet", "--python", python, *wanted)
        else:
            call(*pip, "install", "--quiet", *wanted)


def pip_wheel(call: Callable[..., None], folder: Path) -> Path | None:
    """Debian keeps what `python3 -m venv` needs in packages of their own: get it where it is missing.

    Root installs the package. Other accounts unpack the one with pip, a wheel that runs as it is.

    :param call: runs a command that must succeed
    :param folder: where to unpack to
    :returns: the wheel, `None` where Python can bring pip into environments by itself
    :raises DevError: when it is missing and cannot be had
    """
    if importlib.util.find_spec("ensurepip"):
        return None
    if not shutil.which("apt-get"):
        raise DevError(
            "this Python cannot make virtual environments", "ensurepip is missing", "install python3-venv"
        )
    if os.geteuid() == 0:
        call("apt-get", "update")
        call("apt-get", *apt.PATIENTLY, "install", "--yes", "--no-install-recommends", "python3-venv")
        return None
    apt.unpack(apt.environment(), folder, "python3-pip-whl")
    return next(folder.glob("usr/share/python-wheels/pip-*.whl"))
