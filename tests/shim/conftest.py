"""Fixtures: a root file system for each test, from one template a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shim.root import Root, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all roots share: the interpreter with the shim and the fake provider."""
    folder = tmp_path_factory.mktemp("template")
    open_to_all(folder)
    make_template(folder)
    return folder


@pytest.fixture
def root(tmp_path: Path, template: Path) -> Root:
    """An empty root file system with the shim."""
    open_to_all(tmp_path)
    folder = tmp_path / "root"
    folder.mkdir()
    return Root(folder, template)


def open_to_all(folder: Path) -> None:
    """Let other users pass: pytest's folders are private."""
    for path in (folder, folder.parent, folder.parent.parent):
        path.chmod(0o755)
