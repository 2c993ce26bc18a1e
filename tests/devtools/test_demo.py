"""`./dev demo` from what a clone holds: the table, the JSON, and whether the figures can be true."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devtools import demo, images, paths
from devtools.docker import Docker
from devtools.engines.api import Engines

pytestmark = [pytest.mark.engines, pytest.mark.slow]

MB = 10**6


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a commit of this checkout would hold, and nothing else."""
    return cloned(tmp_path_factory.mktemp("clone"))


def cloned(folder: Path) -> Path:
    """Copy there what a commit of this checkout would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=paths.CHECKOUT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (paths.CHECKOUT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(paths.CHECKOUT / name, folder / name, follow_symlinks=False)
    return folder


def test_demo(clone: Path, tmp_path: Path) -> None:
    """One command; its table on stdout is the JSON in words, and every figure is one that can be."""
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [str(clone / "dev"), "demo", "--engines", "--json", str(file)],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(file.read_text())
    assert done.stdout == demo.table(demo.Figures(**found)) + "\n"
    assert [re.split(r"\s{2,}", line)[0] for line in done.stdout.splitlines()] == [
        "platform chosen", "build, dependencies resolved", "build again", "app layer (this image alone)",
        "base and shim (shared)", "dependencies fetched at start", "cold start to first line",
        "warm start to first line", "the application said",
    ]  # fmt: skip
    assert found["docker"] == "engines"
    assert re.match(r"amd64, x86-64\S*, glibc.*, Python 3\.11, accelerator \w+$", found["platform"])
    assert re.fullmatch(r"forest 0\.9\d\d, xgboost 0\.9\d\d", found["said"])
    assert 0 < found["rebuild_s"] < found["build_s"] < 60
    assert 0 < found["app_layer_bytes"] < 0.1 * MB
    assert 20 * MB < found["shared_bytes"] < 100 * MB
    assert 50 * MB < found["fetched_bytes"] < 500 * MB
    assert 0.2 < found["warm_start_s"] < found["cold_start_s"] < 120
    first, second = done.stderr.split("dev: build again", 1)
    assert not re.search(r"\[lock\] .*\n#\d+ CACHED", first), "the dependencies were resolved"
    assert re.search(r"\[lock\] .*\n#\d+ CACHED", second), "nothing had to be resolved again"
    volumes = Engines.ensure().run(["docker", "volume", "ls", "-q"]).stdout.split()
    assert demo.VOLUME not in volumes, "the demo's store is taken away"


def test_demo_that_cannot_write_its_figures(clone: Path, tmp_path: Path) -> None:
    """A folder that is not there is told before anything is built."""
    environment = os.environ | {"CIR_DEV_CACHE": "/proc/none"}
    argv = [str(clone / "dev"), "demo", "--engines", "--json", str(tmp_path / "none/figures.json")]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr == f"dev: error: {tmp_path}/none is no folder: the figures cannot be written there\n"


#: Root starts a command that can make no user namespace: a process of ours gives it ids in one that allows none below.
NO_NAMESPACES = """
import ctypes, os, sys
parent, (ready, go) = os.getpid(), os.pipe()
if not os.fork():
    os.read(ready, 1)
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{parent}/{name}", "w") as file:
            file.write("0 0 4294967295")
    os._exit(0)
assert ctypes.CDLL(None).unshare(0x10000000) == 0
os.write(go, b".")
assert os.wait()[1] == 0
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
os.execvp(sys.argv[1], sys.argv[1:])
"""


#: What an account has: a Python of ours may be closed to it.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Debian without the package python3-venv.
NO_ENSUREPIP = (
    "unshare", "--mount", "sh", "-ec",
    "library=$(python3 -I -c 'import os; print(os.path.dirname(os.__file__))'); mount -t tmpfs none /mnt\n"
    "mkdir /mnt/upper /mnt/work\n"
    'mount -t overlay -o "lowerdir=$library,upperdir=/mnt/upper,workdir=/mnt/work" none "$library"\n'
    'rm -r "$library/ensurepip"; umount -l /mnt; exec "$@"', "sh",
)  # fmt: skip


@dataclass(frozen=True)
class Ordinary:
    """An account of this machine with neither Docker nor rights: a number, a clone it can read, and a home."""

    number: int
    clone: Path
    home: Path

    def dev(
        self, *command: str, before: Sequence[str] = (), cache: str = "cir-dev"
    ) -> subprocess.CompletedProcess[str]:
        """Run `./dev COMMAND`; ``before`` is what starts it, ``cache`` is the name of its cache folder."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XDG_", "CIR_", "DOCKER_", "VIRTUAL_ENV", "PYTHON"))
        }
        words = [f"--reuid={self.number}", f"--regid={self.number}", "--clear-groups", "--no-new-privs"]
        return subprocess.run(
            [*before, "setpriv", *words, "--", str(self.clone / "dev"), *command],
            env={**kept, "HOME": str(self.home), "PATH": PATH, "CIR_DEV_CACHE": f"{self.home}/.cache/{cache}"},
            cwd=self.home, capture_output=True, text=True, errors="replace", timeout=900,
        )  # fmt: skip


@pytest.fixture(scope="module")
def ordinary() -> Iterator[Ordinary]:
    """The account, with nothing in its caches."""
    number = Engines.ensure().instance.user_id
    folder = Path(tempfile.mkdtemp(prefix="cir-demo-", dir="/tmp"))
    folder.chmod(0o755)
    for name in ("clone", "home"):
        (folder / name).mkdir()
    os.chown(folder / "home", number, number)
    yield Ordinary(number, cloned(folder / "clone"), folder / "home")
    shutil.rmtree(folder)


@pytest.mark.parametrize("namespaces", [True, False])
def test_demo_without_docker_and_without_root(ordinary: Ordinary, namespaces: bool) -> None:
    """The same application by the engine `host`, and why; also where nothing can be mounted."""
    file = ordinary.home / "figures.json"
    before = () if namespaces else (sys.executable, "-c", NO_NAMESPACES)
    done = ordinary.dev("demo", "--json", str(file), before=before)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(file.read_text())
    assert done.stdout == demo.table(demo.Figures(**found)) + "\n"
    assert [re.split(r"\s{2,}", line)[0] for line in done.stdout.splitlines()] == [
        "platform chosen", "build, dependencies resolved", "build again", "dependencies fetched at start",
        "cold start to first line", "warm start to first line", "the application said",
    ]  # fmt: skip
    assert "dev: no engine: no Docker with buildx answers, and the test engines need root\n" in done.stderr
    assert "cir run --engine host" in done.stderr
    assert ("no user namespace" in done.stderr) == (not namespaces)
    assert found["docker"] == "none"
    assert re.match(r"amd64, x86-64\S*, glibc.*, Python 3\.11, accelerator \w+$", found["platform"])
    assert re.fullmatch(r"forest 0\.9\d\d, xgboost 0\.9\d\d", found["said"])
    assert 0 < found["rebuild_s"] < found["build_s"] < 60
    assert 50 * MB < found["fetched_bytes"] < 500 * MB
    assert 0.2 < found["warm_start_s"] < found["cold_start_s"] < 120
    assert done.stderr.count("platform layer") == 1, "the warm starts found the layer"
    cache = ordinary.home / ".cache"
    assert not (cache / "cir").exists(), "the account's own caches and store are left alone"
    assert list((cache / "cir-dev/tmp").iterdir()) == [], "store and caches of the demo are taken away"


def test_the_shim_is_that_of_the_image(ordinary: Ordinary, tmp_path: Path) -> None:
    """An ordinary account packs the files that the Containerfile packs, byte for byte."""
    done = ordinary.dev("images")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("oci:")
    layout = Path(done.stdout.strip().removeprefix("oci:"))
    top = json.loads((layout / "index.json").read_text())["manifests"][0]
    manifest = json.loads((layout / "blobs" / top["digest"].replace(":", "/")).read_text())
    (layer,) = manifest["layers"]
    docker = Docker(tuple(Engines.ensure().command(["docker"])), "engines")
    built = tmp_path / "shim.tar"
    images.build(docker, "shim", ["-o", f"type=tar,dest={built}"])
    ours, theirs = files(layout / "blobs" / layer["digest"].replace(":", "/")), files(built)
    assert len(ours) > 300
    assert ours == theirs


def test_without_ensurepip(ordinary: Ordinary) -> None:
    """Debian's python3 alone: pip comes out of a package that is only unpacked."""
    done = ordinary.dev("images", before=NO_ENSUREPIP, cache="other")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip().removeprefix("oci:"), "index.json").is_file()
    assert list((ordinary.home / ".cache/other/venv").glob("*.pip/usr/share/python-wheels/pip-*.whl"))


def files(archive: Path) -> dict[str, tuple[Any, ...]]:
    """What an archive holds."""
    with tarfile.open(archive) as tar:
        return {
            member.name.strip("/"): (
                member.type, oct(member.mode), member.uid, member.gid, member.mtime, member.linkname,
                hashlib.sha256(tar.extractfile(member).read()).hexdigest() if member.isreg() else "",  # type: ignore[union-attr]
            )
            for member in tar
        }  # fmt: skip
