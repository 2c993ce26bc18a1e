"""Configuration files, the environment of commands, process identity."""

from __future__ import annotations

import json
import os
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from devtools.engines import config, enter, rootfs, state
from devtools.engines.instance import Instance

INSTANCE = Instance(Path("/cache/engines"), "abc123", 6001, (10, 220, 16))


def test_dockerd_has_everything_of_its_own() -> None:
    settings = json.loads(config.dockerd(INSTANCE, 1400))
    assert settings["bridge"] == "cirdevabc123"
    assert settings["data-root"] == "/cache/engines/docker"
    assert settings["cgroup-parent"] == "/cir-dev-abc123"
    assert settings["features"] == {"containerd-snapshotter": True}
    assert settings["registry-mirrors"] == ["http://127.0.0.1:6001"]
    own = ["127.0.0.1:6001", "10.220.16.1:6001", "127.0.0.1:6002", "198.18.2.90:5000"]
    assert settings["insecure-registries"] == own
    assert settings["mtu"] == 1400
    assert not any(settings[name] for name in ("iptables", "ip6tables", "ip-forward", "ip-masq"))
    assert all("/run/" in settings[name] for name in ("exec-root", "pidfile"))


def test_registries_come_from_the_mirror() -> None:
    settings = tomllib.loads(config.registries(INSTANCE))
    docker = next(entry for entry in settings["registry"] if entry["location"] == "docker.io")
    assert docker["mirror"] == [{"location": "127.0.0.1:6001", "insecure": True}]
    insecure = {entry["location"] for entry in settings["registry"] if entry.get("insecure")}
    assert insecure == {"127.0.0.1:6001", "10.220.16.1:6001", "198.18.2.90:5000"}


@pytest.mark.parametrize(
    ("text", "netns"), [(config.containers(INSTANCE), "host"), (config.containers_of_user(), "private")]
)
def test_containers_conf(text: str, netns: str) -> None:
    settings = tomllib.loads(text)
    assert settings["containers"]["netns"] == netns
    assert settings["engine"]["runtime"] == "runc"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", "cir:new\n"),
        ("root:x\n", "root:x\ncir:new\n"),
        ("cir:old\nroot:x\ncirrus:x\n", "root:x\ncirrus:x\ncir:new\n"),
    ],
)
def test_account_lines(table: str, expected: str) -> None:
    assert config.with_line(table, "cir:new") == expected


def test_account_has_its_own_range_of_ids() -> None:
    lines = config.accounts(INSTANCE)
    assert lines["passwd"] == "cir:x:56001:56001::/home/cir:/bin/bash"
    assert lines["subuid"] == lines["subgid"] == f"cir:{56001 << 16}:65536"


def test_recipe_names_what_the_engines_need() -> None:
    needed = (
        "docker.io docker-cli docker-buildx buildah podman apptainer skopeo docker-registry runc nftables git"
    )
    assert set(needed.split()) <= set(rootfs.PACKAGES)


def test_command_replaces_itself_and_ends_with_the_arguments() -> None:
    argv = enter.command(INSTANCE, 42, ["docker", "ps"], "/src")
    assert argv[:4] == ["nsenter", "--mount=/proc/42/ns/mnt", "--wdns=/src", "--"]
    assert argv[-2:] == ["docker", "ps"]
    assert "DOCKER_HOST=unix:///run/docker.sock" in argv
    assert "DOCKER_CONFIG=/cache/engines/docker-config" in argv
    assert "--unset=DOCKER_CONTEXT" in argv
    assert not {"sh", "bash"} & set(argv)


def test_command_of_the_account_without_rights() -> None:
    argv = enter.command(INSTANCE, 42, ["buildah"], "/src", user=True)
    assert argv[4:9] == ["setpriv", "--reuid=cir", "--regid=cir", "--init-groups", "--"]
    assert "HOME=/home/cir" in argv
    assert "XDG_RUNTIME_DIR=/run/user/56001" in argv
    assert not any(word.startswith("DOCKER_CONFIG=") for word in argv)


def test_a_process_is_told_from_a_later_one_with_its_id() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        known = state.identify(child.pid)
        assert known is not None
        assert known.is_alive()
        assert not state.Process(known.pid, known.start - 1, known.boot).is_alive()
        assert not state.Process(known.pid, known.start, "another boot").is_alive()
    finally:
        child.kill()
    time.sleep(0.1)
    assert not known.is_alive(), "a zombie does not count"
    child.wait()
    assert state.identify(child.pid) is None


def test_a_name_with_brackets_and_spaces_does_not_confuse(tmp_path: Path) -> None:
    """The name of a process stands in brackets in its stat file and may hold some itself."""
    program = tmp_path / "a ) R (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([program, "60"])
    try:
        deadline = time.monotonic() + 5
        while (
            Path(f"/proc/{child.pid}/comm").read_text().strip() != program.name
            and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        assert state.identify(child.pid) == state.identify(child.pid)
        assert state.identify(child.pid) is not None
    finally:
        child.kill()
        child.wait()


def test_state_is_remembered_and_forgotten(tmp_path: Path) -> None:
    known = state.identify(os.getpid())
    assert known is not None
    state.save(tmp_path, known)
    assert state.load(tmp_path) == known
    state.save(tmp_path, None)
    assert state.load(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "start": 2, "boot": "x", "more": 3}']
)
def test_a_torn_state_is_no_state(tmp_path: Path, text: str) -> None:
    (tmp_path / "holder.json").write_text(text)
    assert state.load(tmp_path) is None


def test_lock_admits_one_at_a_time(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from devtools.engines import state\n"
        "with state.locked(pathlib.Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    )
    argv = ["python3", "-c", script, str(tmp_path)]
    first = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdin is not None
    assert first.stdout is not None
    assert first.stdout.readline() == "in\n"
    second = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    time.sleep(0.3)
    assert second.poll() is None, "waits for the first one"
    first.stdin.close()
    assert second.communicate(timeout=10)[0] == "in\n"
    assert first.wait(10) == 0
    first.stdout.close()
