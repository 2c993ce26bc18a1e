"""Deployments of images, with a client that notes what it is told to do, and a registry that keeps all in memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.compare import phases
from bench.compare.systems.host import CommandError, Host
from bench.compare.systems.images import Images
from bench.main_path.variants import TYPES, Variants
from tests.bench.fake import scenarios

MANIFEST = TYPES.partition(",")[0]


class Registry:
    """Blobs and manifests by path."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def push(self, name: str, layers: Sequence[bytes]) -> None:
        """An image of gzipped layers, as tag `1`."""
        contents = [hashlib.sha256(gzip.decompress(layer)).hexdigest() for layer in layers]
        config = json.dumps({"rootfs": {"diff_ids": [f"sha256:{content}" for content in contents]}}).encode()
        entries = [self._blob(name, blob) for blob in (config, *layers)]
        manifest = {"config": entries[0], "layers": entries[1:]}
        self.kept[f"/v2/{name}/manifests/1"] = json.dumps(manifest).encode()

    def manifest(self, reference: str) -> dict[str, Any]:
        name, _, tag = reference.partition("/")[2].partition(":")
        found: dict[str, Any] = json.loads(self.kept[f"/v2/{name}/manifests/{tag}"])
        return found

    def blob(self, reference: str, digest: str) -> bytes:
        name = reference.partition("/")[2].partition(":")[0]
        return self.kept[f"/v2/{name}/blobs/{digest}"]

    def _blob(self, name: str, data: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.kept[f"/v2/{name}/blobs/{digest}"] = data
        return {"digest": digest, "size": len(data)}

    def handler(self) -> type[BaseHTTPRequestHandler]:
        kept = self.kept

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, kept[self.path])

            def do_POST(self) -> None:
                self._answer(202, b"", f"http://{self.headers['Host']}{self.path}1")

            def do_PUT(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                path, _, digest = self.path.partition("?digest=")
                place = path.replace("/uploads/1", f"/{digest.replace('%3A', ':')}") if digest else path
                kept[place] = data
                self._answer(201, b"")

            def _answer(self, status: int, data: bytes, place: str = "") -> None:
                self.send_response(status)
                self.send_header("Content-Type", MANIFEST)
                self.send_header("Content-Length", str(len(data)))
                if place:
                    self.send_header("Location", place)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        return Handler


@pytest.fixture
def registry() -> Iterator[tuple[Registry, str]]:
    kept = Registry()
    with ThreadingHTTPServer(("127.0.0.1", 0), kept.handler()) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield kept, f"127.0.0.1:{server.server_port}"
        server.shutdown()


def layer(name: str, text: bytes) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return gzip.compress(whole.getvalue())


def members(blob: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_variants_are_new_layers_of_the_same_files(registry: tuple[Registry, str]) -> None:
    kept, address = registry
    base, own = layer("base", b"1"), layer("own", b"2" * 5000)
    kept.push("app", [base, own])
    original = kept.manifest(f"{address}/app:1")["layers"]
    made = Variants(address, "app", [original[0]["digest"]])
    references = [made.make(number) for number in (7, 8)]
    assert len(set(references)) == 2
    seen = {original[1]["digest"]}
    for reference in references:
        manifest = kept.manifest(reference)
        assert manifest["layers"][0] == original[0]
        config = json.loads(kept.blob(reference, manifest["config"]["digest"]))
        entry = manifest["layers"][1]
        blob = kept.blob(reference, entry["digest"])
        assert entry == {"digest": f"sha256:{hashlib.sha256(blob).hexdigest()}", "size": len(blob)}
        assert (
            config["rootfs"]["diff_ids"][1] == f"sha256:{hashlib.sha256(gzip.decompress(blob)).hexdigest()}"
        )
        assert members(blob) == members(own)
        seen.add(entry["digest"])
    assert len(seen) == 3


@dataclass
class Client:
    """Does nothing but what a registry must see; notes what was pulled."""

    host: Host
    registry: Registry
    pulled: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)

    def versions(self) -> dict[str, str]:
        return {}

    def build(self, file: Path, tag: str, flags: Sequence[str], cache: str, *, cold: bool) -> None:
        """Nothing."""

    build_two = build

    def push_two(self, file: Path, tag: str, flags: Sequence[str], cache: str) -> None:
        """Nothing."""

    def push(self, tag: str) -> None:
        name = tag.partition("/")[2].partition(":")[0]
        base, shim = layer("base", b"1"), layer("shim", b"2")
        extra = [] if name.endswith("dockerfile.base") else [shim]
        own = [] if name.endswith(".base") else [layer("own", name.encode())]
        self.registry.push(name, [base, *extra, *own])

    def pull(self, tag: str) -> None:
        self.pulled.append(tag)

    def run(self, tag: str, flags: Sequence[str], command: Sequence[str]) -> float:
        self.stores.append(flags[1] if flags else "")
        return 1.0

    def remove(self, images: Sequence[str], volumes: Sequence[str]) -> None:
        """Nothing."""

    def forget_builds(self, images: Sequence[str]) -> None:
        """Nothing."""


@pytest.mark.parametrize(("recipe", "store"), [("Cirfile", "/var/lib/cir"), ("Dockerfile", "")])
def test_one_sibling_is_deployed_before_all_rounds_with_components_shared(
    registry: tuple[Registry, str], tmp_path: Path, recipe: str, store: str
) -> None:
    kept, address = registry
    client = Client(Host((), address, "", ""), kept)
    system = Images("known", "Known", recipe, client, store=store)
    job = system.open(scenarios(tmp_path / "apps", "app")[0], tmp_path / "work")
    for number in range(3):
        job.ready(phases.DEPLOY_SHARED, number)
        assert job.act(phases.DEPLOY_SHARED, number).values["start"] == 1.0
    variants = [tag for tag in client.pulled if ":variant-" in tag]
    assert len(variants) == len(client.stores) == 4
    assert len(set(client.stores)) == 1
    job.tidy()
    job.ready(phases.DEPLOY_SHARED, 3)
    assert len(client.stores) == 5


def test_a_sibling_that_could_not_be_deployed_is_deployed_again(
    registry: tuple[Registry, str], tmp_path: Path
) -> None:
    """Else the next sample would find a store with nothing in it, and its components would not be shared."""
    kept, address = registry
    client = Failing(Host((), address, "", ""), kept)
    system = Images("known", "Known", "Cirfile", client, store="/var/lib/cir")
    job = system.open(scenarios(tmp_path / "apps", "app")[0], tmp_path / "work")
    with pytest.raises(CommandError):
        job.ready(phases.DEPLOY_SHARED, 0)
    job.ready(phases.DEPLOY_SHARED, 0)
    job.act(phases.DEPLOY_SHARED, 0)
    assert len(client.stores) == 2
    assert len(set(client.stores)) == 1


@dataclass
class Failing(Client):
    """Its first start fails."""

    started: int = 0

    def run(self, tag: str, flags: Sequence[str], command: Sequence[str]) -> float:
        self.started += 1
        if self.started == 1:
            raise CommandError("no space left")
        return super().run(tag, flags, command)


@dataclass
class Collecting(Client):
    """Its builds fail as often as it is told to, with some words."""

    words: str = ""
    failures: int = 0
    builds: int = 0

    def build(self, file: Path, tag: str, flags: Sequence[str], cache: str, *, cold: bool) -> None:
        self.builds += 1
        if self.builds <= self.failures:
            raise CommandError(self.words)


LOST = 'failed to prepare extraction snapshot "extract-1": parent snapshot sha256:0 does not exist: not found'


@pytest.mark.parametrize(
    ("words", "failures", "tried"), [(LOST, 1, 2), (LOST, 2, 2), ("no space left", 1, 1)]
)
def test_what_a_phase_begins_with_is_built_again_where_containerd_lost_it(
    registry: tuple[Registry, str], tmp_path: Path, words: str, failures: int, tried: int
) -> None:
    kept, address = registry
    client = Collecting(Host((), address, "", ""), kept, words=words, failures=failures)
    job = Images("known", "Known", "Dockerfile", client).open(
        scenarios(tmp_path / "apps", "app")[0], tmp_path / "w"
    )
    if (words, failures) == (LOST, 1):
        job.ready(phases.BUILD_SAME, 0)
    else:
        with pytest.raises(CommandError):
            job.ready(phases.BUILD_SAME, 0)
    assert client.builds == tried


def test_what_is_measured_is_not_tried_again(registry: tuple[Registry, str], tmp_path: Path) -> None:
    kept, address = registry
    client = Collecting(Host((), address, "", ""), kept, words=LOST)
    job = Images("known", "Known", "Dockerfile", client).open(
        scenarios(tmp_path / "apps", "app")[0], tmp_path / "w"
    )
    job.ready(phases.BUILD_SAME, 0)
    client.failures = client.builds + 1
    with pytest.raises(CommandError):
        job.act(phases.BUILD_SAME, 0)
