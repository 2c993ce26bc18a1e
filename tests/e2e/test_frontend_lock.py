"""The step that locks: cached, repeated, with which network; what it leaves in image, index and bill of materials."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

from devtools.docker import Docker, certificate_secret
from devtools.engines.api import Engines
from tests.e2e.conftest import Build
from tests.support import ocitree
from tests.support.index import Index
from tests.support.wheels import Wheel

FILES: dict[str, object] = {"main.py": "print('hello')\n"}
LOCKED = "FROM musl:1\nREQUIRE pypi six==1.17.0\nCOPY main.py /app/\n"
LOCK = r"\[lock\] resolve"


def test_the_lock_is_cached(build: Build) -> None:
    first = build(LOCKED, FILES)
    assert "[lock] resolve 1 pypi requirement" in first.talk
    second = build(LOCKED, {"main.py": "changed\n"})
    assert cached(second.talk)
    first_labels, second_labels = (each.image.config["config"]["Labels"] for each in (first, second))
    assert first_labels["cir.manifest"] == second_labels["cir.manifest"]
    third = build(LOCKED, FILES, "--no-cache")
    assert not cached(third.talk)


def cached(talk: str, pattern: str = LOCK) -> bool:
    """Tell whether a step was not done, but remembered."""
    number = re.search(rf"^#(\d+) {pattern}", talk, re.MULTILINE)
    assert number, talk
    return f"#{number[1]} CACHED" in talk.splitlines()


def test_cache_export_and_import(
    build: Build, docker: Docker, registry: str, engines: Engines, wheels: Path
) -> None:
    """With an imported cache the resolver does not run, even where the server remembers nothing of it.

    BuildKit may pass over what an import holds, and then asks the resolver as if there were no cache: seen once, on a
    machine of CI, perhaps by moby/buildkit#4674. So a second and a third build may try.
    """
    name = f"{registry}/test/frontend-cache:1"
    with Index(wheels, address=engines.bridge_ip) as index:
        text = f"FROM musl:1\nREQUIRE pypi --index-url {index.url} greeting==1.0\n"
        build(text, {}, f"--cache-to=type=registry,ref={name},mode=max")
    docker.run("buildx", "prune", "--all", "--force", "--filter=description~=cirfile.resolver")
    assert "cannot be locked" in build(text, {}, ok=False).talk
    for _ in range(3):
        imported = build(text, {}, f"--cache-from=type=registry,ref={name}", ok=False)
        assert f"importing cache manifest from {name}" in imported.talk
        if imported.status == 0:
            break
        assert "cannot be locked" in imported.talk
    exported = docker.run("buildx", "imagetools", "inspect", "--raw", name).stdout
    assert imported.status == 0, (imported.talk, exported)  # the index is gone: nobody else can have told


def test_no_cache_for_a_stage(build: Build, index: Index) -> None:
    """`--no-cache-filter` with the stage's name means everything: there is no other stage."""
    head = f"FROM musl:1 AS app\nREQUIRE pypi --index-url {index.url} greeting>=1\n"
    text = f"{head}COPY main.py /x/\n"
    build(text, FILES)
    steps = (LOCK, r"\[1/1\] COPY")
    for name, remembered in (("other", True), ("app", False)):
        index.requests.clear()
        talk = build(text, FILES, f"--no-cache-filter={name}").talk
        assert [cached(talk, each) for each in steps] == [remembered] * 2
        assert bool(index.requests) != remembered


def test_the_network_of_the_resolver(build: Build, wheels: Path, engines: Engines) -> None:
    """`--network` and `--add-host` hold for the one step that uses the network."""
    with Index(wheels) as loopback:
        text = f"FROM musl:1\nREQUIRE pypi --index-url {loopback.url} greeting\n"
        assert build(text, {}, "--network=none", ok=False).status != 0
        assert build(text, {}, ok=False).status != 0
        assert not loopback.requests
        build(text, {}, "--network=host")
    with Index(wheels, address=engines.bridge_ip) as bridge:
        url = bridge.url.replace(engines.bridge_ip, "index.cir.test")
        text = f"FROM musl:1\nREQUIRE pypi --index-url {url} greeting\n"
        assert build(text, {}, ok=False).status != 0
        build(text, {}, f"--add-host=index.cir.test:{engines.bridge_ip}")


def test_equal_inputs_give_equal_indexes(build: Build, index: Index, wheels: Path) -> None:
    """Both platforms, configurations and a lock of ten packages: one digest stands for all of it."""
    names = [f"number{n}" for n in range(10)]
    for name, needed in zip(names, [*names[1:], ""], strict=True):
        Wheel(name, requires=(needed,) if needed else ()).write(wheels)
    text = f"FROM musl:1\nREQUIRE pypi --index-url {index.url} {names[0]}\nCOPY main.py /app/\n"
    first, second = (build(text, FILES, "--platform=linux/amd64,linux/arm64", "--no-cache") for _ in range(2))
    assert ocitree.digest(first.archive) == ocitree.digest(second.archive)
    assert set(first.images) == {"linux/amd64", "linux/arm64"}
    for image in first.images.values():
        app = ocitree.blob(first.archive, image.layers[-1][0])
        with tarfile.open(fileobj=io.BytesIO(app)) as layer:
            lock = layer.extractfile(".cir/lock/pypi.json")
            assert lock is not None
            assert [component["name"] for component in json.load(lock)["components"]] == names


def test_provenance_and_bill_of_materials(
    docker: Docker, frontend_ref: str, registry: str, tmp_path: Path
) -> None:
    (tmp_path / "Cirfile").write_text("FROM musl:1\nREQUIRE pypi requests==2.32.5 six==1.17.0\n")
    name = f"{registry}/test/attested:1"
    docker.run(
        "buildx", "build", "-f", str(tmp_path / "Cirfile"), f"--build-arg=BUILDKIT_SYNTAX={frontend_ref}",
        "--provenance=mode=max", "--sbom=true", "--push", "-t", name, *certificate_secret(), str(tmp_path),
    )  # fmt: skip
    done = docker.run("buildx", "imagetools", "inspect", name, "--format", "{{json .SBOM}}")
    bill = json.loads(done.stdout)["SPDX"]
    packages = {package["SPDXID"]: package for package in bill["packages"]}
    names = ["certifi", "charset-normalizer", "idna", "requests", "six", "urllib3"]
    assert sorted(package["name"] for package in packages.values()) == names
    locators = [package["externalRefs"][0]["referenceLocator"] for package in packages.values()]
    assert {"pkg:pypi/requests@2.32.5", "pkg:pypi/six@1.17.0"} < set(locators)
    needs = {
        (packages[edge["spdxElementId"]]["name"], packages[edge["relatedSpdxElement"]]["name"])
        for edge in bill["relationships"]
        if edge["relationshipType"] == "DEPENDS_ON"
    }
    assert needs == {("requests", name) for name in ("certifi", "charset-normalizer", "idna", "urllib3")}
    done = docker.run("buildx", "imagetools", "inspect", name, "--format", "{{json .Provenance}}")
    assert "SLSA" in json.loads(done.stdout)
