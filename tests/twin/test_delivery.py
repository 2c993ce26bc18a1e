"""Where images go, as an ordinary user with real Buildah, Podman and Skopeo: storage, lists, registries, files."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.docker import certificate_mount
from tests.support.index import Index
from tests.support.registryproxy import RegistryProxy
from tests.support.wheels import Wheel
from tests.twin.conftest import CHECKOUT, Account, Contexts, Done

APPS = CHECKOUT / "testdata/apps"
BASE = "docker.io/library/python:3.11-slim"
_PODMAN = ("podman", "run", "--rm", "--network=none")


def manifest(account: Account, name: str) -> dict[str, Any]:
    """The manifest or index of a name, as it is stored."""
    return dict(json.loads(account.run("skopeo", "inspect", "--raw", name).out))


def layers(account: Account, name: str) -> list[str]:
    return [layer["digest"] for layer in manifest(account, name)["layers"]]


def of_platform(account: Account, name: str, architecture: str = "amd64") -> str:
    """The name of one image of an index."""
    entries = manifest(account, name)["manifests"]
    digest = next(e["digest"] for e in entries if e["platform"]["architecture"] == architecture)
    return f"{name.rpartition(':')[0]}@{digest}"


@pytest.fixture
def front(account: Account) -> Iterator[RegistryProxy]:
    """A front of the registry that counts."""
    with RegistryProxy(account.engines.registry, "127.0.0.1:0") as running:
        yield running


def verified(account: Account, image: str) -> Done:
    """Run the application's own check with Podman."""
    return account.run(*_PODMAN, "--entrypoint", "/.cir/shim", image, "./verify")


def test_into_the_storage_and_run(account: Account, plain: Path, outbox: Path) -> None:
    """`buildah-cir bud -t`, then Podman; stdout is the id, `--iidfile` has it too."""
    done = account.bud("-t", "twin-plain", "--iidfile", str(outbox / "id"), str(plain))
    found = account.run("podman", "image", "inspect", "--format", "{{.Id}}", "twin-plain").out.strip()
    assert done.out.strip() == found
    assert (outbox / "id").read_text() == f"sha256:{found}"
    assert "plain: " in verified(account, "twin-plain").out


def test_layers_of_base_and_shim_stay_what_they_are(account: Account, plain: Path) -> None:
    account.bud("-t", "twin-plain", str(plain))
    own = layers(account, "containers-storage:localhost/twin-plain:latest")
    base = layers(account, of_platform(account, f"docker://{BASE}"))
    shim = layers(account, of_platform(account, f"docker://{account.environ['CIR_SHIM']}"))
    assert own[:-1] == base + shim


def test_the_same_again(account: Account, plain: Path, outbox: Path, fresh: dict[str, str]) -> None:
    """Another user with another umask and no cache gets the same file."""
    one, two = outbox / "one.tar", outbox / "two.tar"
    account.bud("-o", f"type=oci,dest={one}", str(plain))
    account.run(
        "sh", "-c", 'umask 077; exec "$@"', "sh", "python3", "-m", "buildah_plugin.cli", "bud", "-o",
        f"type=oci,dest={two}", str(plain), environ=fresh,
    )  # fmt: skip
    assert digest(one) == digest(two)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_platforms_and_a_list_of_manifests(account: Account, plain: Path) -> None:
    """`--manifest` collects both platforms; Podman runs the one of this machine; building again adds nothing twice."""
    name = f"localhost/twin-list-{uuid.uuid4().hex[:6]}"
    for _ in range(2):
        account.bud("--platform=linux/amd64,linux/arm64", "--manifest", name, str(plain))
        listed = json.loads(account.run("buildah", "manifest", "inspect", name).out)
        found = sorted(entry["platform"]["architecture"] for entry in listed["manifests"])
        assert found == ["amd64", "arm64"]
    assert "plain: " in verified(account, name).out
    account.run("buildah", "manifest", "rm", name)


@pytest.mark.parametrize("platforms", [(), ("--platform=linux/amd64,linux/arm64",)], ids=["one", "two"])
def test_a_name_beside_a_list_of_manifests(account: Account, plain: Path, platforms: tuple[str, ...]) -> None:
    name = f"localhost/twin-both-{uuid.uuid4().hex[:6]}"
    account.bud(*platforms, "-t", f"{name}:tag", "--manifest", f"{name}:list", str(plain))
    listed = json.loads(account.run("buildah", "manifest", "inspect", f"{name}:list").out)
    assert len(listed["manifests"]) == (2 if platforms else 1)
    assert "plain: " in verified(account, f"{name}:tag").out
    account.run("buildah", "manifest", "rm", f"{name}:list")


def test_arch_and_os(account: Account, plain: Path, outbox: Path) -> None:
    account.bud("--arch=arm64", "-t", "twin-arm", str(plain))
    found = account.run("podman", "image", "inspect", "--format", "{{.Architecture}}", "twin-arm").out
    assert found.strip() == "arm64"


def test_push_keeps_digests(account: Account, plain: Path, fresh: dict[str, str]) -> None:
    """An image of two platforms goes from registry to registry; the storage never sees it."""
    name = f"{account.engines.registry}/twin/pushed-{uuid.uuid4().hex[:6]}:1"
    done = account.run(
        "python3", "-m", "cirfile.cli", "build", "--engine=buildah", "--json", "--push", "-t", name,
        "--platform=linux/amd64,linux/arm64", str(plain), environ=fresh,
    )  # fmt: skip
    raw = account.run("skopeo", "inspect", "--raw", f"docker://{name}").out
    assert json.loads(done.out) == {
        "digest": f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}",
        "names": [name],
    }
    for architecture in ("amd64", "arm64"):
        own = layers(account, of_platform(account, f"docker://{name}", architecture))
        shim = layers(account, of_platform(account, f"docker://{account.environ['CIR_SHIM']}", architecture))
        base = layers(account, of_platform(account, f"docker://{BASE}", architecture))
        assert own[:-1] == base + shim
    assert account.run("podman", "images", "--quiet", environ=fresh).out == ""


def test_a_registry_that_has_the_base_is_sent_the_app_only(
    account: Account, plain: Path, front: RegistryProxy, fresh: dict[str, str]
) -> None:
    """Building and pushing again fetches no blob of the base, and no blob of the shim either: it is kept."""
    base = f"{front.address}/library/python:3.11-slim"
    text = (plain / "Cirfile").read_text().replace("FROM python:3.11-slim", f"FROM {base}")
    (plain / "Cirfile").write_text(text)
    flags = ("--tls-verify=false", "-o", "type=registry,name=" + f"{front.address}/twin/again:1")
    account.bud(*flags, str(plain), environ=fresh)
    fetched = {
        layer.rpartition(":")[2] for layer in layers(account, of_platform(account, f"docker://{BASE}"))
    }
    front.seen.clear()
    (plain / "words.py").write_text("print('changed')\n")
    account.run("rm", "-rf", f"{fresh['HOME']}/.cache/cir/blobs", environ=fresh)
    account.bud(*flags, str(plain), environ=fresh)
    assert not [seen for seen in front.fetched() if seen.path.rpartition(":")[2] in fetched]


def test_credentials_stand_in_no_argv(
    account: Account, plain: Path, outbox: Path, fresh: dict[str, str]
) -> None:
    """`--creds` and `--authfile` open a closed registry; `--debug` shows the commands, and no password."""
    with RegistryProxy(account.engines.registry, "127.0.0.1:0", login="me:hush") as closed:
        base = f"{closed.address}/library/python:3.11-slim"
        text = (plain / "Cirfile").read_text().replace("FROM python:3.11-slim", f"FROM {base}")
        (plain / "Cirfile").write_text(text)
        out = ("-o", f"type=oci,dest={outbox}/x.tar", "--tls-verify=false", "--debug", str(plain))
        shim = {"CIR_SHIM": account.environ["CIR_SHIM"].replace(account.engines.registry, closed.address)}
        done = account.bud("--creds=me:hush", *out, environ=fresh | shim)
        assert "skopeo copy" in done.talk
        assert "hush" not in done.talk
        auth = outbox / "auth.json"
        auth.write_text(json.dumps({"auths": {closed.address: {"auth": "bWU6aHVzaA=="}}}))
        account.bud(f"--authfile={auth}", *out, environ=fresh | shim)


def test_docker_format_and_archives(account: Account, plain: Path, outbox: Path) -> None:
    account.bud("--format=docker", "-o", f"type=oci,dest={outbox}/layout,tar=false", str(plain))
    kind = manifest(account, f"oci:{outbox}/layout:latest")["mediaType"]
    assert kind == "application/vnd.docker.distribution.manifest.v2+json"
    account.bud(
        "-t",
        "twin-archive:1",
        "-t",
        "twin-archive:2",
        "-o",
        f"type=docker,dest={outbox}/docker.tar",
        str(plain),
    )
    loaded = account.run("podman", "load", "--quiet", "-i", f"{outbox}/docker.tar").out
    assert "twin-archive:1" in loaded
    assert "twin-archive:2" in loaded


def test_base_of_the_storage(account: Account, contexts: Contexts, outbox: Path) -> None:
    """What Buildah built a moment ago is a base like any other, to run as well as to write to a file."""
    below = contexts.make("FROM python:3.11-slim\nENV BELOW=yes\n", {}, "Containerfile")
    account.run("buildah", "bud", "-t", "twin-below", str(below))
    context = contexts.make("FROM twin-below\nCOPY --chown=nobody a.txt /app/\nCMD true\n", {"a.txt": "a"})
    account.bud("-t", "twin-above", str(context))
    shown = account.run(*_PODMAN, "--entrypoint", "/bin/ls", "twin-above", "-ln", "/app/a.txt").out
    assert " 65534 65534 " in shown
    account.bud("-o", f"type=oci,dest={outbox}/x.tar", str(context))
    env = account.run("skopeo", "inspect", "--config", f"oci-archive:{outbox}/x.tar").out
    assert "BELOW=yes" in env


def test_base_of_the_storage_keeps_its_digests(account: Account, plain: Path, outbox: Path) -> None:
    """A base that was pulled goes into a file with the layers of its registry, not as the storage would write them."""
    account.run("buildah", "pull", "--quiet", BASE)
    account.bud(
        "-o", f"type=oci,dest={outbox}/x.tar", str(plain), environ={"XDG_CACHE_HOME": f"{outbox}/cache"}
    )
    base = layers(account, of_platform(account, f"docker://{BASE}"))
    assert layers(account, f"oci-archive:{outbox}/x.tar")[: len(base)] == base


def test_private_index_and_kept_lock(
    account: Account, contexts: Contexts, wheels: Path, outbox: Path
) -> None:
    """Credentials come by netrc; an unchanged question is answered from the cache, `--no-cache` asks again."""
    Wheel("acme-greeting", files={"acme_greeting.py": "WORD = 'hello'\n"}).write(wheels)
    context = contexts.copy(APPS / "private")
    with Index(wheels, address=account.engines.bridge_ip, user="me", password="hush") as index:
        netrc = outbox / "netrc"
        netrc.write_text(f"machine {account.engines.bridge_ip} login me password hush\n")
        flags = (f"--build-arg=INDEX={index.url}", "-t", "twin-private", str(context))
        given = ("--no-cache", f"--secret=id=cir_netrc,src={netrc}")
        assert "resolved" in account.bud(*given, *flags).talk
    assert "unchanged" in account.bud(*flags).talk
    refused = account.bud("--no-cache", *flags, ok=False)
    assert refused.status == 69
    image = "containers-storage:localhost/twin-private:latest"
    config = account.run("skopeo", "inspect", "--config", image).out
    assert "hush" not in config


@pytest.fixture(scope="session")
def buildah_alone(account: Account, shared: Path) -> dict[str, str]:
    """A PATH where everything is but Skopeo."""
    folder = shared / "buildah-alone"
    folder.mkdir(mode=0o755)
    folder.chmod(0o777)
    account.run("sh", "-c", f"ln -s /usr/bin/* {account.installed}/bin/* {folder}/; rm {folder}/skopeo")
    return {"PATH": str(folder)}


def test_buildah_alone(
    account: Account, plain: Path, outbox: Path, fresh: dict[str, str], buildah_alone: dict[str, str]
) -> None:
    """Without Skopeo: the same image in a file, in the storage, and in a registry, where it is a list of one."""
    one, two = outbox / "one.tar", outbox / "two.tar"
    account.bud("-o", f"type=oci,dest={one}", str(plain))
    done = account.bud("--debug", "-o", f"type=oci,dest={two}", str(plain), environ=fresh | buildah_alone)
    assert "skopeo" not in done.talk
    assert digest(one) == digest(two)
    account.bud("-t", "twin-alone", str(plain), environ=fresh | buildah_alone)
    assert "plain: " in account.run(
        *_PODMAN, "--entrypoint", "/.cir/shim", "twin-alone", "./verify", environ=fresh
    ).out  # fmt: skip
    name = f"{account.engines.registry}/twin/alone:1"
    account.bud("--push", name, "-t", "twin-alone", str(plain), environ=fresh | buildah_alone)
    pushed = layers(account, of_platform(account, f"docker://{name}"))
    base = layers(account, of_platform(account, f"docker://{BASE}"))
    assert pushed[: len(base)] == base


def test_a_name_changes_between_image_and_list(account: Account, plain: Path) -> None:
    """The name leads to what was built last, as with any tag."""
    one = account.bud("-t", "twin-swap", str(plain)).out
    account.bud("-t", "twin-swap", "--platform=linux/amd64,linux/arm64", str(plain))
    listed = json.loads(account.run("buildah", "manifest", "inspect", "localhost/twin-swap").out)
    assert len(listed["manifests"]) == 2
    account.bud("-t", "twin-swap", str(plain))
    assert account.run("podman", "image", "inspect", "--format", "{{.Id}}", "twin-swap").out == one


def test_words_of_other_engines(account: Account, plain: Path) -> None:
    """What this engine cannot do is an error with another way, never without effect."""
    for flag in ("--dry-run", "--check", "--frontend=x", "--cache-to=x", "--ssh=default"):
        argv = ("python3", "-m", "cirfile.cli", "build", "--engine=buildah", flag, str(plain))
        done = account.run(*argv, ok=False)
        assert (done.status, done.out) == (64, ""), flag
        assert "is for the engine `buildkit`\nhint: " in done.talk


def test_application_with_dependencies(account: Account, contexts: Contexts) -> None:
    """Locked on this machine, stored by Buildah, assembled in Podman's container, the application does its work."""
    context = contexts.copy(APPS / "etl")
    account.run("python3", "-m", "cirfile.cli", "build", "--engine=buildah", "-t", "twin-etl", str(context))
    done = account.run(
        "podman", "run", "--rm", "--network=host", *certificate_mount(), "--entrypoint", "/.cir/shim", "twin-etl",
        "./verify",
    )  # fmt: skip
    assert "etl: " in done.out


def test_leftovers_of_killed_builds_go(account: Account, plain: Path, fresh: dict[str, str]) -> None:
    """What is a day old is swept up; what is younger may be in use."""
    cache = f"{fresh['XDG_CACHE_HOME']}/cir"
    account.run(
        "sh", "-c", f"mkdir -p {cache}/work-old {cache}/work-new {cache}/blobs; touch {cache}/blobs/.new-old; "
        f"touch -d '2 days ago' {cache}/work-old {cache}/blobs/.new-old",
    )  # fmt: skip
    account.bud("-o", f"type=oci,dest={fresh['HOME']}/x.tar", str(plain), environ=fresh)
    assert account.run("sh", "-c", f"cd {cache}; ls -d work-* blobs/.new-* || true").out.split() == [
        "work-new"
    ]
