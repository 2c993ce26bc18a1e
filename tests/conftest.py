"""Options all tests share."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine, which may be busy, and nothing of the code.
settings.register_profile("cir", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cir")


#: Tests that change what all engines share - the kernel's emulators, the link, whole sets of engines - or whose moments
#: depend on how long something takes; they never run beside one another.
ON_THE_MACHINE = (
    "tests/bench/", "tests/devtools/", "tests/e2e/test_bases.py", "tests/e2e/test_platforms.py",
    "tests/e2e/test_store.py",
)  # fmt: skip
#: Tests that work with the images and containers of the one account without rights.
OF_THE_ACCOUNT = ("tests/twin/",)


@pytest.hookimpl(tryfirst=True)  # before xdist puts the groups into the names
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests one worker takes in turn: with `--dist loadgroup` others run beside them."""
    for item in items:
        file = item.nodeid.split("::")[0]
        if file.startswith(ON_THE_MACHINE):
            file = "machine"
        elif file.startswith(OF_THE_ACCOUNT):
            file = "account"
        item.add_marker(pytest.mark.xdist_group(file))


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
