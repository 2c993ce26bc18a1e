"""Popular wheels, downloaded: the installed tree is that of uv, file by file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shim.providers.pypi import ahead
from shim.providers.pypi import wheel as metadata
from shim.providers.pypi.names import normalise
from shim.providers.pypi.unpack import Unpacker
from tests.shim.providers.conftest import CACHE
from tests.shim.providers.support import arrived, tree

#: Small enough to fetch in a test, and together they use every scheme, namespace packages, scripts and data files.
PROJECTS = (
    "attrs", "black", "certifi", "charset-normalizer", "click", "cryptography", "docutils", "fastapi", "greenlet",
    "httpx", "idna", "jinja2", "jsonschema", "jupyterlab-widgets", "markupsafe", "mypy-extensions", "numpy",
    "packaging", "pip", "protobuf", "pydantic", "pydantic-core", "pygments", "pytest", "python-dateutil", "pyyaml",
    "requests", "rich", "ruff", "setuptools", "six", "sphinxcontrib-jsmath", "tqdm", "typing-extensions", "tzdata",
    "urllib3", "uvicorn", "wheel", "zope-interface",
)  # fmt: skip
#: Written by the installer, so they name it: uv's differ from ours on purpose.
INSTALLERS = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json")


@pytest.fixture(scope="module")
def wheels() -> list[Path]:
    """The newest wheels for this interpreter, downloaded once by pip."""
    folder = CACHE / f"popular-{sys.version_info[0]}{sys.version_info[1]}"
    have = {normalise(path.name.split("-")[0]) for path in folder.glob("*.whl")}
    if missing := [project for project in PROJECTS if project not in have]:
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*argv, "--dest", str(folder), *missing], check=True)
    return sorted(folder.glob("*.whl"))


def _uv(wheel: Path, folder: Path) -> Path:
    subprocess.run(["uv", "venv", "--quiet", "--no-config", "-p", sys.executable, str(folder)], check=True)
    argv = ["uv", "pip", "install", "--quiet", "--no-config", "--no-cache", "--no-index", "--no-deps"]
    subprocess.run([*argv, "--link-mode", "copy", "-p", str(folder), str(wheel)], check=True)
    return folder


def _theirs(environment: Path, mine: dict[str, tuple[bytes, int]]) -> Iterator[tuple[str, tuple[bytes, int]]]:
    site = next(environment.rglob("site-packages"))
    yield from (
        (f"{metadata.SITE}/{path}", row) for path, row in tree(site).items() if "_virtualenv" not in path
    )
    for path, row in tree(environment).items():
        first, _, rest = path.partition("/")
        if first == "bin" and f"{metadata.SCRIPTS}/{rest}" in mine:
            yield path, row
        elif first == "include":
            yield f"{metadata.HEADERS}/{rest.split('/', 3)[3]}", row
        elif first not in ("bin", "lib", "lib64", "pyvenv.cfg", "CACHEDIR.TAG", ".gitignore", ".lock"):
            yield f"{metadata.DATA}/{path}", row


def _comparable(found: dict[str, tuple[bytes, int]]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for path, (data, mode) in found.items():
        if path.rpartition("/")[2] in INSTALLERS and ".dist-info/" in path:
            continue
        # The first line of a script names its interpreter, and the text of generated ones is each tool's own.
        script = path.startswith("bin/") and data.startswith(b"#!")
        kept[path] = (b"script" if script else data, bool(mode & 0o111))
    return kept


@pytest.mark.slow
def test_popular_wheels_are_installed_as_uv_installs_them(
    wheels: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "LARGE", 1)
    assert len(wheels) >= len(PROJECTS)
    for wheel in wheels:
        folder = tmp_path / wheel.stem
        project = normalise(wheel.name.split("-")[0])
        folder.mkdir()
        data = wheel.read_bytes()
        made = arrived(folder / "mine", data).placed()
        Unpacker(bytearray(data), project, folder / "mine", None, made).run()
        mine = tree(folder / "mine")
        theirs = dict(_theirs(_uv(wheel, folder / "uv"), mine))
        assert _comparable(mine) == _comparable(theirs), wheel.name
