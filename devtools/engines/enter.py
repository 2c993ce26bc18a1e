"""How a command gets into the engines' mount namespace, and which environment it sees there."""

from __future__ import annotations

import os
from pathlib import Path

from devtools.engines import config, rootfs
from devtools.engines.holder import PATH
from devtools.engines.instance import Instance
from devtools.errors import DevError

#: What would lead a client to engines other than these.
FOREIGN = ("DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "BUILDX_BUILDER", "BUILDX_CONFIG", "CONTAINER_HOST")


def command(instance: Instance, holder: int, argv: list[str], cwd: str, *, user: bool = False) -> list[str]:
    """The argument list that runs `argv` among the engines: a prefix of programs that replace each other.

    No process stays in between, so signals, exit status and terminal are those of `argv` itself.

    :param holder: process id of the holder
    :param cwd: working directory, which must be visible inside (see `visible`)
    :param user: run as the unprivileged account instead of root
    """
    prefix = ["nsenter", f"--mount=/proc/{holder}/ns/mnt", f"--wdns={cwd}", "--"]
    if user:
        prefix += ["setpriv", f"--reuid={rootfs.USER}", f"--regid={rootfs.USER}", "--init-groups", "--"]
    prefix += ["env", *(f"--unset={name}" for name in FOREIGN)]
    return [*prefix, *(f"{name}={value}" for name, value in environment(instance, user).items()), *argv]


def environment(instance: Instance, user: bool) -> dict[str, str]:
    """What is set for a command among the engines, on top of the caller's environment."""
    home = f"/home/{rootfs.USER}" if user else "/root"
    runtime = f"/run/user/{instance.user_id if user else 0}"
    variables = {
        "PATH": PATH,
        "HOME": home,
        "USER": rootfs.USER if user else "root",
        "LOGNAME": rootfs.USER if user else "root",
        "XDG_RUNTIME_DIR": runtime,
        "XDG_CACHE_HOME": f"{home}/.cache",
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_DATA_HOME": f"{home}/.local/share",
        "DOCKER_HOST": f"unix://{config.DOCKER_SOCKET}",
        "APPTAINER_CACHEDIR": f"{home}/.apptainer/cache",
        "CIR_DEV_REGISTRY": instance.registry,
        "CIR_DEV_BRIDGE_REGISTRY": instance.bridge_registry,
    }
    return variables if user else variables | {"DOCKER_CONFIG": str(instance.root / "docker-config")}


def visible(holder: int, folder: Path) -> str:
    """`folder` as an absolute path, made sure to be the same folder inside the namespace.

    :raises DevError: when it lies where the engines' root filesystem has something else
    """
    path = folder.resolve()
    inside = Path(f"/proc/{holder}/root{path}")
    if inside.is_dir() and os.path.samestat(inside.stat(), path.stat()):
        return str(path)
    raise DevError(
        f"{path} is not visible among the engines",
        "they see the checkout, /tmp and the cache folder",
        "run the command from one of these folders",
    )
