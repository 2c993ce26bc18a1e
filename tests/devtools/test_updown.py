"""Engines come up, heal what a crash left, and go without a trace.

Shown with a second set beside the one that other tests use. It has a cache folder of its own, so all of its
names and numbers differ. Its root filesystem and base images are hard links to those of the first, which
saves making them again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devtools import paths
from devtools.engines.api import Engines
from devtools.engines.instance import Instance, current
from tests.devtools.machine import Snapshot, differences, processes

pytestmark = [pytest.mark.engines, pytest.mark.slow]

DEV = str(paths.CHECKOUT / "dev")


@dataclass(frozen=True)
class Second:
    """A second set of engines, driven by `./dev` as a person does."""

    cache: Path
    instance: Instance

    @property
    def environment(self) -> dict[str, str]:
        """The environment that selects it."""
        return os.environ | {"CIR_DEV_CACHE": str(self.cache)}

    def dev(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `./dev`."""
        argv = [DEV, *arguments]
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", env=self.environment, cwd="/tmp"
        )
        assert not check or done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done

    @property
    def holder(self) -> int:
        """Process id of its holder."""
        return int(json.loads((self.instance.root / "holder.json").read_text())["pid"])

    @property
    def is_up(self) -> bool:
        """What `./dev engines status` says."""
        return bool(json.loads(self.dev("engines", "status", "--json", check=False).stdout)["up"])


@pytest.fixture(scope="module")
def first() -> Engines:
    return Engines.ensure()


@pytest.fixture
def second(first: Engines, monkeypatch: pytest.MonkeyPatch) -> Iterator[Second]:
    """A second set that is down, its files in place; taken away afterwards."""
    cache = paths.cache() / f"second-{os.getpid()}"
    with monkeypatch.context() as patch:
        patch.setenv("CIR_DEV_CACHE", str(cache))
        made = Second(cache, current())
    furnish(made, first)
    yield made
    made.dev("engines", "down", "--purge")
    assert not made.instance.root.exists()
    shutil.rmtree(cache, ignore_errors=True)


def furnish(second: Second, first: Engines) -> None:
    """Put root filesystem and base images in place, as hard links; what the first set keeps there stays its own."""
    shutil.rmtree(second.cache, ignore_errors=True)
    second.instance.root.mkdir(parents=True)
    for source, target in (
        (first.instance.rootfs, second.instance.rootfs),
        (paths.bases(), second.cache / "bases"),
    ):
        subprocess.run(["cp", "-al", source, target], check=True)
    for state in ("home/cir", "root", "var/lib/containers"):
        shutil.rmtree(second.instance.rootfs / state, ignore_errors=True)
    (second.instance.rootfs / "root").mkdir(mode=0o700)


def test_everything_at_work_then_nothing_left(second: Second, first: Engines) -> None:
    """Containers of every engine are running when `down` is called."""
    before = Snapshot.take(second.instance, first)
    second.dev("engines", "up")
    assert Snapshot.take(second.instance, first) != before, "the snapshot would show engines that are up"
    docker = ("exec", "--", "docker")
    second.dev(*docker, "network", "create", "extra")
    for network in ("bridge", "extra"):
        second.dev(
            *docker, "run", "-d", "--network", network, "-p", "127.0.0.1::80", "musl:1", "sleep", "1000"
        )
    second.dev(
        *docker,
        "run",
        "-d",
        "--restart=always",
        "--platform=linux/arm64",
        "--pull=always",
        "musl:1",
        "sleep",
        "1000",
    )
    for account in ((), ("--user",)):
        second.dev("exec", *account, "--", "podman", "run", "-d", "musl:1", "sleep", "1000")
        second.dev("exec", *account, "--", "buildah", "from", "--name", "work", "musl:1")
        second.dev("exec", *account, "--", "buildah", "run", "work", "true")
    second.dev("exec", "--", "podman", "run", "-d", "--network", "podman", "musl:1", "sleep", "1000")
    detached = subprocess.Popen([DEV, "exec", "--", "sleep", "1000"], env=second.environment, cwd="/tmp")
    second.dev("engines", "down")
    assert detached.wait(10) == -signal.SIGTERM
    assert differences(before, second.instance, first) == []
    assert (first.instance.rootfs / "etc").is_dir()
    assert first.run(["docker", "version"]).returncode == 0, "the first set is not disturbed"


def test_up_again_is_quick_and_data_stays(second: Second) -> None:
    second.dev("engines", "up")
    second.dev("exec", "--", "docker", "pull", "--quiet", "musl:1")
    holder = second.holder
    times = []
    for _ in range(3):
        start = time.monotonic()
        second.dev("engines", "up")
        times.append(time.monotonic() - start)
    assert min(times) < 1.0
    assert second.holder == holder, "nothing was started again"
    second.dev("engines", "down")
    assert not second.is_up
    second.dev("engines", "up")
    done = second.dev("exec", "--", "docker", "run", "--rm", "--pull=never", "musl:1", "musl-hello")
    assert done.stdout == "hello from musl\n"


def test_a_killed_holder_is_healed(second: Second, first: Engines) -> None:
    before = Snapshot.take(second.instance, first)
    second.dev("engines", "up")
    second.dev("exec", "--", "docker", "run", "-d", "--name", "survivor", "musl:1", "sleep", "1000")
    os.kill(second.holder, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while second.is_up and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not second.is_up
    second.dev("engines", "up")
    assert second.is_up
    assert (
        second.dev("exec", "--", "docker", "run", "--rm", "musl:1", "musl-hello").stdout
        == "hello from musl\n"
    )
    os.kill(second.holder, signal.SIGKILL)
    second.dev("engines", "down")
    assert differences(before, second.instance, first) == []


def test_a_dead_daemon_is_healed(second: Second) -> None:
    second.dev("engines", "up")
    pids = json.loads((second.instance.root / "daemons.json").read_text())
    os.kill(pids["registry"], signal.SIGKILL)
    time.sleep(0.2)
    assert not second.is_up
    second.dev("engines", "up")
    assert second.is_up


def test_a_deleted_cache_is_healed(second: Second, first: Engines) -> None:
    """Somebody deletes the cache folder while the engines are up: the next `up` finds what still runs."""
    before = Snapshot.take(second.instance, first)
    second.dev("engines", "up")
    second.dev("exec", "--", "docker", "run", "-d", "musl:1", "sleep", "1000")
    shutil.rmtree(second.cache)
    assert processes(second.instance)
    furnish(second, first)
    second.dev("engines", "up")
    assert (
        second.dev("exec", "--", "docker", "run", "--rm", "musl:1", "musl-hello").stdout
        == "hello from musl\n"
    )
    second.dev("engines", "down")
    assert differences(before, second.instance, first) == []


def test_a_stale_state_of_another_boot_is_healed(second: Second) -> None:
    """The id in it belongs to a process that must not be harmed."""
    stranger = subprocess.Popen(["sleep", "100"])
    try:
        stale = {"pid": stranger.pid, "start": 1, "boot": "00000000-0000-0000-0000-000000000000"}
        (second.instance.root / "holder.json").write_text(json.dumps(stale))
        second.dev("engines", "up")
        assert second.is_up
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_two_at_once_do_not_collide(second: Second) -> None:
    argv = [DEV, "engines", "up"]
    racers = [
        subprocess.Popen(argv, env=second.environment, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    talk = [racer.communicate(timeout=300)[1] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0], talk
    assert sum("engines ..." in text for text in talk) == 1, "one of them did the work"
    assert second.is_up


def test_a_taken_port_is_told(second: Second, first: Engines) -> None:
    before = Snapshot.take(second.instance, first)
    with socket.create_server(("127.0.0.1", second.instance.port)):
        done = second.dev("engines", "up", check=False)
    assert done.returncode == 1
    assert f"the registry's port {second.instance.registry} is taken" in done.stderr
    assert "hint: set CIR_DEV_CACHE" in done.stderr
    assert differences(before, second.instance, first) == []


@pytest.mark.parametrize("program", ["dockerd", "docker-registry"])
def test_the_log_of_a_failing_daemon_is_shown(second: Second, first: Engines, program: str) -> None:
    before = Snapshot.take(second.instance, first)
    broken = next(path for path in (second.instance.rootfs / "usr").glob(f"*bin/{program}"))
    broken.unlink()
    broken.write_text("#!/bin/sh\necho 'the disk is on fire' >&2\nexit 3\n")
    broken.chmod(0o755)
    done = second.dev("engines", "up", check=False)
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "the disk is on fire" in done.stderr
    assert differences(before, second.instance, first) == []


def test_a_root_filesystem_that_cannot_be_entered_is_told(second: Second, first: Engines) -> None:
    before = Snapshot.take(second.instance, first)
    (second.instance.rootfs / "proc").rename(second.instance.rootfs / "elsewhere")
    done = second.dev("engines", "up", check=False)
    assert done.returncode == 1
    assert "cannot start the engines" in done.stderr
    assert "mount --rbind /proc" in done.stderr
    assert differences(before, second.instance, first) == []
