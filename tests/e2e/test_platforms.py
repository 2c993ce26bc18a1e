"""One build, two architectures: no emulation, no base pulled, equal layers, and both images run."""

from __future__ import annotations

import json
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devtools import images, paths
from devtools.docker import Docker, certificate_mount, certificate_secret
from devtools.engines.api import Engines
from tests.support import ocilayout
from tests.support.index import Index
from tests.support.registryproxy import RegistryProxy

APPS = paths.CHECKOUT / "testdata/apps"
INDEX_TYPES = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)

#: The applications, and where each is run. Training takes minutes under emulation; there the ETL job stands for
#: large packages.
RUN_ON = {
    "plain": ("amd64", "arm64"),
    "fastapi": ("amd64", "arm64"),
    "private": ("amd64", "arm64"),
    "etl": ("amd64", "arm64"),
    "sklearn": ("amd64",),
}
#: Push without keeping the image: with plain `--push` this Docker completes its own copy, base included.
PUSH = "push=true,store=false"


@contextmanager
def without_emulation(engines: Engines, docker: Docker) -> Iterator[None]:
    """The kernel knows no emulator, so that what is built meanwhile has run no program of the other architecture."""
    engines.emulation(False)
    try:
        argv = docker.argv("run", "--rm", "--platform", "linux/arm64", "musl:1", "true")
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode != 0
        assert "exec format error" in done.stderr
        yield
    finally:
        engines.emulation(True)


@pytest.fixture
def no_emulation(engines: Engines, docker: Docker) -> Iterator[None]:
    """No emulation while this test runs."""
    with without_emulation(engines, docker):
        yield


def get(where: str, path: str) -> Any:
    """Read a manifest or blob of the registry as JSON."""
    request = urllib.request.Request(f"http://{where}/v2/{path}", headers={"Accept": INDEX_TYPES})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def layers_of(where: str, name: str) -> dict[str, list[dict[str, Any]]]:
    """Layer descriptors of a multi-platform image by architecture."""
    entries = get(where, f"{name}/manifests/1")["manifests"]
    real = [entry for entry in entries if entry["platform"]["os"] != "unknown"]
    return {
        e["platform"]["architecture"]: get(where, f"{name}/manifests/{e['digest']}")["layers"] for e in real
    }


def push_base(engines: Engines, folder: Path, name: str) -> None:
    """Push a base of two architectures with layers that this Docker has never seen, and not through Docker."""
    ocilayout.write(folder, ("amd64", "arm64"), {"etc/unique": uuid.uuid4().hex})
    engines.run(["skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{folder}:1", f"docker://{name}"])


def test_two_architectures(
    docker: Docker, registry: str, frontend_ref: str, no_emulation: None, tmp_path: Path, engines: Engines
) -> None:
    """The app layer is one blob, the shim layer one an architecture, the base untouched and never fetched."""
    unique = uuid.uuid4().hex[:8]
    push_base(engines, tmp_path / "layout", f"{registry}/fresh/{unique}/base:1")
    (tmp_path / "words.py").write_text((APPS / "plain/words.py").read_text())
    (tmp_path / "other.py").write_text("print('other')\n")
    with RegistryProxy(registry, engines.spare_registry) as proxy:
        for name, script in (("one", "words.py"), ("two", "other.py")):
            head = f"FROM {proxy.address}/fresh/{unique}/base:1\nREQUIRE pypi idna\n"
            text = f'{head}COPY {script} /app/\nCMD ["python3", "/app/{script}"]\n'
            (tmp_path / "Cirfile").write_text(text)
            docker.run(
                "buildx", "build", "-f", str(tmp_path / "Cirfile"), "--platform", "linux/amd64,linux/arm64",
                "--build-arg", f"BUILDKIT_SYNTAX={frontend_ref}", "--provenance=false", *certificate_secret(),
                "--output", f"type=image,name={proxy.address}/fresh/{unique}/{name}:1,{PUSH}", str(tmp_path),
            )  # fmt: skip
        base = layers_of(registry, f"fresh/{unique}/base")
        one, two = (layers_of(registry, f"fresh/{unique}/{name}") for name in ("one", "two"))
        fetched = {seen.path.rsplit("/", 1)[1] for seen in proxy.fetched()}
    for architecture in ("amd64", "arm64"):
        digests = [layer["digest"] for layer in base[architecture]]
        assert [layer["digest"] for layer in one[architecture][:-2]] == digests
        assert not fetched & set(digests), "a layer of the base was fetched"
        assert one[architecture][-2] == two[architecture][-2], "the shim layer is the same in every image"
    assert one["amd64"][-1] == one["arm64"][-1], "the app layer is the same on every platform"
    assert one["amd64"][-1] != two["amd64"][-1]
    assert one["amd64"][-2] != one["arm64"][-2]
    assert max(layer["size"] for layers in one.values() for layer in layers[-2:-1]) <= 15_000_000


@pytest.fixture(scope="module")
def pushed(
    docker: Docker, registry: str, frontend_ref: str, engines: Engines, company_index: Index, company_netrc: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:  # fmt: skip
    """Every application, built for both architectures without emulation and pushed; references by digest."""
    metadata = tmp_path_factory.mktemp("pushed") / "metadata.json"
    private = ["--build-arg", f"INDEX={company_index.url}", "--secret", f"id=cir_netrc,src={company_netrc}"]
    references = {}
    with without_emulation(engines, docker):
        for app in RUN_ON:
            name = f"{registry}/apps/{app}"
            docker.run(
                "buildx", "build", "-f", str(APPS / app / "Cirfile"), "--platform", "linux/amd64,linux/arm64",
                "--provenance=false", *certificate_secret(), *(private if app == "private" else []),
                "--metadata-file", str(metadata), "--output", f"type=image,name={name}:1,{PUSH}", str(APPS / app),
            )  # fmt: skip
            references[app] = f"{name}@{json.loads(metadata.read_text())['containerimage.digest']}"
    return references


@pytest.fixture(scope="module")
def store(docker: Docker) -> Iterator[str]:
    """One store for containers of both architectures."""
    name = f"cir-test-{uuid.uuid4().hex[:8]}"
    docker.run("volume", "create", name)
    yield name
    docker.run("volume", "rm", "-f", name)


@pytest.mark.parametrize(("app", "architecture"), [(app, one) for app, on in RUN_ON.items() for one in on])
def test_runs_on_both(
    app: str, architecture: str, docker: Docker, pushed: dict[str, str], store: str, company_netrc: Path
) -> None:
    """The very image that was built without emulation is pulled and verified; the foreign one emulated only now."""
    login = ("-v", f"{company_netrc}:/run/netrc:ro", "-e", "NETRC=/run/netrc") if app == "private" else ()
    flags = ["--rm", "--platform", f"linux/{architecture}", "--pull=always", "-u", "0"]
    mounts = ["-v", f"{store}:/var/lib/cir", *certificate_mount(), *login]
    command = docker.argv("run", *flags, *mounts, "--entrypoint", "/.cir/shim", pushed[app], "./verify")
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert f"{app}: " in done.stdout
    machine = docker.run(
        "run", "--rm", "--platform", f"linux/{architecture}", "--entrypoint", "uname", pushed[app], "-m"
    ).stdout
    assert machine.strip() == {"amd64": "x86_64", "arm64": "aarch64"}[architecture]


def test_frontend_and_shim_are_built_without_emulation(
    docker: Docker, registry: str, no_emulation: None, pushed: dict[str, str]
) -> None:
    """Both images from nothing, for both architectures; the shim layer is the blob that every image carries."""
    where = f"{registry}/fresh/{uuid.uuid4().hex[:8]}"
    for target, anew in (("shim", ["--no-cache"]), ("frontend", ["--no-cache-filter", "frontend-parts"])):
        output = ["--output", f"type=image,name={where}/{target}:1,{PUSH}"]
        images.build(docker, target, ["--platform", "linux/amd64,linux/arm64", *anew, *output])
    path = where.partition("/")[2]
    shim = layers_of(registry, f"{path}/shim")
    carried = layers_of(registry, "apps/plain")
    for architecture in ("amd64", "arm64"):
        assert [layer["digest"] for layer in shim[architecture]] == [carried[architecture][-2]["digest"]]
    assert set(layers_of(registry, f"{path}/frontend")) == {"amd64", "arm64"}
