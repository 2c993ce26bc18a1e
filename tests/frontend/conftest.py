"""A fake build server with a base image and the shim, and a function that runs the frontend against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.frontend.fakeserver import SHIM, Ended, Server, run

CIRFILE = """\
FROM python:3.11-slim
REQUIRE pypi six
WORKDIR /app
COPY main.py ./
ENTRYPOINT ["python", "main.py"]
"""
Run = Callable[..., Ended]


@pytest.fixture
def server() -> Server:
    """A server as Docker 28 has it, with a small application."""
    return Server(
        files={
            "local://dockerfile": {"Cirfile": CIRFILE.encode()},
            "local://context": {"main.py": b"print()\n"},
        },
        images={
            "docker.io/library/python:3.11-slim": {
                "config": {"Env": ["PATH=/usr/bin", "PYTHON_VERSION=3.11.2"]},
                "history": [{"created_by": "base"}],
            },
            SHIM: {"config": {}},
        },
    )


@pytest.fixture
def frontend(server: Server, tmp_path: Path) -> Run:
    """Run the frontend once: ``frontend(option=value, ...)``; keys are written with ``_`` for ``-``."""
    number = 0

    def call(options: Mapping[str, str] | None = None, prefix: tuple[str, ...] = (), **env: str) -> Ended:
        nonlocal number
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        server.returned.clear()
        server.solves.clear()
        server.requests.clear()
        chosen = {"filename": "Cirfile", "source": "localhost/cir/frontend:1", **(options or {})}
        ended = run(server, chosen, folder, env, prefix)
        assert ended.status == 0, ended.talk
        assert len(server.returned) == 1, f"exactly one return, not {len(server.returned)}; {ended.talk}"
        return ended

    return call
