"""Exchanging packages for those of another architecture: real packages and a real dpkg database."""

from __future__ import annotations

import hashlib
import os
import py_compile
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devtools.engines import foreign, layer

OLD = 1_600_000_000


@dataclass
class Package:
    """A package to build for both architectures; `{triplet}` in names and contents is filled in."""

    name: str
    files: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)
    control: dict[str, str] = field(default_factory=dict)

    def build(self, folder: Path, architecture: str, triplet: str) -> Path:
        """Build it; the result is the package file."""
        root = folder / f"{self.name}-{architecture}"
        sums = ""
        for name, content in self.files.items():
            path = root / name.format(triplet=triplet)
            if name.endswith("/"):
                path.mkdir(parents=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content.format(triplet=triplet, architecture=architecture))
            os.utime(path, (OLD, OLD))
            sums += f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n"
        fields = {"Package": self.name, "Version": "1.0-1", "Architecture": architecture, **self.fields}
        fields |= {"Maintainer": "A <a@example.org>", "Description": "x"}
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        for name, content in ({"md5sums": sums} | self.control).items():
            (root / "DEBIAN" / name).write_text(content.format(triplet=triplet))
        deb = folder / f"{self.name}_1.0-1_{architecture}.deb"
        subprocess.run(
            ["dpkg-deb", "--build", "--root-owner-group", root, deb], check=True, capture_output=True
        )
        shutil.rmtree(root)
        return deb


PACKAGES = (
    Package("base-files", {"bin/tool": "{architecture}", "var/lock/": ""}),
    Package(
        "libthing1",
        {"lib/{triplet}/libthing.so.1": "{architecture}", "etc/thing/{triplet}.conf": "path {triplet}"},
        {"Multi-Arch": "same"},
        {"conffiles": "/etc/thing/{triplet}.conf\n"},
    ),
    Package(
        "documented",
        {"usr/share/doc/documented/copyright": "c", "usr/share/man/man1/d.1": "m", "usr/bin/d": "d"},
    ),
)


def install(tree: Path, debs: list[Path]) -> None:
    """Install packages into a tree as a configured native system would have them (dpkg itself does it)."""
    database = tree / "var/lib/dpkg"
    (database / "info").mkdir(parents=True)
    (database / "status").touch()
    for name in ("bin", "lib"):
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    excluded = ["--path-exclude=/usr/share/man/*"]
    argv = [
        "dpkg",
        f"--root={tree}",
        "--force-not-root",
        "--force-architecture",
        *excluded,
        "--install",
        *map(str, debs),
    ]
    subprocess.run(argv, check=True, capture_output=True)
    (tree / "var/lock").rmdir()
    (tree / "var/lock").symlink_to("/run/nowhere/lock")
    (tree / "etc/generated").write_text("by configuration")
    (tree / "etc/ld.so.cache").write_text("native")
    (database / "arch").write_text("amd64\n")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that an exchanged layer holds."""
    folder = tmp_path_factory.mktemp("foreign")
    native = [package.build(folder, *foreign.NATIVE) for package in PACKAGES]
    (folder / "debs").mkdir()
    for package in PACKAGES:
        package.build(folder / "debs", *foreign.FOREIGN)
    install(folder / "tree", native)
    layer.write(OLD + 10, folder / "tree", folder / "native/base")
    foreign.convert(folder / "native", ["base"], folder / "debs", folder / "out")
    result = folder / "result"
    with tarfile.open(folder / "out/base/layer.tar.gz") as archive:
        archive.extractall(result)
    return result


def test_files_are_those_of_the_foreign_packages(converted: Path) -> None:
    assert (converted / "usr/bin/tool").read_text() == "arm64"
    assert (converted / "usr/lib/aarch64-linux-gnu/libthing.so.1").read_text() == "arm64"


def test_nothing_of_the_native_packages_is_left(converted: Path) -> None:
    assert not list(converted.rglob("*x86_64*"))
    assert not (converted / "etc/ld.so.cache").exists()
    assert "amd64" not in (converted / "var/lib/dpkg/status").read_text()
    assert not list((converted / "var/lib/dpkg/info").glob("*amd64*"))


def test_what_configuration_made_stays(converted: Path) -> None:
    assert (converted / "etc/generated").read_text() == "by configuration"
    assert (converted / "bin").readlink() == Path("usr/bin")
    assert (converted / "var/lock").readlink() == Path("/run/nowhere/lock")


def test_manuals_stay_out_licences_stay_in(converted: Path) -> None:
    assert not [path for path in (converted / "usr/share/man").rglob("*") if not path.is_dir()]
    assert (converted / "usr/share/doc/documented/copyright").exists()


def test_dpkg_is_content(converted: Path) -> None:
    """dpkg knows the packages as foreign, installed, with intact files and configuration files."""
    dpkg = ["dpkg", f"--root={converted}", "--force-not-root"]
    for action in (["--audit"], ["--verify", "libthing1:arm64", "base-files"]):
        done = subprocess.run([*dpkg, *action], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    query = [
        "dpkg-query",
        f"--admindir={converted}/var/lib/dpkg",
        "-W",
        "-f",
        "${Package} ${Architecture} ${Conffiles}\n",
    ]
    listed = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    assert "libthing1 arm64  /etc/thing/aarch64-linux-gnu.conf " in listed
    assert (converted / "var/lib/dpkg/info/libthing1:arm64.list").exists()
    assert (converted / "var/lib/dpkg/info/base-files.list").exists()


def test_bytecode_is_kept_only_where_python_would_use_it(tmp_path: Path) -> None:
    source = tmp_path / "usr/lib/python3.11/mod.py"
    source.parent.mkdir(parents=True)
    source.write_text("x = 1\n")
    compiled = py_compile.compile(str(source))
    assert compiled
    code = Path(compiled)
    assert foreign.is_current(code, source)
    real = tmp_path / "etc/python/mod.py"
    real.parent.mkdir(parents=True)
    source.rename(real)
    source.symlink_to("/etc/python/mod.py")
    foreign.remove_native_rest(tmp_path)
    assert code.exists()
    os.utime(real, (OLD, OLD))
    assert not foreign.is_current(code, real)
    foreign.remove_native_rest(tmp_path)
    assert not code.exists()
