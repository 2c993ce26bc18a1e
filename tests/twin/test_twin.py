"""The twin test: the same Cirfile through BuildKit and through Buildah gives the same image.

Compared are the configuration, byte for byte - so the digests of all uncompressed layers, and the manifest of the
application, too -, the blobs of base and shim, and the app layer's archive, byte for byte: path, type, mode, owner,
content and time of every file, and their order.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import signal
import socket
import struct
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from devtools.docker import Docker, certificate_secret
from devtools.engines.api import Engines
from tests.e2e.differential_cases import CASES, TREE, Case
from tests.e2e.test_differential import inputs, push, small_archive
from tests.support.index import Index
from tests.twin.conftest import CHECKOUT, Account, Contexts

DIFFERENCES = {
    "blob of the app layer": "gzip of another library; the archive in it is the same, and so are config and tree",
    "annotation `created`": "put into the index by buildx, not by the frontend",
    "a user nobody knows": "BuildKit gives the files to root without a word; the twin says so and ends",
}
APPS = ("plain", "sklearn", "fastapi", "etl")

#: Files of a Cirfile's own, beyond those that are Dockerfiles.
OWN_CASES = (
    Case("parents", "FROM scratch\nCOPY --parents sub/deep/d.py a.txt /p/\nCOPY --parents ./sub/./deep /q/\n", TREE),
    Case("parents_exclude", "FROM scratch\nCOPY --parents --exclude=**/*.py sub/ /p/\n", TREE),
    Case("exclude_taken_back", "FROM scratch\nCOPY --exclude=sub --exclude=!sub/deep . /x/\n", TREE),
    Case("exclude_named", "FROM scratch\nCOPY --exclude=a* a* /x/\n", TREE),
    Case("chmod_makes_folders", "FROM scratch\nCOPY --chmod=0711 --chown=3:4 a.txt /q/w/\n", TREE),
    Case("chmod_special_bits", "FROM scratch\nCOPY --chmod=6755 a.txt /x\nCOPY --chmod=u+s,g-r,o=t sub /y/\n", TREE),
    Case("long_names", "FROM scratch\nCOPY . /x/\n", {"n" * 120 + "/" + "m" * 120: "1"}),
    Case("long_name_and_id", "FROM scratch\nCOPY --chown=3000000 . /x/\n", {"n" * 110 + "/" + "m" * 50: "1"}),
    Case("names_of_the_world", "FROM scratch\nCOPY . /x/\n", {"ünï/ñ": "1", "b&<>.txt": "2"}),
    Case("labels_of_html", "FROM scratch\nLABEL a='<&>' b=ü\nCOPY a.txt /\n", TREE),
    Case("large_ids", "FROM scratch\nCOPY --chown=3000000:4000000 a.txt /x\n", TREE),
    Case("merged_folders", "FROM @plain\nCOPY sub /usr/local/sub\nCOPY . /srv/owned/\nCOPY sub /srv/owned/sub\n", TREE),
    Case("linked_over_base", "FROM @plain\nCOPY a.txt /etc/motd\nCOPY --link --chown=5 sub /srv/owned/\n", TREE),
    Case("into_linked_file", "FROM @plain\nCOPY a.txt /var/run/x/y\nCOPY b.txt /bin/tool\n", TREE),
    Case("manifest", "FROM @plain\nPIN latest\nREQUIRE pypi numpy>=2\nSETUP python -c pass\nCOPY a.txt /app/\n", TREE),
    Case("add_url_unpack_not", "FROM scratch\nADD --unpack=false data.tar.gz /x/\n", {"data.tar.gz": b"@tar"}),
    Case("heredoc_chmod", "FROM scratch\nCOPY --chmod=755 <<run.sh /bin/\n#!/bin/sh\nrun.sh\n"),
    Case("epoch", "FROM scratch\nCOPY . /x/\n", TREE, ("--build-arg=SOURCE_DATE_EPOCH=1700000000",)),
    Case("ours_below_cir", "FROM @plain\nCOPY . /\nCOPY --chown=app a.txt /x/\n", {".cir/shim": "no", "a.txt": "a"}),
    Case("author", "FROM scratch\nMAINTAINER me\nCOPY a.txt /\n", TREE),
)  # fmt: skip


@dataclass(frozen=True)
class Archive:
    """An OCI archive: its blobs by digest, and the configuration and manifest of one platform."""

    blobs: dict[str, bytes]
    manifests: dict[str, dict[str, Any]]

    def config(self, platform: str) -> bytes:
        """The configuration as it is stored."""
        return self.blobs[self.manifests[platform]["config"]["digest"]]

    def layers(self, platform: str) -> list[str]:
        """The digests of the layers."""
        return [layer["digest"] for layer in self.manifests[platform]["layers"]]

    def app(self, platform: str) -> bytes:
        """The app layer's archive."""
        return gzip.decompress(self.blobs[self.layers(platform)[-1]])


def opened(path: Path) -> Archive:
    """Read an OCI archive."""
    with tarfile.open(path) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]
    blobs = {name.removeprefix("blobs/").replace("/", ":"): data for name, data in members.items()}
    manifests: dict[str, dict[str, Any]] = {}
    pending = list(json.loads(members["index.json"])["manifests"])
    while pending:
        fields = json.loads(blobs[pending.pop()["digest"]])
        pending += fields.get("manifests", [])
        if "config" in fields:
            config = json.loads(blobs[fields["config"]["digest"]])
            manifests[f"{config['os']}/{config['architecture']}"] = fields
    return Archive(blobs, manifests)


@dataclass(frozen=True)
class Pair:
    """Builds with both engines."""

    docker: Docker
    frontend: str
    account: Account
    outbox: Path

    def build(self, context: Path, *flags: str, both: tuple[str, ...] = ()) -> tuple[Archive, Archive]:
        """Build a context; ``both`` are flags that BuildKit alone gets."""
        stock, ours = self.outbox / "buildkit.tar", self.outbox / "buildah.tar"
        file = context / "Cirfile"
        shim = f"--build-arg=CIR_SHIM={self.account.environ['CIR_SHIM']}"
        argv = self.docker.argv(
            "buildx", "build", "--progress=plain", "-f", str(file), f"--build-arg=BUILDKIT_SYNTAX={self.frontend}",
            shim, *certificate_secret(), "--provenance=false", f"--output=type=oci,dest={stock}", *flags, *both,
            str(context),
        )  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
        assert done.returncode == 0, done.stderr
        self.account.bud("-f", str(file), f"--output=type=oci,dest={ours}", *flags, str(context))
        return opened(stock), opened(ours)


@pytest.fixture
def pair(docker: Docker, frontend_ref: str, account: Account, outbox: Path) -> Pair:
    """Both engines."""
    return Pair(docker, frontend_ref, account, outbox)


def same(stock: Archive, ours: Archive) -> None:
    """Both archives hold the same image, but for what `DIFFERENCES` lists."""
    assert ours.manifests.keys() == stock.manifests.keys()
    for platform in stock.manifests:
        assert listed(ours.app(platform)) == listed(stock.app(platform))
        assert ours.app(platform) == stock.app(platform)
        assert ours.config(platform).decode() == stock.config(platform).decode()
        assert ours.layers(platform)[:-1] == stock.layers(platform)[:-1]


def listed(archive: bytes) -> list[tuple[object, ...]]:
    """What an archive holds, for people who read why a test failed."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [
            (m.name, m.type, oct(m.mode), m.uid, m.gid, m.size, m.linkname, m.mtime, m.pax_headers)
            for m in tar
        ]


@pytest.mark.parametrize("case", [*CASES, *OWN_CASES], ids=lambda case: case.name)
def test_same_image(case: Case, pair: Pair, bases: dict[str, str], contexts: Contexts) -> None:
    """Every file that BuildKit's stock frontend is compared with, and those of our own."""
    text, files = inputs(case, bases)
    context = contexts.make(text, files)
    named = contexts.make("", files)
    flags = tuple(flag.replace("@context", str(named)) for flag in case.flags)
    same(*pair.build(context, *flags))


@pytest.mark.parametrize("app", APPS)
def test_same_application(app: str, pair: Pair, contexts: Contexts) -> None:
    """Every application, locked by both, for two architectures."""
    context = contexts.copy(CHECKOUT / "testdata/apps" / app)
    same(*pair.build(context, "--platform=linux/amd64,linux/arm64"))


def test_same_private_application(
    pair: Pair, contexts: Contexts, company_index: Index, company_netrc: Path
) -> None:
    """What takes a password to resolve; it is in neither image."""
    context = contexts.copy(CHECKOUT / "testdata/apps/private")
    login = contexts.make("", {"netrc": company_netrc.read_text()}) / "netrc"
    flags = (f"--build-arg=INDEX={company_index.url}", f"--secret=id=cir_netrc,src={login}")
    stock, ours = pair.build(context, "--platform=linux/amd64,linux/arm64", *flags)
    same(stock, ours)
    for platform in ours.manifests:
        held = ours.app(platform) + ours.config(platform)
        assert b"acme-greeting" in held
        assert company_index.password.encode() not in held


@pytest.fixture(scope="module")
def web(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server on the bridge with a file and an archive."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "a.txt").write_text("a\n")
    (folder / "data.tar.gz").write_bytes(small_archive())
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer((engines.bridge_ip, 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://{engines.bridge_ip}:{server.server_address[1]}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Requests are not printed."""


@pytest.fixture(scope="module")
def repository(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A git server on the bridge with one repository."""
    folder = tmp_path_factory.mktemp("git")
    work = folder / "app.git"
    (work / "sub").mkdir(parents=True)
    (work / "sub/run.sh").write_text("#!/bin/sh\n")
    (work / "sub/run.sh").chmod(0o700)
    (work / "a.txt").write_text("a\n")
    (work / "link").symlink_to("a.txt")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(work)]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "x"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True)
    with socket.create_server((engines.bridge_ip, 0)) as free:
        port = free.getsockname()[1]
    serve = [
        "git", "daemon", "--reuseaddr", f"--listen={engines.bridge_ip}", f"--port={port}", "--export-all",
        f"--base-path={folder}",
    ]  # fmt: skip
    with subprocess.Popen([*serve, str(folder)], start_new_session=True) as running:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex((engines.bridge_ip, port)) == 0:
                    break
            time.sleep(0.05)
        yield f"git://{engines.bridge_ip}:{port}/app.git"
        os.killpg(running.pid, signal.SIGTERM)


def test_same_fetched(pair: Pair, contexts: Contexts, web: str, repository: str) -> None:
    """`ADD` of files of the web, unpacked or not, and of repositories, with references and sub-folders."""
    sha256 = hashlib.sha256(b"a\n").hexdigest()
    text = (
        f"FROM scratch\nADD {web}/a.txt {web}/data.tar.gz /web/\nADD --chmod=644 {web}/a.txt /named\n"
        f"ADD --unpack=true --chown=3:4 {web}/data.tar.gz /unpacked/\n"
        f"ADD --checksum=sha256:{sha256} {web}/a.txt /checked/\n"
        f"ADD {repository} /git/\nADD {repository}#v1:sub /sub/\n"
    )
    same(*pair.build(contexts.make(text, {})))


def test_same_capabilities(
    pair: Pair, contexts: Contexts, docker: Docker, registry: str, tmp_path: Path
) -> None:
    """Of the extended attributes a layer keeps what a program may do without root, through all ways of copying."""
    archive = with_capability()
    (tmp_path / "caps.tar").write_bytes(archive)
    base = f"{registry}/twin/capable:1"
    push(docker, tmp_path, base, "FROM scratch\nADD caps.tar /\n")
    text = (
        "FROM scratch\nADD caps.tar /a/\nADD --chown=5 caps.tar /b/\n"
        f"COPY --from={base} /ping /c/\nCOPY --from={base} --chown=5 --chmod=700 /ping /d/\n"
    )
    stock, ours = pair.build(contexts.make(text, {"caps.tar": archive}))
    kept = [pax for *_, pax in listed(stock.app("linux/amd64")) if pax]
    assert len(kept) == 4, "BuildKit keeps them, or this shows nothing"
    same(stock, ours)


def with_capability() -> bytes:
    """An archive with a program that may open raw sockets (CAP_NET_RAW), and an attribute of a user."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("ping")
        info.mode = 0o755
        capability = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0).decode()
        info.pax_headers = {"SCHILY.xattr.security.capability": capability, "SCHILY.xattr.user.note": "x"}
        tar.addfile(info)
    return buffer.getvalue()


def test_there_are_enough_cases() -> None:
    assert len({case.name for case in (*CASES, *OWN_CASES)}) == len(CASES) + len(OWN_CASES) >= 80
