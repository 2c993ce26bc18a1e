"""Whole builds by the command line that need no engine: what gets into the image is what was asked for, and all of it.

The shim is a layout on disk, Skopeo a program that gives out files of a folder.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from buildah_plugin import cli
from buildah_plugin.project import own_platform
from tests.support import ocilayout


@dataclass(frozen=True)
class Machine:
    """A machine without an engine: a context and a cache of the test's own."""

    place: Path
    capsys: pytest.CaptureFixture[str]

    def build(self, text: str, image: str = "image", flags: Sequence[str] = ()) -> tuple[int, str]:
        """Build a Cirfile into the folder ``image``; return the status and what was said."""
        (self.place / "context/Cirfile").write_text(text)
        output = f"type=oci,tar=false,dest={self.place}/{image}"
        status = cli.main(["bud", "--no-forward", *flags, "-o", output, str(self.place / "context")])
        return status, self.capsys.readouterr().err

    def config(self) -> Any:
        """The configuration of the image."""
        top = json.loads((self.place / "image/index.json").read_bytes())["manifests"][0]
        return self.blob(self.blob(top["digest"])["config"]["digest"])

    def blob(self, digest: str) -> Any:
        """A blob of the image."""
        return json.loads((self.place / "image/blobs" / digest.replace(":", "/")).read_bytes())

    def files(self, below: str) -> dict[str, bytes]:
        """The files and links below a folder in the image's topmost layer."""
        blobs = self.place / "image/blobs"
        manifest = json.loads((self.place / "image/index.json").read_bytes())["manifests"][0]["digest"]
        layer = json.loads((blobs / manifest.replace(":", "/")).read_bytes())["layers"][-1]["digest"]
        plain = gzip.decompress((blobs / layer.replace(":", "/")).read_bytes())
        found = {}
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            for member in tar:
                if member.name.startswith(below) and not member.isdir():
                    content = tar.extractfile(member) if member.isfile() else None
                    found[member.name.removeprefix(below)] = content.read() if content else b""
        return found


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Machine:
    (tmp_path / "context").mkdir()
    ocilayout.write(tmp_path / "shim", [own_platform().architecture], {".cir/shim": "the shim"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CIR_SHIM", f"oci:{tmp_path}/shim:1")
    monkeypatch.setenv("no_proxy", "*")
    return Machine(tmp_path, capsys)


def test_a_base_of_another_platform_decides_what_runs(machine: Machine) -> None:
    """An index calls each image as asked for; shim and configuration are those of `FROM --platform`."""
    for name in ("shim", "base"):
        shutil.rmtree(machine.place / name, ignore_errors=True)
        ocilayout.write(machine.place / name, ["amd64", "arm64"], {"etc/name": name})
    context = machine.place / "context"
    (context / "Cirfile").write_text("FROM --platform=linux/amd64 base:1\nCMD true\n")
    status = cli.main(
        [
            "bud", "--no-forward", "--platform=linux/amd64,linux/arm64", "-o",
            f"type=oci,tar=false,dest={machine.place}/image", "--build-context",
            f"base:1=oci:{machine.place}/base:1", str(context),
        ]
    )  # fmt: skip
    assert status == 0, machine.capsys.readouterr().err
    top = json.loads((machine.place / "image/index.json").read_bytes())["manifests"][0]
    entries = machine.blob(top["digest"])["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64"]
    assert len({entry["digest"] for entry in entries}) == 1, "base, shim and application are the same"
    config = machine.blob(machine.blob(entries[1]["digest"])["config"]["digest"])
    assert config["architecture"] == "amd64"


# Named contexts.


def test_a_folder_that_is_not_there_is_no_image(machine: Machine, registry: Registry) -> None:
    """Whoever owns that name on Docker Hub would give the files."""
    status, talk = machine.build(
        "FROM scratch\nCOPY --from=deps x /x\n", flags=["--build-context=deps=build/vendor"]
    )
    assert status == 66
    assert "there is no folder `build/vendor`" in talk
    assert not (registry.place / "asked").exists()


def test_an_image_is_no_folder(machine: Machine, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine.place / "vendor").mkdir()
    monkeypatch.chdir(machine.place)
    flag = "--build-context=deps=docker-image://vendor"
    status, talk = machine.build("FROM scratch\nCOPY --from=deps x /x\n", flags=[flag])
    assert status != 0
    assert "docker.io/library/vendor" in (registry.place / "asked").read_text()
    assert "vendor" in talk


def test_a_folder_is_no_base(machine: Machine) -> None:
    status, talk = machine.build(
        "FROM ctx\nCMD true\n", flags=[f"--build-context=ctx={machine.place}/context"]
    )
    assert status == 64
    assert "`ctx` is a folder, which cannot be a base here" in talk


def test_a_folder_may_have_the_name_of_the_image_that_holds_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.place / "scratch").mkdir()
    (machine.place / "scratch/a.csv").write_text("1")
    monkeypatch.chdir(machine.place)
    status, talk = machine.build(
        "FROM scratch\nCOPY --from=data *.csv /d/\n", flags=["--build-context=data=scratch"]
    )
    assert status == 0, talk
    assert machine.files("d/") == {"a.csv": b"1"}


def test_nothing_as_an_image(machine: Machine) -> None:
    flags = ["--build-context=base=docker-image://scratch"]
    status, talk = machine.build("FROM base\nCMD true\n", flags=flags)
    assert status == 0, talk


@pytest.mark.parametrize(
    ("named", "written"),
    [("base", "base:latest"), ("base:latest", "base"), ("base:1", "docker.io/library/base:1")],
)
def test_contexts_are_found_by_every_spelling_of_a_name(machine: Machine, named: str, written: str) -> None:
    ocilayout.write(machine.place / "base", [own_platform().architecture], {"etc/name": "base"})
    flag = f"--build-context={named}=oci:{machine.place}/base:1"
    status, talk = machine.build(f"FROM {written}\nCMD true\n", flags=[flag])
    assert status == 0, talk


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"config": {"Env": [1]}}, "a list of words"),
        ({"config": []}, "`config` is list"),
        ({"os": 1}, "`os` is int"),
    ],
)
def test_a_base_whose_configuration_is_none(machine: Machine, config: dict[str, Any], said: str) -> None:
    ocilayout.write(machine.place / "base", [own_platform().architecture], {"etc/name": "base"}, config)
    flag = f"--build-context=base=oci:{machine.place}/base:1"
    status, talk = machine.build("FROM base\nCMD true\n", flags=[flag])
    assert status == 65, talk
    assert said in talk


def test_a_folder_in_the_place_of_a_requirements_file(machine: Machine) -> None:
    (machine.place / "context/requirements").mkdir()
    status, talk = machine.build("FROM scratch\nREQUIRE pypi -r requirements\n")
    assert status == 65, talk
    assert "`requirements` is a folder" in talk


def test_pull_is_about_the_base(
    machine: Machine, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shim may lie in the storage alone, under a name of this machine that no registry serves."""
    registry.store(registry.image("shim"))
    monkeypatch.setenv("CIR_SHIM", "localhost/cir/shim:0.1.0")
    status, talk = machine.build("FROM scratch\nCMD true\n", flags=["--pull"])
    assert "docker://localhost" not in (registry.place / "asked").read_text()
    assert status == 0, talk


@pytest.mark.parametrize(("text", "label"), [("1700000000", "1700000000"), ("context", "")])
@pytest.mark.parametrize("way", ["environment", "argument"])
def test_the_time_is_a_build_argument(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, text: str, label: str, way: str
) -> None:
    """As clients of BuildKit hand it over."""
    flags = [f"--build-arg=SOURCE_DATE_EPOCH={text}"] if way == "argument" else []
    if not flags:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    cirfile = 'FROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL built="$SOURCE_DATE_EPOCH"\n'
    status, talk = machine.build(cirfile, flags=flags)
    assert status == 0, talk
    assert machine.config()["config"]["Labels"]["built"] == label


# Files of the web.


class Answering:
    """A server on loopback that gives every caller the same bytes, and hangs up."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/data"

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            with caller:
                asked = b""
                while b"\r\n\r\n" not in asked and (piece := caller.recv(4096)):
                    asked += piece
                caller.sendall(self._answer)


_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_DATA = b"d" * 400


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_OK + b"Content-Length: 1000\r\n\r\n" + _DATA, "the download broke off after 400 of 1000 bytes"),
        (_CHUNKED + b"3e8\r\n" + _DATA, "the download broke off; build again"),
        (_CHUNKED + b"190\r\n" + _DATA + b"\r\n", "the download broke off; build again"),
        (b"no HTTP at all\r\n\r\n", "cannot be fetched"),
    ],
    ids=["with a length", "inside a chunk", "between chunks", "something else"],
)
def test_a_download_that_breaks_off(machine: Machine, answer: bytes, said: str) -> None:
    with Answering(answer) as address:
        status, talk = machine.build(f"FROM scratch\nADD {address} /x/\n")
    assert status == 65, talk
    assert said in talk
    assert "Cirfile:2" in talk
    assert not (machine.place / "image").exists()


@pytest.mark.parametrize(
    "answer",
    [
        _OK + b"Content-Length: 400\r\n\r\n" + _DATA,
        _CHUNKED + b"190\r\n" + _DATA + b"\r\n0\r\n\r\n",
        _OK + b"\r\n" + _DATA,
        _OK + b"Content-Length: 0\r\n\r\n",
    ],
    ids=["with a length", "in chunks", "until the end", "empty"],
)
def test_a_download_that_is_whole(machine: Machine, answer: bytes) -> None:
    with Answering(answer) as address:
        status, talk = machine.build(f"FROM scratch\nADD {address} /x/\n")
    assert status == 0, talk
    assert machine.files("x/") == {"data": b"" if answer.endswith(b": 0\r\n\r\n") else _DATA}


def test_an_address_may_hold_any_letter(machine: Machine) -> None:
    """They are escaped, as Go's client does."""
    with Answering(_OK + b"Content-Length: 400\r\n\r\n" + _DATA) as address:
        status, talk = machine.build(f'FROM scratch\nADD ["{address}/a b/donn\u00e9es", "/x/"]\n')
    assert status == 0, talk
    assert machine.files("x/") == {"donn\u00e9es": _DATA}


# Repositories.


@dataclass(frozen=True)
class Repositories:
    """Repositories at ``https://git.example.test/NAME.git``."""

    place: Path

    def make(self, name: str, files: dict[str, str], links: dict[str, str], submodule: str = "") -> None:
        work = self.place / f"{name}.git"
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", work], check=True)
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
        for path, target in links.items():
            (work / path).symlink_to(target)
        if submodule:
            address = f"https://git.example.test/{submodule}.git"
            subprocess.run(["git", "-C", work, "submodule", "--quiet", "add", address, submodule], check=True)
        subprocess.run(["git", "-C", work, "add", "."], check=True)
        subprocess.run(["git", "-C", work, "commit", "--quiet", "-m", "all"], check=True)


@pytest.fixture
def repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repositories:
    settings = {
        f"url.file://{tmp_path}/repositories/.insteadOf": "https://git.example.test/",
        "protocol.file.allow": "always",
        "user.name": "somebody",
        "user.email": "somebody@example.test",
    }
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (key, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    return Repositories(tmp_path / "repositories")


def test_a_repository_is_fetched_from_within_another_one(
    machine: Machine, repositories: Repositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a hook of git, which names the caller's; and files are as they were committed."""
    repositories.make("app", {"a.txt": "line\n"}, {})
    repositories.make("own", {"mine": "kept"}, {})
    own = repositories.place / "own.git"
    before = subprocess.run(
        ["git", "-C", own, "status", "--porcelain=v2", "--branch"], capture_output=True
    ).stdout
    monkeypatch.setenv("GIT_DIR", str(own / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(own / ".git/index"))
    count = int(os.environ["GIT_CONFIG_COUNT"])
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(count + 1))
    monkeypatch.setenv(f"GIT_CONFIG_KEY_{count}", "core.autocrlf")
    monkeypatch.setenv(f"GIT_CONFIG_VALUE_{count}", "true")
    status, talk = machine.build("FROM scratch\nADD https://git.example.test/app.git#main /x/\n")
    assert status == 0, talk
    assert machine.files("x/") == {"a.txt": b"line\n"}
    for name in ("GIT_DIR", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv(f"GIT_CONFIG_VALUE_{count}", "false")
    after = subprocess.run(
        ["git", "-C", own, "status", "--porcelain=v2", "--branch"], capture_output=True
    ).stdout
    assert after == before


def test_a_commit_is_fetched_by_its_name(machine: Machine, repositories: Repositories) -> None:
    """With `fetch-by-commit` a commit that its branch has left behind; without, the branch, which must be at it."""
    repositories.make("app", {"a.txt": "first\n"}, {})
    work = repositories.place / "app.git"
    git = ["git", "-C", str(work)]
    first = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (work / "a.txt").write_text("second\n")
    subprocess.run([*git, "commit", "--quiet", "-a", "-m", "more"], check=True)
    address = f"https://git.example.test/app.git?ref=main&checksum={first}"
    status, talk = machine.build(f"FROM scratch\nADD {address} /x/\n")
    assert status != 0
    assert f"not {first}" in talk
    status, talk = machine.build(f"FROM scratch\nADD {address}&fetch-by-commit=true /x/\n")
    assert status == 0, talk
    assert machine.files("x/") == {"a.txt": b"first\n"}


@pytest.mark.parametrize(
    "subdir", ["docs", "root/secret", "sub/up/secret", "x", "sub/a.txt", ".git", "top/.git"]
)
def test_a_repository_never_reaches_this_machine(
    machine: Machine, repositories: Repositories, subdir: str
) -> None:
    """Links of a repository stay inside it; what they would lead to outside of it is not there."""
    secret = machine.place / "secret"
    secret.mkdir()
    (secret / "key").write_text("of this machine")
    links = {
        "docs": str(secret),
        "root": str(machine.place),
        "sub/up": "../../../../..",
        "x": "x",
        "top": ".",
    }
    repositories.make("app", {"sub/a.txt": "a"}, links)
    address = f"https://git.example.test/app.git#main:{subdir}"
    status, talk = machine.build(f"FROM scratch\nADD {address} /x/\n")
    assert status == 65, talk
    assert "too many links" in talk if subdir == "x" else f"has no folder `{subdir}`" in talk


@pytest.mark.parametrize("subdir", ["", "top", "latest", "sub/up/v1", "away/v1", "other"])
def test_folders_of_a_repository(machine: Machine, repositories: Repositories, subdir: str) -> None:
    """A link that stays inside is followed, one that leads out begins at the top; git's own files are left out."""
    repositories.make("other", {"o.txt": "o"}, {})
    links = {"top": ".", "latest": "v1", "sub/up": "..", "away": "/"}
    repositories.make("app", {"v1/a.txt": "a", "sub/b.txt": "b"}, links, submodule="other")
    status, talk = machine.build(f"FROM scratch\nADD https://git.example.test/app.git#main:{subdir} /x/\n")
    assert status == 0, talk
    found = machine.files("x/")
    if subdir in ("", "top"):
        assert {"v1/a.txt", "sub/b.txt", "other/o.txt", "top", "away"} <= found.keys()
        assert not [name for name in found if name.startswith(".git/")]
    else:
        assert found == ({"o.txt": b"o"} if subdir == "other" else {"a.txt": b"a"})


def test_git_dir_is_kept_where_asked(machine: Machine, repositories: Repositories) -> None:
    repositories.make("app", {"a.txt": "a"}, {})
    address = "https://git.example.test/app.git"
    status, talk = machine.build(f"FROM scratch\nADD --keep-git-dir=true {address}#main /x/\n")
    assert status == 0, talk
    assert {"a.txt", ".git/HEAD"} <= machine.files("x/").keys()


# Images by their digest.

#: Gives out the file of a tag or digest; ``config`` is every image's. There is no storage.
_SKOPEO = """#!/bin/sh
for source; do :; done
echo "$*" >> "{place}/asked"
if [ -e "{place}/stored" ]; then
  case "$* " in *containers-storage:*--config*|*--config*containers-storage:*) exec cat "{place}/config";; esac
  case "$source" in containers-storage:*) exec cat "{place}/stored";; esac
fi
case "$source" in containers-storage:*) echo "no such image" >&2; exit 1;; esac
case "$*" in *--config*) exec cat {place}/config;; esac
exec cat "{place}/${{source##*:}}"
"""


@dataclass(frozen=True)
class Registry:
    """What the program `skopeo` gives out: images without layers, by their digests."""

    place: Path

    def put(self, content: dict[str, Any], name: str = "", algorithm: str = "sha256") -> str:
        """Store an object under its digest, or under another ``name``; return its digest."""
        data = json.dumps(content).encode()
        digest = hashlib.new(algorithm, data).hexdigest()
        (self.place / (name or digest)).write_bytes(data)
        return f"{algorithm}:{digest}"

    def image(self, note: str, algorithm: str = "sha256") -> str:
        """Store an image that differs by its ``note``; return its digest."""
        config = {"os": "linux", "architecture": own_platform().architecture, "config": {}}
        manifest = {
            "schemaVersion": 2,
            "config": {"digest": self.put(config, "config"), "size": 1},
            "layers": [],
            "annotations": {"note": note},
        }
        return self.put(manifest, algorithm=algorithm)

    def index(self, manifest: str) -> str:
        """Store an index of one image; return its digest."""
        own = {"os": "linux", "architecture": own_platform().architecture}
        return self.put({"schemaVersion": 2, "manifests": [{"digest": manifest, "platform": own}]})

    def store(self, digest: str) -> None:
        """Have an image in the storage, under every name."""
        (self.place / "stored").write_bytes((self.place / digest.partition(":")[2]).read_bytes())

    def swap(self, digest: str, other: str) -> None:
        """Give out another blob for ``digest``."""
        (self.place / digest.partition(":")[2]).write_bytes(
            (self.place / other.partition(":")[2]).read_bytes()
        )


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    place = tmp_path / "registry"
    place.mkdir()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/skopeo"
    program.write_text(_SKOPEO.format(place=place))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return Registry(place)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("through", ["the image", "an index"])
def test_an_image_by_its_digest(machine: Machine, registry: Registry, algorithm: str, through: str) -> None:
    """It is taken, and found in the cache when the registry is gone."""
    digest = registry.image("one", algorithm)
    if through == "an index":
        digest = registry.index(digest)
    text = f"FROM example.test/base@{digest}\nCMD true\n"
    status, talk = machine.build(text)
    assert status == 0, talk
    for file in registry.place.iterdir():
        file.unlink()
    status, talk = machine.build(text, "again")
    assert status == 0, talk


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("what", ["base", "base of an index", "origin", "shim"])
def test_an_image_that_is_another(
    machine: Machine, registry: Registry, monkeypatch: pytest.MonkeyPatch, what: str, algorithm: str
) -> None:
    """The registry answers a digest with another image, which is whole and valid."""
    asked, other = registry.image("one", algorithm), registry.image("two", algorithm)
    named = registry.index(asked) if what == "base of an index" else asked
    registry.swap(asked, other)
    name = f"example.test/{what.split()[0]}@{named}"
    texts = {"shim": "FROM scratch\n", "origin": f"FROM scratch\nCOPY --from={name} /a /a\n"}
    if what == "shim":
        monkeypatch.setenv("CIR_SHIM", name)
    status, talk = machine.build(texts.get(what, f"FROM {name}\nCMD true\n"))
    assert status == 65, talk
    assert f"the image `{name}` is not what was asked for" in talk
    assert f"{asked} came with the digest {other}" in talk
    assert ("the shim image" in talk) is (what == "shim")
    assert not (machine.place / "image").exists()


def test_a_configuration_that_is_another(machine: Machine, registry: Registry) -> None:
    digest = registry.image("one")
    other = registry.put({"os": "linux", "architecture": own_platform().architecture}, "config")
    status, talk = machine.build(f"FROM example.test/base@{digest}\nCMD true\n")
    assert status == 65, talk
    assert f"came with the digest {other}" in talk


# Archives.


@pytest.mark.parametrize(
    "form",
    [
        ("--format=gnu",),
        ("--format=posix", "--sparse-version=0.0"),
        ("--format=posix", "--sparse-version=0.1"),
        ("--format=posix", "--sparse-version=1.0"),
    ],
    ids=["gnu", "pax 0.0", "pax 0.1", "pax 1.0"],
)
def test_files_with_holes(machine: Machine, form: tuple[str, ...]) -> None:
    """Of an archive made with ``tar -S``, every file is what it was, byte for byte."""
    place = machine.place / "files"
    place.mkdir()
    with (place / "holes").open("wb") as file:
        for number in range(40):
            file.seek(number * 150_000 + 60_000)
            file.write(b"%d" % number * 5000)
        file.truncate(9_000_000)
    with (place / "few").open("wb") as file:
        file.write(b"few")
        file.truncate(1_000_000)
    with (place / "nothing").open("wb") as file:
        file.truncate(1_000_000)
    (place / "plain").write_bytes(os.urandom(100_000))
    archive = machine.place / "context/data.tar.gz"
    names = ["holes", "few", "nothing", "plain"]
    subprocess.run(["tar", "-S", *form, "-czf", archive, "-C", place, *names], check=True)
    with tarfile.open(archive) as tar:
        assert [member.issparse() for member in tar] == [True, True, True, False]
    status, talk = machine.build("FROM scratch\nADD data.tar.gz /x/\n")
    assert status == 0, talk
    assert machine.files("x/") == {path.name: path.read_bytes() for path in place.iterdir()}


@pytest.mark.parametrize(
    ("pieces", "size"),
    [
        ("-5,10", 1000),
        ("0,1099511627776", 1000),
        ("5,-3", 1000),
        ("9,9,0,9", 1000),
        ("0,50000", 100_000),
        ("0,1", 1 << 70),
    ],
    ids=[
        "before the start",
        "beyond the end",
        "less than nothing",
        "backwards",
        "not all there",
        "too large",
    ],
)
def test_holes_that_cannot_be(machine: Machine, pieces: str, size: int) -> None:
    info = tarfile.TarInfo("holes")
    info.size = 100
    info.pax_headers = {"GNU.sparse.map": pieces, "GNU.sparse.size": str(size)}
    with tarfile.open(machine.place / "context/data.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(bytes(100)))
    status, talk = machine.build("FROM scratch\nADD data.tar /x/\n")
    assert status == 65, talk
    assert "archive data.tar cannot be read" in talk
