"""Symbolic modes against chmod(1) itself, and where BSD's rules, which BuildKit follows, say something else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cirfile.chmod import applied

TEXTS = (
    "u=rwX,go=rX", "a+x", "u+w", "go-rwx", "g=u", "o=g", "ug+s", "u-s", "a=r", "a=", "u=rw,g=r,o=",
    "+x", "ugo+X", "u+rx-w",
)  # fmt: skip
MODES = (0o644, 0o755, 0o600, 0o4711, 0o2750, 0o000, 0o777)


@pytest.mark.parametrize("text", TEXTS)
def test_as_chmod(text: str, tmp_path: Path) -> None:
    """Files of all modes; no bit is masked, so the umask is none."""
    for mode in MODES:
        file = tmp_path / f"{mode:o}"
        file.touch()
        file.chmod(mode)
        subprocess.run(["sh", "-c", f"umask 0; chmod {text} {file}"], check=True)
        assert oct(applied(text, mode, folder=False)) == oct(file.stat().st_mode & 0o7777), oct(mode)


@pytest.mark.parametrize(
    ("text", "mode", "folder", "expected"),
    [
        ("a+X", 0o600, True, 0o711),
        ("u=rwX,go=rX", 0o700, True, 0o755),
        ("u+t", 0o755, True, 0o1755),
        ("o=t", 0o755, True, 0o750),
        ("a=rx", 0o6755, False, 0o555),
    ],
)
def test_folders_and_special_bits(text: str, mode: int, folder: bool, expected: int) -> None:
    assert oct(applied(text, mode, folder)) == oct(expected)
