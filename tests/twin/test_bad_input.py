"""What can go wrong: a message with the way out, a status, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.registryproxy import RegistryProxy
from tests.support.restrict import NO_RANGES
from tests.twin.conftest import Account, Contexts

_BUD = ("python3", "-m", "buildah_plugin.cli", "bud")
_A: dict[str, object] = {"a.txt": "a"}


@dataclass(frozen=True)
class Bad:
    """A build that fails: its Cirfile and flags, the status, what is said, and the way out."""

    name: str
    text: str
    flags: tuple[str, ...]
    status: int
    said: str
    hint: str


TABLE = (
    Bad("no such base", "FROM @registry/no/such:1\n", (), 66, "/no/such:1` is not in its registry", "check its name"),
    Bad("registry not there", "FROM 127.0.0.1:1/x:1\n", (), 69, "cannot be reached", "check the registry's address"),
    Bad("registry refuses", "FROM @closed/library/python:3.11-slim\n", ("--tls-verify=false",), 77,
        "was refused by its registry", "buildah login"),
    Bad("wrong password", "FROM @closed/library/python:3.11-slim\n", ("--tls-verify=false", "--creds=me:wrong"), 77,
        "was refused by its registry", "buildah login"),
    Bad("no TLS", "FROM @closed/library/python:3.11-slim\n", (), 69, "registry", "--tls-verify=false"),
    Bad("no such platform", "FROM python:3.11-slim\n", ("--platform=linux/s390x",), 78, "not there for linux/s390x",
        "it is there for linux/amd64, linux/arm64"),
    Bad("never pull", "FROM debian:never\n", ("--pull=never",), 66, "not in the storage", "pull it"),
    Bad("no shim", "FROM scratch\n", ("--build-arg=CIR_SHIM=127.0.0.1:1/shim:1",), 69, "the shim image", "CIR_SHIM"),
    Bad("truncated layer", "FROM scratch\nCOPY --from=cut etc /x\n", ("--build-context=cut=oci-layout://@layout",), 65,
        "is not whole", "fetch or write it again"),
    Bad("truncated manifest", "FROM cut\n", ("--build-context=cut=oci-layout://@broken",), 65, "cannot be read", ""),
    Bad("no such file", "FROM scratch\nCOPY a.txt nothing /x/\n", (), 65, "`/nothing` is not there", "build context"),
    Bad("file over folder", "FROM scratch\nWORKDIR /x/a.txt\nCOPY a.txt /x\n", (), 65, "is a folder", ""),
    Bad("nobody of that name", "FROM python:3.11-slim\nCOPY --chown=ghost a.txt /x/\n", (), 65, "the user `ghost`", ""),
    Bad("RUN", "FROM scratch\nRUN true\n", (), 65, "RUN", "REQUIRE"),
    Bad("address not there", "FROM scratch\nADD http://127.0.0.1:1/x /x\n", (), 65, "cannot be fetched", ""),
    Bad("checksum of nothing", "FROM scratch\nADD --checksum=sha256:1 a.txt /x\n", (), 65, "checksum", ""),
    Bad("output of a tree", "FROM scratch\n", ("-o", "type=local,dest=@out"), 64, "no file trees", "type=oci"),
    Bad("other secret", "FROM scratch\n", ("--secret=id=other,src=/etc/hosts",), 64, "no step of", "cir_netrc"),
    Bad("base of ours", "FROM @ours\n", (), 65, "is made from a Cirfile itself", "repeat its REQUIRE"),
    Bad("time out of range", "FROM scratch\n", ("--timestamp=9999999999999",), 64, "--timestamp is", "2262"),
    Bad("platform", "FROM scratch\n", ("--platform=a/b/c/d",), 64, "is not a platform", "linux/amd64"),
    Bad("no such folder to write to", "FROM scratch\n", ("-o", "type=oci,dest=@out/no/x.tar"), 70, "No such file", ""),
)  # fmt: skip


@pytest.fixture(scope="session")
def closed(account: Account) -> Iterator[RegistryProxy]:
    """A registry that wants a password."""
    with RegistryProxy(account.engines.registry, "127.0.0.1:0", login="me:hush") as running:
        yield running


@pytest.fixture(scope="session")
def damaged(account: Account, shared: Path) -> dict[str, str]:
    """Two layouts: one whose layer ends too early, one whose manifest does."""
    places = {}
    for name, largest in (("@layout", True), ("@broken", False)):
        folder = shared / name.removeprefix("@")
        done = subprocess.run(
            account.engines.command(
                ["skopeo", "copy", "docker://docker.io/library/musl:1", f"oci:{folder}:latest"], cwd=shared
            ),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        blobs = sorted((folder / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
        index = json.loads((folder / "index.json").read_text())
        manifest = folder / "blobs" / index["manifests"][0]["digest"].replace(":", "/")
        os.truncate(blobs[-1] if largest else manifest, 100)
        subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
        places[name] = str(folder)
    return places


@pytest.fixture(scope="session")
def ours(account: Account, shared: Path) -> str:
    """An image made from a Cirfile, in the registry."""
    folder, name = shared / "ours", f"{account.engines.registry}/twin/ours:1"
    folder.mkdir()
    (folder / "Cirfile").write_text("FROM scratch\n")
    account.bud("--push", name, str(folder))
    return name


Clean = Callable[[], list[str]]


@pytest.fixture
def left(account: Account, outbox: Path) -> Clean:
    """What a build left: work in progress in the cache, and anything in the outbox but what tests put there."""

    def look() -> list[str]:
        found = account.run(
            "sh", "-c", 'find "$XDG_CACHE_HOME" -name "work-*" -o -name ".new-*" -o -name "tmp*"'
        ).out.split()
        return found + [str(path) for path in outbox.iterdir()]

    return look


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
def test_table(
    bad: Bad,
    account: Account,
    contexts: Contexts,
    outbox: Path,
    left: Clean,
    closed: RegistryProxy,
    damaged: dict[str, str],
    ours: str,
) -> None:
    """Every row: status, cause, way out, no traceback, nothing left."""
    words = {
        "@ours": ours,
        "@registry": account.engines.registry,
        "@closed": closed.address,
        "@out": str(outbox),
        **damaged,
    }

    def filled(text: str) -> str:
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    context = contexts.make(filled(bad.text), _A)
    done = account.bud(*(filled(flag) for flag in bad.flags), str(context), ok=False)
    assert (done.status, done.out) == (bad.status, ""), done.talk
    assert bad.said in done.talk
    assert bad.hint in done.talk
    assert "Traceback" not in done.talk
    assert left() == []


def test_neither_program(account: Account, plain: Path) -> None:
    """Without Buildah and Skopeo there is nothing to fetch with."""
    done = account.run(
        "/usr/bin/env",
        "PATH=/nonexistent",
        f"{account.installed}/bin/python3",
        *_BUD[1:],
        str(plain),
        ok=False,
    )
    assert done.status == 69
    assert "neither `buildah` nor `skopeo`" in done.talk
    assert "install Buildah" in done.talk


def test_no_ranges(account: Account, plain: Path, fresh: dict[str, str]) -> None:
    """The storage cannot take files of other owners: the message says both ways out."""
    done = account.restricted(NO_RANGES, *_BUD, "-t", "no-ranges", str(plain), ok=False, environ=fresh)
    assert done.status == 77
    assert "/etc/subuid" in done.talk
    assert "ignore_chown_errors" in done.talk


@pytest.mark.parametrize("size", ["1m", "14m"])
def test_disk_full(size: str, account: Account, plain: Path, outbox: Path, fresh: dict[str, str]) -> None:
    """The cache has no room for the shim, or none for the base: said, and no torn blob stays behind."""
    full = f"{outbox}/full"
    Path(full).mkdir(mode=0o777)
    setup = f"mount -t tmpfs -o size={size},mode=777 tmpfs {full}"
    look = f'"$@"; status=$?; find {full} -type f -name ".new-*" -o -name "work-*"; exit $status'
    argv = (*_BUD, "-o", f"type=oci,dest={outbox}/x.tar", str(plain))
    done = account.restricted(
        setup, "sh", "-c", look, "sh", *argv, ok=False, environ=fresh | {"XDG_CACHE_HOME": full}
    )
    assert (done.status, done.out) == (75, ""), done.talk
    assert "free some space" in done.talk
    assert not (outbox / "x.tar").exists()


def test_cache_that_cannot_be_written(account: Account, plain: Path) -> None:
    done = account.bud(str(plain), ok=False, environ={"XDG_CACHE_HOME": "/proc"})
    assert done.status == 70
    assert "XDG_CACHE_HOME" in done.talk


def test_damaged_cache(account: Account, contexts: Contexts, fresh: dict[str, str]) -> None:
    """A layer that was cut off in the cache is noticed where it is read; the way out is to delete the cache."""
    context = contexts.make("FROM python:3.11-slim\nCOPY --chown=daemon a.txt /x/\n", _A)
    account.bud("-o", f"type=oci,dest={fresh['HOME']}/x.tar", str(context), environ=fresh)
    blobs = f"{fresh['XDG_CACHE_HOME']}/cir/blobs"
    account.run("sh", "-c", f"truncate -s 1000000 $(ls -S -d {blobs}/sha256/* | head -1)")
    done = account.bud("-t", "damaged", str(context), ok=False, environ=fresh)
    assert done.status == 65
    assert f"delete {blobs}" in done.talk
    assert "Traceback" not in done.talk


def test_newer_than_a_registry_that_is_gone(account: Account, contexts: Contexts) -> None:
    """`--pull=newer` takes what is in the storage where nobody can tell whether there is something newer."""
    name = f"127.0.0.1:1/twin/gone:{uuid.uuid4().hex[:8]}"
    context = contexts.make(f"FROM {name}\nCMD true\n", {})
    assert account.bud("--pull=newer", str(context), ok=False).status == 69
    account.run("skopeo", "copy", "docker://docker.io/library/musl:1", f"containers-storage:{name}")
    account.bud("--pull=newer", "-t", "twin-newer", str(context))
    account.run("buildah", "rmi", name)


def test_unreadable_file(account: Account, contexts: Contexts, left: Clean) -> None:
    context = contexts.make("FROM scratch\nCOPY . /x/\n", _A)
    os.chown(context / "a.txt", 0, 0)
    (context / "a.txt").chmod(0o600)
    done = account.bud(str(context), ok=False)
    assert done.status == 77
    assert "a.txt: Permission denied" in done.talk
    assert left() == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal(
    number: signal.Signals, status: int, account: Account, contexts: Contexts, fresh: dict[str, str]
) -> None:
    """A build that is told to end ends the program it waits for, and leaves nothing."""
    context = contexts.make("FROM @slow/python:3.11-slim\n", _A)
    with _Silent() as slow:
        text = (context / "Cirfile").read_text().replace("@slow", slow.address)
        (context / "Cirfile").write_text(text)
        variables = {**account.environ, **fresh}
        command = account.engines.command(
            ["env", *(f"{name}={value}" for name, value in variables.items()), f"{account.installed}/bin/python3",
             *_BUD[1:], "--tls-verify=false", str(context)],
            cwd=account.installed, user=True,
        )  # fmt: skip
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        slow.wait()
        running.send_signal(number)
        out, talk = running.communicate(timeout=30)
        assert (running.returncode, out) == (status, ""), talk
        assert "Traceback" not in talk
        assert slow.left_alone()
    assert account.run("sh", "-c", f"ls {fresh['XDG_CACHE_HOME']}/cir").out.split() == ["blobs"]


class _Silent:
    """A registry that never answers, and notices when whoever asked goes away."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(30)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._caller: socket.socket | None = None

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        if self._caller is not None:
            self._caller.close()

    def wait(self) -> None:
        """Wait until somebody asks."""
        self._caller, _ = self._socket.accept()

    def left_alone(self) -> bool:
        """Whether who asked is gone."""
        caller = self._caller
        if caller is None:
            return False
        caller.settimeout(10)
        deadline = time.monotonic() + 10
        try:
            while time.monotonic() < deadline:
                if caller.recv(65536) == b"":
                    return True
        except ConnectionResetError:
            return True
        return False
