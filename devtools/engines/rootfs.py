"""The root filesystem that the engines live in.

Current Debian packages, the machine's own stay as they are.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from devtools import apt, paths
from devtools.errors import DevError, tail
from devtools.progress import step

#: The suite that has current engines; stable has no Apptainer and an old buildx.
SUITE = "sid"

PACKAGES = (
    "ca-certificates",
    "docker.io",
    "docker-cli",
    "docker-buildx",
    "pigz",  # recommended by Docker's packages: containerd unpacks layers with it
    "buildah",
    "podman",
    "skopeo",
    "apptainer",
    "docker-registry",
    "crun",
    "runc",
    "nftables",
    "iptables",
    "iproute2",
    "fuse-overlayfs",
    "fuse3",
    "squashfs-tools",
    "squashfuse",
    "uidmap",
    "netavark",
    "aardvark-dns",
    "passt",
    "slirp4netns",
    "tini",
    "git",
    "qemu-user",
    "python3",
    "bubblewrap",
    "strace",
)

#: Nobody reads manuals there, and of all the emulated processors one is used.
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/bin/qemu-*",
    "path-include=/usr/bin/qemu-aarch64",
)

#: Mirrors and snapshots serve this suite with a Release file past its date.
APT_OPTIONS = ('Acquire::Check-Valid-Until "false"', 'APT::Install-Recommends "false"')


def recipe() -> str:
    """Return a digest of everything that decides what the root filesystem holds."""
    text = repr((SUITE, PACKAGES, DPKG_OPTIONS, APT_OPTIONS))
    return hashlib.sha256(text.encode()).hexdigest()


def is_ready(root: Path) -> bool:
    """Whether `root` was completed from the present recipe."""
    stamp = root / ".recipe"
    return stamp.is_file() and stamp.read_text() == recipe()


def ensure(root: Path, log: Path) -> None:
    """Make the root filesystem at `root` unless it is there already; output of the tools goes to `log`.

    :raises DevError: when the packages cannot be fetched or unpacked, with the tail of the log
    """
    if is_ready(root):
        return
    partial = root.with_name(root.name + ".partial")
    for old in (partial, root):
        shutil.rmtree(old, ignore_errors=True)
    with step("root filesystem of the engines (once)"):
        options = ["--variant=minbase", "--format=directory"]
        mmdebstrap(options, SUITE, str(partial), log, include=PACKAGES, dpkg=DPKG_OPTIONS, apt=APT_OPTIONS)
        (partial / ".recipe").write_text(recipe())
        partial.rename(root)


def mmdebstrap(
    options: list[str],
    suite: str,
    target: str,
    log: Path,
    *,
    include: tuple[str, ...],
    dpkg: tuple[str, ...] = (),
    apt: tuple[str, ...] = (),
    hooks: tuple[str, ...] = (),
) -> None:
    """Run mmdebstrap with its default mirror, output appended to `log`.

    :param dpkg: options of dpkg, from when packages are installed; mmdebstrap's own way to set them filters what
        is unpacked before that, too, with a slow program
    :param hooks: shell commands run when everything is installed (only unpacked, in the variant "extract");
        `$1` is the tree
    :raises DevError: when it fails
    """
    moment = "extract" if "--variant=extract" in options else "customize"
    argv = ["mmdebstrap", *options, f"--include={','.join(include)}"]
    if dpkg:
        lines = " ".join(shlex.quote(option) for option in dpkg)
        argv.append(f"--extract-hook=printf '%s\\n' {lines} > \"$1/etc/dpkg/dpkg.cfg.d/slim\"")
    argv += [f"--aptopt={option}" for option in apt]
    argv += [f"--{moment}-hook={hook}" for hook in hooks]
    run_logged([*argv, suite, target], log, f"cannot make a Debian {suite} root filesystem")


def require_mmdebstrap(log: Path) -> None:
    """Install what makes Debian trees where it is missing: mmdebstrap, and arch-test for foreign architectures.

    :raises DevError: when apt cannot provide it
    """
    missing = [name for name in ("mmdebstrap", "arch-test") if not shutil.which(name)]
    if not missing:
        return
    problem = f"cannot install {' and '.join(missing)}, needed to make the root filesystem of the engines"
    if not shutil.which("apt-get"):
        raise DevError(problem, "there is no apt-get here", "install them, or use a Debian machine")
    with step(f"apt-get install {' '.join(missing)}"):
        run_logged(["apt-get", "update"], log, problem)
        words = [*apt.PATIENTLY, "install", "--yes", "--no-install-recommends", *missing]
        run_logged(["apt-get", *words], log, problem)


def run_logged(argv: list[str], log: Path, problem: str, cwd: Path | None = None) -> None:
    """Run `argv` with both outputs appended to `log`.

    :raises DevError: `problem` with the last lines of the log, when the command fails
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    temporary = paths.cache() / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "DEBIAN_FRONTEND": "noninteractive",
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(temporary),
    }
    with log.open("ab") as sink:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment, cwd=cwd
        )
    if done.returncode:
        raise DevError(
            problem, f"{argv[0]} ended with status {done.returncode}; last lines of {log}:\n" + tail(log)
        )
