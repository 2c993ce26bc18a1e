"""The process that keeps the engines' mount namespace alive and is the parent of their daemons.

Started as `unshare --mount --propagation slave -- python3 -I holder.py SPEC READY_FD`, with nothing but the
standard library, because after `pivot_root` nothing more can be imported. SPEC is a JSON file:

    root      the root filesystem
    binds     [[host path, path inside]]: shown inside at once; missing host paths are left out
    devices   [[major, minor, path under /dev]]: character devices that every account may open
    folders   [[path, uid, mode]]: made inside, below /run
    setup     [argv]: commands to run inside, before the daemons (each must succeed)
    daemons   [{name, argv, env, log}]: started in this order, ended in reverse order
    pids      file to write {name: pid} to, as a JSON object
    grace     seconds a daemon may take to end

READY_FD receives `ok` once all daemons are started, else the text of the failure. SIGTERM ends the daemons
and then the holder. The host's own tree stays visible under /run/host.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

#: What a daemon needs to know to find its helpers in the root filesystem.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: prctl(2): what daemons orphan becomes our child, so that no dead process stays uncollected.
PR_SET_CHILD_SUBREAPER = 36

Spec = dict[str, Any]


def main() -> int:
    """Enter the root filesystem, start the daemons, wait until told to end."""
    spec: Spec = json.loads(Path(sys.argv[1]).read_text())
    ready = int(sys.argv[2])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    daemons: dict[str, int] = {}
    try:
        enter(spec)
        for argv in spec["setup"]:
            call(argv)
        daemons = {daemon["name"]: start(daemon) for daemon in spec["daemons"]}
        Path(spec["pids"]).write_text(json.dumps(daemons))
    except (OSError, subprocess.SubprocessError) as error:
        stop(daemons, spec["grace"])
        os.write(ready, describe(error).encode())
        return 1
    os.write(ready, b"ok")
    os.close(ready)
    wait_for_end()
    stop(daemons, spec["grace"])
    return 0


def enter(spec: Spec) -> None:
    """Put the pieces of the host where they are wanted and make the root filesystem our root."""
    root = Path(spec["root"])
    mount("--bind", str(root), str(root))
    for name in ("proc", "sys", "dev"):
        mount("--rbind", f"/{name}", str(root / name))
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(root / "dev/shm"))
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(root / "run"))
    for major, minor, name in spec["devices"]:
        show_device(root, major, minor, name)
    for source, target in spec["binds"]:
        show(Path(source), root / target.lstrip("/"))
    for path, owner, mode in spec["folders"]:
        make_folder(root / path.lstrip("/"), owner, int(mode, 8))
    (root / "run/host").mkdir()
    os.chdir(root)
    call(["pivot_root", ".", "run/host"])
    os.chdir("/")
    mount("--make-rshared", "/")
    if not Path("/proc/sys/fs/binfmt_misc/register").exists():
        mount("-t", "binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc")


def show(source: Path, target: Path) -> None:
    """Bind `source`, a file or folder without what is mounted below it, to `target`."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink():
            target.unlink()
        target.touch()
    else:
        return
    mount("--bind", str(source), str(target))


def show_device(root: Path, major: int, minor: int, name: str) -> None:
    """Cover the host's device node, if it has one, by our own that every account may open."""
    if not (root / "dev" / name).exists():
        return
    node = root / "run" / name.replace("/", "-")
    os.mknod(node, 0o020666, os.makedev(major, minor))
    node.chmod(0o666)
    mount("--bind", str(node), str(root / "dev" / name))


def make_folder(path: Path, owner: int, mode: int) -> None:
    """Return a folder of exactly this owner and mode."""
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner, owner)
    path.chmod(mode)


def mount(*arguments: str) -> None:
    """Show a filesystem or a folder at another place; the arguments are those of the command."""
    call(["mount", *arguments])


def call(argv: list[str]) -> None:
    """Run a command that must succeed; its output is kept for the message if it does not."""
    environment = os.environ | {"PATH": PATH}
    subprocess.run(
        argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
    )


def start(daemon: dict[str, Any]) -> int:
    """Start one daemon in a session of its own; the result is its process id."""
    environment = os.environ | {"PATH": PATH} | daemon["env"]
    with Path(daemon["log"]).open("ab") as log:
        child = subprocess.Popen(
            daemon["argv"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    return child.pid


def wait_for_end() -> None:
    """Collect children, daemons and what they left behind, until SIGTERM or until no child is left."""

    def end(_signum: int, _frame: FrameType | None) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        while True:
            os.wait()
    except (SystemExit, ChildProcessError):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def stop(daemons: dict[str, int], grace: float) -> None:
    """End the daemons, last one first; each has `grace` seconds before it is killed."""
    for pid in reversed(daemons.values()):
        if ended(pid):
            continue
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while not ended(pid):
            time.sleep(0.02)
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)


def ended(pid: int) -> bool:
    """Whether the child `pid` is gone; collects it if it has just ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def describe(error: Exception) -> str:
    """Return the failure in words, with what the command said."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"`{' '.join(error.cmd)}` ended with status {error.returncode}: {error.stderr.strip()}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
