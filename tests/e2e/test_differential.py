"""The stock frontend is the specification: same text, same configuration fields, same file tree.

What differs on purpose is listed in `INTENDED` and taken away before the comparison; nothing else may.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from devtools.docker import Docker
from tests.e2e.conftest import Build, lay_out
from tests.e2e.differential_cases import CASES, MORE, REFUSED, Case
from tests.support.ocitree import Entry, Image

INTENDED = {
    "Entrypoint": "the shim goes first, and then hands over to the application's entrypoint",
    "PATH": "begins with the platform layer and the front doors, so that `docker exec` finds them",
    "cir.* labels": "say that it is a CIR image and which manifest it carries",
    "/.cir": "shim, manifest and lock",
    "/.singularity.d": "a script that Apptainer sources, which keeps the host's variables out; nobody else reads it",
    "created, history, rootfs": "fixed time, and one application layer instead of one a COPY",
    "modification times": "fixed, so that the same input gives the same digest",
    "COPY --parents": "is understood; the stock frontend built into the engines does not know it yet",
}
APPTAINER = {".singularity.d", ".singularity.d/env", ".singularity.d/env/96-cir.sh"}
#: Fields of the image configuration outside of ``config`` that must agree.
OUTER = ("architecture", "os", "variant", "author")


@pytest.fixture(scope="session")
def bases(docker: Docker, registry: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The base images of the cases in the registry, made by the stock frontend."""
    folder = tmp_path_factory.mktemp("bases")
    (folder / "plain.tar").write_bytes(plain_files())
    plain, rich, shell, onbuild = (
        f"{registry}/differential/{name}:1" for name in ("plain", "rich", "shell", "onbuild")
    )
    push(docker, folder, plain, "FROM scratch\nADD plain.tar /\nENV PATH=/usr/bin:/bin\n")
    push(docker, folder, rich, RICH.replace("@plain", plain))
    push(docker, folder, shell, SHELL.replace("@plain", plain))
    push(docker, folder, onbuild, ONBUILD.replace("@plain", plain))
    return {
        "@plain": plain,
        "@rich": rich,
        "@shell": shell,
        "@onbuild": onbuild,
        "@${TAG}": f"{registry}/differential/${{TAG}}:1",
    }


RICH = """FROM @plain
WORKDIR /work
COPY plain.tar /work/
ENV INHERITED=yes EMPTY=
LABEL base=1 other=2
USER app
EXPOSE 1234
VOLUME /volume
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=7s CMD true
ENTRYPOINT ["/base-entrypoint", "x"]
CMD ["base-cmd"]
"""
SHELL = 'FROM @plain\nSHELL ["/bin/bash", "-c"]\nENTRYPOINT echo base\nCMD base cmd\n'
ONBUILD = "FROM @plain\nONBUILD COPY a.txt /ob/\nONBUILD ENV OB=1\nONBUILD WORKDIR /obw\n"


def push(docker: Docker, folder: Path, name: str, text: str) -> None:
    """Build with the stock frontend and push."""
    (folder / "Dockerfile").write_text(text)
    docker.run("buildx", "build", "--provenance=false", "--push", "-t", name, str(folder))


def plain_files() -> bytes:
    """A root filesystem with what makes copying hard: linked folders, odd modes, foreign owners."""
    usual = (
        "usr",
        "usr/bin",
        "usr/sbin",
        "usr/local",
        "usr/local/bin",
        "etc",
        "run",
        "var",
        "opt",
        "home",
        "srv",
    )
    folders = [(name, 0o755, 0) for name in usual]
    folders += [("tmp", 0o1777, 0), ("root", 0o700, 0), ("home/app", 0o750, 1000), ("srv/owned", 0o700, 5)]
    links = (("bin", "usr/bin"), ("sbin", "usr/sbin"), ("var/run", "/run"))
    files = (
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"),
        ("etc/group", "root:x:0:\nstaff:x:50:\napp:x:1001:\n"),
        ("etc/motd", "welcome\n"),
        ("usr/bin/tool", "tool\n"),
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, mode, owner in folders:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
            tar.addfile(info)
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
        for name, text in files:
            add_file(tar, name, text)
    return buffer.getvalue()


def add_file(tar: tarfile.TarFile, name: str, text: str) -> None:
    """Add a file with mode 0644, owned by root."""
    info = tarfile.TarInfo(name)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text.encode()))


def small_archive() -> bytes:
    """A gzipped tar with a folder, a file and a link, owned by somebody."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        add_file(tar, "inside/one.txt", "one\n")
        info = tarfile.TarInfo("inside/link")
        info.type, info.linkname, info.uid = tarfile.SYMTYPE, "one.txt", 9
        tar.addfile(info)
    return buffer.getvalue()


def inputs(case: Case, bases: dict[str, str]) -> tuple[str, dict[str, object]]:
    """Text and files of a case, with real names of its bases and real archives."""
    text = case.text
    for word, reference in bases.items():
        text = text.replace(word, reference)
    files = {name: small_archive() if value == b"@tar" else value for name, value in case.files.items()}
    own_ignore = files.pop("@ignore", None)
    if own_ignore is not None:
        files["Cirfile.dockerignore"] = own_ignore
    return text, files


@pytest.mark.parametrize("case", [*CASES, *MORE], ids=lambda case: case.name)
def test_same_as_stock(case: Case, build: Build, bases: dict[str, str], tmp_path: Path) -> None:
    """Build with both; everything but the intended differences is equal."""
    text, files = inputs(case, bases)
    contexts = tmp_path / "named"
    contexts.mkdir()
    lay_out(contexts, files)
    flags = tuple(
        flag.replace("@context", str(contexts)).replace("@rich", bases["@rich"]) for flag in case.flags
    )
    stock = build(text, files, *flags, frontend=None).images["linux/amd64"]
    ours = build(text, files, *flags).images["linux/amd64"]
    assert without_shim(ours) == (plain_config(stock), stock.tree)


def plain_config(image: Image) -> dict[str, Any]:
    """The fields that must agree."""
    outer = {key: image.config[key] for key in OUTER if key in image.config}
    config = {key: value for key, value in image.config["config"].items() if value not in (None, {}, [])}
    return outer | {"config": config}


def without_shim(image: Image) -> tuple[dict[str, Any], dict[str, Entry]]:
    """Our image with the intended differences taken away; each of them must be there."""
    fields = plain_config(image)
    config = fields["config"] = dict(fields["config"])
    assert config["Entrypoint"][0] == "/.cir/shim"
    config["Entrypoint"] = config["Entrypoint"][1:]
    if not config["Entrypoint"]:
        del config["Entrypoint"]
    prefix = "PATH=/.cir/run/layer/bin:/.cir/path:"
    assert sum(entry.startswith(prefix) for entry in config["Env"]) == 1
    config["Env"] = [entry.replace(prefix, "PATH=") for entry in config["Env"]]
    labels = dict(config.pop("Labels"))
    assert labels.pop("cir.version") == "1"
    assert labels.pop("cir.manifest").startswith("sha256:")
    if labels:
        config["Labels"] = labels
    own = {path for path in image.tree if path.split("/")[0] in (".cir", ".singularity.d")}
    assert {".cir/cir.json", ".singularity.d/env/96-cir.sh"} <= own
    assert {path for path in own if path.startswith(".s")} <= APPTAINER
    tree = {path: entry for path, entry in image.tree.items() if path not in own}
    return fields, tree


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_by_stock(name: str, build: Build) -> None:
    """What the stock frontend refuses is no Cirfile either, and ours shows the line."""
    assert build(REFUSED[name], {}, frontend=None, ok=False).status != 0
    ours = build(REFUSED[name], {}, ok=False)
    assert ours.status != 0
    assert f"{len(REFUSED[name].splitlines())} | >>>" in ours.talk


def test_there_are_enough_cases() -> None:
    """The comparison covers at least a hundred files, each with its own name."""
    cases = (*CASES, *MORE)
    assert len({case.name for case in cases}) == len(cases) >= 100
