"""Room on the store's disk: only what is still to be fetched counts, and only for the start that fetches it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from cirfile.hold import Hold
from cirfile.manifest import Manifest, Requirement
from shim import cold
from shim.choice import Choices
from shim.errors import ShimError
from shim.guard import Guard
from shim.image import Image
from shim.progress import Silent
from shim.providers.pypi import pipeline, sink
from shim.providers.pypi.cache import Cache
from shim.providers.pypi.selection import select
from shim.settings import Settings
from shim.store import Store
from tests.shim.providers.support import FACTS, lock_of, serve
from tests.support.index import Index
from tests.support.wheels import Wheel, sha256

KEY, OTHER = "ab" * 32, "cd" * 32
DEMO = Wheel("demo", files={"demo/__init__.py": "", "demo/noise.bin": os.urandom(100_000)})


class Said(Silent):
    """Remembers the phases."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def phase(self, name: str, total: int = 0) -> None:
        self.phases.append(name)


@dataclass
class Host:
    """An index with one wheel, a store, and how much is free there."""

    index: Index
    wheel: Path
    store: Store
    free: Callable[[], int] = lambda: 1 << 40
    said: Said = field(default_factory=Said)

    def start(self, key: str = KEY, timeout: float = 60) -> Path:
        """The cold start of an image whose layer has a key."""
        lock = lock_of([self.wheel], self.index.root)
        manifest = Manifest(requirements=(Requirement("pypi", "demo"),))
        choices = Choices(FACTS, key, (select(lock, FACTS),), {"pypi": lock})
        given = {b"CIR_STORE": os.fsencode(self.store.root), b"PATH": os.environb[b"PATH"]}
        start = cold._Start(given, Settings(given), self.said, Guard(timeout))
        return start._layer(Image(b"", manifest, {"pypi": lock}), choices, ["/bin/true"], run=False)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (wheel,) = serve(tmp_path / "index", DEMO)
    with Index(tmp_path / "index") as index:
        made = Host(index, wheel, Store.create(tmp_path / "store"))
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=made.free()))
        yield made


def test_what_the_store_has_needs_no_room(host: Host) -> None:
    host.start()
    host.free = lambda: 0
    assert list(host.start(OTHER).rglob("noise.bin"))
    assert len(host.index.requests) == 1


def test_who_waits_for_another_needs_no_room(host: Host) -> None:
    host.free = lambda: 0
    claim = Hold.take(host.store.claim(KEY))
    assert claim
    with pytest.raises(ShimError, match=r"not finished within 0\.3 s"):
        host.start(timeout=0.3)
    assert host.said.phases == ["waiting for another container that makes the same platform layer"]
    claim.release()


def test_what_does_not_fit_is_refused_at_once(host: Host) -> None:
    host.free = lambda: host.wheel.stat().st_size - 1
    for _ in range(2):
        with pytest.raises(ShimError, match="are free, the downloads alone are") as caught:
            host.start()
        assert caught.value.code == 75
        assert caught.value.message.startswith(f"{host.store.root}: ")
        assert "CIR_STORE" in caught.value.hint
    assert host.index.requests == []
    assert not [path for name in ("claims", "tmp", "trash") for path in (host.store.root / name).iterdir()]


def test_what_was_fetched_before_needs_no_room(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sink, pipeline):  # as a large archive does, it goes to a file that is kept
        monkeypatch.setattr(module, "IN_MEMORY", 0)
    content = host.wheel.read_bytes()
    half = len(content) // 2
    Cache(host.store.cache("pypi")).partial(sha256(host.wheel)).write_bytes(content[:half])
    host.free = lambda: len(content) - half - 1
    with pytest.raises(ShimError, match="the downloads alone are"):
        host.start()
    host.free = lambda: len(content) - half
    assert list(host.start().rglob("noise.bin"))
    assert [request.headers.get("range") for request in host.index.requests] == [f"bytes={half}-"]


@pytest.mark.parametrize("place", ["cache", "trash"])
def test_what_killed_starts_have_left_makes_room(host: Host, place: str) -> None:
    left = host.store.root / "trash/left"
    if place == "cache":
        with Cache(host.store.cache("pypi")).workspace() as living:
            left = living.with_name(f"{living.name[:8]}-left")
    left.mkdir()
    (left / "lock").touch()
    host.free = lambda: 0 if left.exists() else 1 << 40
    assert list(host.start().rglob("noise.bin"))
