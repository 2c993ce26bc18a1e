"""How a command gets into the engines' mount namespace, and which environment it sees there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from devtools.engines import config
from devtools.engines.holder import PATH
from devtools.engines.instance import Instance
from devtools.errors import DevError

#: What would lead a client to engines other than these.
FOREIGN = (
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "BUILDX_BUILDER",
    "BUILDX_CONFIG",
    "CONTAINER_HOST",
)


def command(instance: Instance, holder: int, argv: list[str], cwd: str, *, user: bool = False) -> list[str]:
    """Return the argument list that runs `argv` among the engines.

    A prefix of programs that replace each other.

    No process stays in between, so signals, exit status and terminal are those of `argv` itself.

    :param holder: process id of the holder
    :param cwd: working directory, which must be visible inside (see `visible`)
    :param user: run as the unprivileged account instead of root
    """
    prefix = ["nsenter", f"--mount=/proc/{holder}/ns/mnt", f"--wdns={cwd}", "--"]
    if user:
        prefix += ["setpriv", f"--reuid={config.USER}", f"--regid={config.USER}", "--init-groups", "--"]
    prefix += ["env", *(f"--unset={name}" for name in FOREIGN)]
    return [*prefix, *(f"{name}={value}" for name, value in environment(instance, user).items()), *argv]


def environment(instance: Instance, user: bool) -> dict[str, str]:
    """Return what is set for a command among the engines, on top of the caller's environment."""
    home = config.HOME if user else "/root"
    runtime = f"/run/user/{instance.user_id if user else 0}"
    variables = {
        "PATH": PATH,
        "HOME": home,
        "USER": config.USER if user else "root",
        "LOGNAME": config.USER if user else "root",
        "XDG_RUNTIME_DIR": runtime,
        "XDG_CACHE_HOME": f"{home}/.cache",
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_DATA_HOME": f"{home}/.local/share",
        "DOCKER_HOST": f"unix://{config.DOCKER_SOCKET}",
        "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
        "APPTAINER_CACHEDIR": f"{home}/.apptainer/cache",
        "CIR_DEV_REGISTRY": instance.registry,
        "CIR_DEV_BRIDGE_REGISTRY": instance.bridge_registry,
    }
    return variables if user else variables | {"DOCKER_CONFIG": str(instance.root / "docker-config")}


def visible(holder: int, folder: Path) -> str:
    """Return `folder` as an absolute path, shown inside the namespace if it is not already.

    :raises DevError: when the engines' root filesystem has something of its own there
    """
    path = folder.resolve()
    inside = Path(f"/proc/{holder}/root{path}")
    if inside.is_dir() and os.path.samestat(inside.stat(), path.stat()):
        return str(path)
    if inside.exists() and (not inside.is_dir() or any(inside.iterdir())):
        raise DevError(
            f"{path} cannot be shown among the engines",
            "they have a folder of their own there",
            "run the command from another folder, e.g. the checkout",
        )
    place = ["nsenter", f"--mount=/proc/{holder}/ns/mnt", "--"]
    for argv in (["mkdir", "-p", str(path)], ["mount", "--bind", f"/run/host{path}", str(path)]):
        subprocess.run([*place, *argv], check=True, capture_output=True)
    return str(path)
