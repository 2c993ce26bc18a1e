"""Fixtures of the provider tests."""

from __future__ import annotations

import ctypes.util
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shim.providers.pypi.inflate import LIBRARY, Library, library

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cir-dev"


@pytest.fixture(scope="session")
def libdeflate() -> Path:
    """The library as Debian has it: this machine's, or the package unpacked into the cache."""
    if ctypes.util.find_library("deflate"):
        found = sorted(Path("/usr/lib").glob(f"{platform.machine()}-linux-gnu/{LIBRARY}"))
        if found:
            return found[0]
    place = CACHE / "libdeflate" / LIBRARY
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=place.parent
        ) as name:  # whole or absent, whoever else does the same
            folder = Path(name)
            subprocess.run(
                ["apt-get", "download", "libdeflate0"], check=True, cwd=folder, capture_output=True
            )
            package = next(folder.glob("libdeflate0_*.deb"))
            subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
            next(folder.rglob(LIBRARY)).resolve().rename(place)
    return place


@pytest.fixture(params=["zlib", "libdeflate"])
def fast(request: pytest.FixtureRequest) -> Library | None:
    """Both ways to unpack."""
    if request.param == "zlib":
        return None
    found = library(str(request.getfixturevalue("libdeflate")))
    assert found is not None
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)
