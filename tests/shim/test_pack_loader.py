"""The loader of the shim layer does not heed `LD_PRELOAD`."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from shim.pack_loader import deafened

LOADERS = sorted(Path("/lib64").glob("ld-linux-x86-64.so.2"))


def preload(loader: Path) -> str:
    """What the loader says of a library that is not there, when it starts a program."""
    done = subprocess.run(
        [loader, "/bin/true"],
        env={"LD_PRELOAD": "/nowhere/lib.so"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="of Debian's loader for x86-64")
def test_a_loader_is_made_deaf(tmp_path: Path) -> None:
    loader = LOADERS[0].resolve()
    copy = tmp_path / "ld.so"
    copy.write_bytes(deafened(loader.read_bytes()))
    copy.chmod(0o755)
    assert "/nowhere/lib.so" in preload(loader)
    assert preload(copy) == ""


@pytest.mark.parametrize(
    ("loader", "expected"),
    [
        (b"LD_PRELOAD\0\x81\x39PREL\x0f\x84", b"LD_PRELOAD\0\x81\x39PREX\x0f\x84"),
        (b"LD_PRELOAD\0other\0PRELOAD\0", b"LD_PRELOAD\0other\0PREXOAD\0"),
    ],
)
def test_one_place_is_changed(loader: bytes, expected: bytes) -> None:
    assert deafened(loader) == expected


@pytest.mark.parametrize("loader", [b"", b"LD_PRELOAD\0", b"\x81\x39PREL\0PRELOAD\0"])
def test_another_loader_is_refused(loader: bytes) -> None:
    with pytest.raises(SystemExit, match="LD_PRELOAD"):
        deafened(loader)
