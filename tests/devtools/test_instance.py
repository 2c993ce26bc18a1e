"""Names and numbers of a set of engines: fixed for the usual cache folder, derived for others."""

from __future__ import annotations

import ipaddress
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from devtools import paths
from devtools.engines import network, sweep
from devtools.engines.instance import Instance, current
from devtools.engines.lifecycle import without_proxy


def at(folder: str, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """The instance of a cache folder."""
    monkeypatch.setenv("CIR_DEV_CACHE", folder)
    return current()


def test_the_usual_folder_has_the_documented_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    home = pwd.getpwuid(os.getuid()).pw_dir
    usual = at(f"{home}/.cache/cir-dev", monkeypatch)
    assert (usual.registry, usual.bridge, usual.bridge_registry) == (
        "127.0.0.1:5717",
        "cirdev0",
        "10.213.0.1:5717",
    )
    assert usual.root == Path(home, ".cache/cir-dev/engines")


FOLDERS = [f"/var/cache/{number}" for number in range(300)]


def test_others_are_within_what_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in FOLDERS:
        instance = at(folder, monkeypatch)
        assert len(instance.bridge) <= 15, "an interface name has at most 15 characters"
        assert len(instance.link_interface) <= 15
        near, far = (ipaddress.ip_interface(f"{end}/30") for end in instance.link)
        assert near.network == far.network
        assert near.network.subnet_of(ipaddress.ip_network("198.18.0.0/15"))  # type: ignore[arg-type]
        assert list(near.network.hosts()) == [near.ip, far.ip]
        assert 5800 <= instance.port < 7800
        assert instance.port % 2 == 0, "the port above it is kept for tests"
        assert 1000 < instance.user_id < 65534
        assert (instance.user_id << 16) + 65536 < 2**32
        subnet = ipaddress.ip_network(instance.subnet)
        assert subnet.is_private
        parts = [ipaddress.ip_network(part) for part in (instance.podman_subnet, instance.pool)]
        bridge = ipaddress.ip_interface(instance.bridge_cidr).network
        for part in (bridge, *parts):
            assert isinstance(part, ipaddress.IPv4Network)
            assert part.subnet_of(subnet)  # type: ignore[arg-type]
        assert not bridge.overlaps(parts[0])
        assert not bridge.overlaps(parts[1])
        assert not parts[0].overlaps(parts[1])


def test_same_folder_same_numbers_other_folder_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [at(folder, monkeypatch) for folder in FOLDERS]
    assert made == [at(folder, monkeypatch) for folder in FOLDERS]
    assert len({instance.bridge for instance in made}) == len(FOLDERS)
    assert len({(instance.port, instance.subnet) for instance in made}) == len(FOLDERS)
    assert len({instance.link for instance in made}) == len({instance.port for instance in made})


def test_a_link_to_the_folder_is_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert at(str(tmp_path / "link"), monkeypatch) == at(str(tmp_path / "real"), monkeypatch)


def test_no_proxy_is_asked_for_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert without_proxy("198.18.0.2")["NO_PROXY"] == "198.18.0.2"
    monkeypatch.setenv("no_proxy", "localhost,.example.com")
    assert without_proxy("198.18.0.2")["NO_PROXY"] == "localhost,.example.com,198.18.0.2"


def test_only_our_bridges_go(tmp_path: Path) -> None:
    """Others' may have an address of ours; ours may have none, where somebody was ended while it was made."""
    instance = Instance(tmp_path, "ab", 5717, (10, 213, 0))
    names = {
        "br-0123456789ab": "10.213.2.1",
        "lxdbr0": "10.213.3.1",
        "podman1": "10.213.4.1",
        "br-fedcba987654": "10.9.0.1",
    }
    listed = [{"ifname": name, "addr_info": [{"local": address}]} for name, address in names.items()]

    def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
        answer = json.dumps([*listed, {}]) if "-json" in argv else ""
        return subprocess.CompletedProcess(argv, 0, answer, "")

    assert network.own_bridges(instance, run) == [instance.bridge, "br-0123456789ab", "podman1"]


def test_whoever_ends_the_engines_is_spared(tmp_path: Path) -> None:
    """As a shell whose command names one of their files, and calls `./dev engines down` in the end."""
    instance = Instance(tmp_path, "ab", 1, (10, 213, 0))
    code = (
        "import os, sys; from pathlib import Path; from devtools.engines.instance import Instance; "
        "from devtools.engines import sweep; instance = Instance(Path(sys.argv[1]), 'ab', 1, (10, 213, 0)); "
        "found = sweep.processes(instance); "
        "print({p.pid for p in found} & {os.getpid(), os.getppid()})"
    )
    words = [sys.executable, "-c", code, str(tmp_path), f"{instance.root}/etc/x"]
    done = subprocess.run(words, cwd=paths.CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    with subprocess.Popen(["sh", "-c", "read x", f"{instance.root}/etc/x"], stdin=subprocess.PIPE) as other:
        assert other.pid in {process.pid for process in sweep.processes(instance)}
