"""A configured Debian tree of another architecture, without running a single foreign program.

Configuring arm64 packages under emulation takes minutes. What configuration leaves behind (accounts, links,
certificates, alternatives) is the same on every architecture, so we start from the configured amd64 tree and
exchange each architecture-dependent package for its foreign build: files, dpkg's control files and status.
Layout of dpkg's database: dpkg(1), deb(5), deb-control(5).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from devtools.engines import layer

#: Debian's name and multiarch triplet of the architecture that is exchanged, and of the one it is exchanged
#: for.
NATIVE = ("amd64", "x86_64-linux-gnu")
FOREIGN = ("arm64", "aarch64-linux-gnu")

#: What an amd64 tree has and an arm64 tree has not.
NATIVE_ONLY = ("lib32", "lib64", "libx32", "usr/lib32", "usr/lib64", "usr/libx32", "etc/ld.so.cache")

#: Left out of the native tree by dpkg's path-exclude; unpacking puts it back.
LEFT_OUT = re.compile(
    r"usr/share/(man|info|locale)/.*|usr/share/doc/.*(?<!/copyright)|usr/lib/python3[^/]*/EXTERNALLY-MANAGED"
)


@dataclass
class Exchange:
    """The tree being converted, and what is known of its packages.

    :param tree: root of the tree
    :param debs: name and file of every foreign package
    :param done: status stanza of each package already exchanged
    """

    tree: Path
    debs: dict[str, Path]
    done: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        """The folder of dpkg in the tree."""
        return self.tree / "var/lib/dpkg"


def convert(native: Path, names: Iterable[str], debs: Path, out: Path) -> None:
    """Make the foreign counterparts of native layers.

    :param native: folder of the native layers
    :param names: their names, lowest first
    :param debs: folder with the foreign packages
    :param out: folder for the foreign layers
    """
    since = int(time.time())
    exchange = Exchange(out / "tree", {deb.name.partition("_")[0]: deb for deb in debs.glob("*.deb")})
    exchange.tree.mkdir(parents=True)
    below: Path | None = None
    for name in names:
        argv = [
            "tar",
            "-xpzf",
            str(native / name / "layer.tar.gz"),
            "--numeric-owner",
            "-C",
            str(exchange.tree),
        ]
        subprocess.run(argv, check=True)
        swap_packages(exchange)
        layer.write(since, exchange.tree, out / name, *([below] if below else []))
        below = out / name
    shutil.rmtree(exchange.tree)


def swap_packages(exchange: Exchange) -> None:
    """Exchange every native package of the tree that has not been yet, and bring dpkg's status up to date."""
    status = exchange.database / "status"
    stanzas = []
    for stanza in status.read_text().strip().split("\n\n"):
        name = value(stanza, "Package")
        if value(stanza, "Architecture") == NATIVE[0]:
            if name not in exchange.done:
                exchange.done[name] = swap(exchange, name)
            stanza = exchange.done[name]
        stanzas.append(stanza)
    status.write_text("\n\n".join(stanzas) + "\n\n")
    (exchange.database / "arch").write_text(FOREIGN[0] + "\n")
    states = exchange.tree / "var/lib/apt/extended_states"
    if states.exists():
        states.write_text(
            states.read_text().replace(f"Architecture: {NATIVE[0]}", f"Architecture: {FOREIGN[0]}")
        )
    remove_native_rest(exchange.tree)


def swap(exchange: Exchange, name: str) -> str:
    """Exchange one package; the result is its new status stanza."""
    deb = exchange.debs[name]
    links = remove_package(exchange, name)
    control = subprocess.run(
        ["dpkg-deb", "-f", str(deb)], check=True, capture_output=True, text=True
    ).stdout.strip()
    same = value(control, "Multi-Arch") == "same"
    prefix = f"{name}:{FOREIGN[0]}" if same else name
    unpack_control(deb, exchange.database / "info", prefix)
    paths = unpack(deb, exchange.tree)
    restore(links)
    (exchange.database / "info" / f"{prefix}.list").write_text("\n".join(paths) + "\n")
    head, _, rest = control.partition("\n")
    return "\n".join([head, "Status: install ok installed", rest, *conffiles(exchange, prefix)])


def remove_package(exchange: Exchange, name: str) -> dict[Path, Path]:
    """Delete the files of a native package and its control files; folders stay, and relative links to them.

    The result are the absolute links among them (/var/run, say) and where they lead: whether that is a folder
    cannot be told from outside the tree, so they are deleted, too (see `restore`).
    """
    info = exchange.database / "info"
    links: dict[Path, Path] = {}
    prefix = f"{name}:{NATIVE[0]}" if (info / f"{name}:{NATIVE[0]}.list").exists() else name
    for line in (info / f"{prefix}.list").read_text().splitlines():
        path = exchange.tree / line.lstrip("/")
        if path.is_symlink() and path.readlink().is_absolute():
            links[path] = path.readlink()
            path.unlink()
        elif not path.is_dir():
            path.unlink(missing_ok=True)
    for part in info.glob(f"{prefix}.*"):
        if part.name.removeprefix(prefix).count(".") == 1:
            part.unlink()
    return links


def restore(links: dict[Path, Path]) -> None:
    """Put back links that configuration had put in place of folders of the package."""
    for path, link in links.items():
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
            path.symlink_to(link)


def unpack_control(deb: Path, info: Path, prefix: str) -> None:
    """Put the maintainer scripts and lists of a package where dpkg keeps them."""
    folder = info / ".control"
    subprocess.run(["dpkg-deb", "-e", str(deb), str(folder)], check=True)
    for part in folder.iterdir():
        if part.name != "control":
            part.rename(info / f"{prefix}.{part.name}")
    shutil.rmtree(folder)


def unpack(deb: Path, tree: Path) -> list[str]:
    """Unpack the files of a package into the tree, links to folders kept.

    The result is dpkg's list of them.
    """
    argv = ["tar", "-xpv", "--numeric-owner", "--keep-directory-symlink", "-C", str(tree)]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as source:
        listed = subprocess.run(argv, stdin=source.stdout, check=True, capture_output=True, text=True).stdout
    if source.returncode:
        raise subprocess.CalledProcessError(source.returncode, "dpkg-deb")
    names = [line.removeprefix("./").rstrip("/") for line in listed.splitlines()]
    for name in reversed(names):
        if LEFT_OUT.fullmatch(name):
            remove_quietly(tree / name)
    return [f"/{name}" if name else "/." for name in names]


def conffiles(exchange: Exchange, prefix: str) -> list[str]:
    """Return the Conffiles field of the status stanza.

    Each configuration file with its MD5, as dpkg records it.
    """
    listed = exchange.database / "info" / f"{prefix}.conffiles"
    if not listed.exists():
        return []
    paths = [line for line in listed.read_text().splitlines() if line.startswith("/")]
    sums = [
        hashlib.md5((exchange.tree / path.lstrip("/")).read_bytes(), usedforsecurity=False).hexdigest()
        for path in paths
    ]
    return ["Conffiles:", *(f" {path} {md5}" for path, md5 in zip(paths, sums, strict=True))] if paths else []


def remove_native_rest(tree: Path) -> None:
    """Delete folders, caches and bytecode that only the native packages had a use for."""
    for path in [*(tree / name for name in NATIVE_ONLY), *tree.glob(f"usr/**/{NATIVE[1]}")]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for code in tree.glob("usr/lib/python3*/**/__pycache__/*.pyc"):
        source = code.parent.parent / (code.name.partition(".")[0] + ".py")
        if not is_current(code, target(source, tree)):
            code.unlink()


def target(path: Path, tree: Path) -> Path:
    """Return where a file of the tree really lies: an absolute link starts at the root of the tree."""
    if not path.is_symlink():
        return path
    link = path.readlink()
    return tree / link.relative_to("/") if link.is_absolute() else path.parent / link


def is_current(code: Path, source: Path) -> bool:
    """Whether Python would use this bytecode.

    Its header holds the source's time and size (PEP 3147, PEP 552).
    """
    if not source.is_file():
        return False
    header = code.read_bytes()[8:16]
    info = source.stat()
    return header == (int(info.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little") + info.st_size.to_bytes(
        4, "little"
    )


def remove_quietly(path: Path) -> None:
    """Delete a file, or a folder if it is empty."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


def value(stanza: str, name: str) -> str:
    """Return the value of a one-line field of a control stanza, empty when it has none."""
    found = re.search(rf"^{name}: (.*)$", stanza, re.M)
    return found[1] if found else ""
