"""Options all tests share."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine, which may be busy, and nothing of the code.
settings.register_profile("cir", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cir")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update", action="store_true", help="rewrite the golden files with what the code gives now"
    )
    parser.addoption(
        "--engines", action="store_true", help="use the test engines even if Docker is installed"
    )


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether goldens are to be rewritten."""
    return bool(request.config.getoption("--update"))
