"""Programs that are started on the host: their first line, their end, what they said."""

from __future__ import annotations

import pytest

from bench.compare.systems import host
from bench.compare.systems.host import CommandError, Host

HERE = Host((), "registry", "frontend", "uv")


def test_a_program_that_says_much_before_its_first_line() -> None:
    """More than a pipe holds: it must not wait for somebody to read it."""
    script = "head -c 1000000 /dev/zero >&2; sleep 0.2; echo first; sleep 0.3; echo second"
    assert 0.2 <= HERE.first_line("sh", "-c", script) < 5


def test_a_program_that_fails_is_quoted() -> None:
    script = "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo the cause >&2; exit 3"
    with pytest.raises(CommandError, match=r"status 3: x+the cause"):
        HERE.first_line("sh", "-c", script)


def test_a_program_that_prints_nothing() -> None:
    with pytest.raises(CommandError, match="status 0"):
        HERE.first_line("true")


def test_a_program_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_LONGEST", 0.2)
    with pytest.raises(CommandError, match="status -9"):
        HERE.first_line("sleep", "60")
