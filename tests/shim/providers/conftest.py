"""Fixtures of the provider tests."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shim.providers.pypi.inflate import LIBRARY, STREAMS, Library, library
from tests.support.tmpfs import tmpfs

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cir-dev"


@pytest.fixture(scope="session")
def inflaters() -> Path:
    """A folder with the libraries of the shim image, as Debian has them, from packages unpacked into the cache."""
    place = CACHE / "inflaters"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        # Whole or absent, whoever else does the same.
        with tempfile.TemporaryDirectory(dir=place.parent) as name:
            folder = Path(name)
            subprocess.run(
                ["apt-get", "download", "libdeflate0", "libisal2"],
                check=True,
                cwd=folder,
                capture_output=True,
            )
            for package in folder.glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
            (folder / "both").mkdir()
            for library_name in (LIBRARY, STREAMS):
                next(folder.rglob(library_name)).resolve().rename(folder / "both" / library_name)
            with contextlib.suppress(OSError):  # somebody was faster
                (folder / "both").rename(place)
    return place


@pytest.fixture(params=["zlib", "libdeflate", "ISA-L"])
def fast(request: pytest.FixtureRequest) -> Library | None:
    """Every way to unpack: what is missing is done by zlib."""
    if request.param == "zlib":
        return None
    found = library(str(request.getfixturevalue("inflaters") / LIBRARY))
    assert found is not None
    assert found.streams is not None
    if request.param == "libdeflate":
        found.streams = None
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    with tmpfs(tmp_path / "small", "size=8m") as folder:
        yield folder
