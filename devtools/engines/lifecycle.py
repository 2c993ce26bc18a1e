"""Bringing the engines up and down.

`up` heals what a crash or a reboot left behind before it starts; `down` leaves no process, mount, interface,
packet rule, control group or emulator entry, only data in the cache folder.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devtools import paths
from devtools.engines import bases, binfmt, config, health, network, registry, rootfs, state, sweep
from devtools.engines.enter import command
from devtools.engines.instance import Instance
from devtools.errors import DevError, tail
from devtools.progress import step

HOLDER = Path(__file__).with_name("holder.py")

#: Device nodes that rootless engines open: /dev/fuse and /dev/net/tun, with their numbers from devices.txt.
DEVICES = ([10, 229, "fuse"], [10, 200, "net/tun"])

#: Seconds that each daemon may take to end.
GRACE = 15.0

#: Seconds within which dockerd answers, also on a slow and busy machine.
PATIENCE = 90.0


def up(instance: Instance) -> int:
    """Bring the engines up unless they are; the result is the holder's process id.

    :raises DevError: when they cannot be; what was started is ended again
    """
    require_root()
    now = health.check(instance)
    if not (now.is_up and rootfs.is_ready(instance.rootfs) and is_published(instance)):
        with state.locked(instance.root):
            bring_up(instance)
        now = health.check(instance)
    if now.holder is None:
        raise DevError("the engines went down again", "another command ended them", "try once more")
    return now.holder


def bring_up(instance: Instance) -> None:
    """Do what is missing of root filesystem, base images and daemons, side by side where that is possible."""
    if not (rootfs.is_ready(instance.rootfs) and bases.are_complete()):
        rootfs.require_mmdebstrap(log_path(instance, "apt"))
    with ThreadPoolExecutor(max_workers=1) as pool:
        layers = pool.submit(make_layers, instance)
        # Engines of an earlier recipe may lack a program, and be measured or tested without it.
        if not (health.check(instance).is_up and rootfs.is_ready(instance.rootfs)):
            clean(instance)
            rootfs.ensure(instance.rootfs, log_path(instance, "rootfs"))
            with step("engines"):
                start(instance)
        layers.result()
    publish(instance)


def make_layers(instance: Instance) -> None:
    """Make the layers of the base images that need no engines."""
    bases.ensure_native(log_path(instance, "bases-amd64"))
    bases.ensure_foreign(log_path(instance, "bases-arm64"))


def publish(instance: Instance) -> None:
    """Push the base images unless the registry has them; of a name that changed no engine keeps the old image."""
    bases.ensure_foreign_musl(log_path(instance, "bases-arm64"))
    bases.forget_others()
    for name, variants in bases.images().items():
        if not registry.has(instance.registry, name, variants):
            forget(instance, name)
            registry.push(instance.registry, name, variants)


def forget(instance: Instance, name: str) -> None:
    """Take an image out of all storages: a build takes what is there before it asks the registry."""
    inside(instance)(["docker", "rmi", "--force", name.removeprefix("library/")])
    podman = ["podman", "rmi", "--force", "--ignore", f"docker.io/{name}"]
    inside(instance)(podman)
    inside(instance, user=True)(podman)


def is_published(instance: Instance) -> bool:
    """Whether the registry has the base images of the cache."""
    if not bases.are_complete():
        return False
    return all(registry.has(instance.registry, name, variants) for name, variants in bases.images().items())


def down(instance: Instance, *, purge: bool = False) -> None:
    """End the engines and undo all they changed on the machine; `purge` deletes their cache folder, too."""
    require_root()
    with state.locked(instance.root):
        clean(instance)
    if purge:
        shutil.rmtree(instance.root)


def start(instance: Instance) -> None:
    """Start the holder with its daemons and wait until they answer.

    :raises DevError: with the tail of the guilty log
    """
    network.tear_down(instance, runner(instance, None))
    require_free_port(instance)
    mtu = network.mtu_of_default_route()
    config.write(instance, mtu)
    spec = instance.root / "etc/holder.json"
    spec.write_text(json.dumps(holder_spec(instance, mtu), indent=2))
    try:
        pid = start_holder(instance, spec)
        run = runner(instance, pid)
        network.open_forward(instance, run)
        network.start_forwarding(instance, run)
        binfmt.enable(instance, pid)
        wait_until_healthy(instance)
    except BaseException:
        clean(instance)
        raise


def holder_spec(instance: Instance, mtu: int) -> dict[str, object]:
    """Return what the holder is to show, make, run and start (see `holder`)."""
    folders = ["/tmp", str(paths.cache()), str(paths.CHECKOUT)]
    certificates = ["/etc/ssl/certs/ca-certificates.crt", os.environ.get("SSL_CERT_FILE", "")]
    binds = [[path, path] for path in [*folders, *certificates, "/etc/hosts"] if path.startswith("/")]
    owner = instance.user_id
    return {
        "root": str(instance.rootfs),
        "binds": [*binds, [resolver(), "/etc/resolv.conf"]],
        "devices": DEVICES,
        "folders": [["/run/user", 0, "755"], ["/run/user/0", 0, "700"], [f"/run/user/{owner}", owner, "700"]],
        "setup": network.setup_commands(instance, mtu),
        "daemons": daemons(instance),
        "pids": str(instance.root / "daemons.json"),
        "grace": GRACE,
    }


def daemons(instance: Instance) -> list[dict[str, object]]:
    """Return the registries and dockerd, in the order in which they start."""
    etc = instance.root / "etc"
    commands = {
        name: ["docker-registry", "serve", str(etc / f"{name}.yml")]
        for name in config.registry_addresses(instance)
    }
    commands["dockerd"] = ["dockerd", f"--config-file={etc / 'daemon.json'}"]
    variables = {"OTEL_TRACES_EXPORTER": "none"} | without_proxy(instance.link[1])
    return [
        {"name": name, "argv": argv, "env": variables, "log": str(log_path(instance, name))}
        for name, argv in commands.items()
    ]


def without_proxy(address: str) -> dict[str, str]:
    """Return the variables that keep what is sent to an address from going through a proxy of this machine."""
    known = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
    value = f"{known},{address}" if known else address
    return {"NO_PROXY": value, "no_proxy": value}


def start_holder(instance: Instance, spec: Path) -> int:
    """Start the holder, remember it, wait until its daemons are started; the result is its process id.

    :raises DevError: when it could not enter the root filesystem or start a daemon
    """
    for name in config.registry_addresses(instance) | {"dockerd": "", "holder": ""}:
        log_path(instance, name).parent.mkdir(parents=True, exist_ok=True)
        log_path(instance, name).write_bytes(b"")
    reader, writer = os.pipe()
    program = [sys.executable, "-I", str(HOLDER), str(spec), str(writer)]
    with log_path(instance, "holder").open("ab") as log:
        holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation=slave", "--", *program],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writer], start_new_session=True, cwd="/",
        )  # fmt: skip
    os.close(writer)
    state.save(instance.root, state.identify(holder.pid))
    with os.fdopen(reader, "rb") as answer:
        said = answer.read().decode()
    if said != "ok":
        holder.wait()
        raise DevError("cannot start the engines", said or tail(log_path(instance, "holder")))
    pid = holder.pid
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it outlives this process, on purpose
        del holder
    return pid


def wait_until_healthy(instance: Instance) -> None:
    """Wait until everything answers.

    :raises DevError: when a daemon has ended or time is up
    """
    deadline = time.monotonic() + PATIENCE
    while not (now := health.check(instance)).is_up:
        dead = [name for name, pid in started(instance).items() if state.identify(pid) is None]
        if dead or now.holder is None or time.monotonic() > deadline:
            name = dead[0] if dead else "dockerd"
            log = log_path(instance, name)
            raise DevError(f"{name} does not answer", f"last lines of {log}:\n{tail(log)}")
        time.sleep(0.05)


def started(instance: Instance) -> dict[str, int]:
    """Name and process id of each daemon that the holder started last."""
    pids: dict[str, int] = json.loads((instance.root / "daemons.json").read_text())
    return pids


def clean(instance: Instance) -> None:
    """End what runs and undo what was changed, from whatever state the last run left."""
    holder = state.load(instance.root)
    if holder is not None and holder.is_alive():
        kill_containers(runner(instance, holder.pid))
        os.kill(holder.pid, signal.SIGTERM)
        wait_for_exit(holder)
    sweep.end_all(instance)
    binfmt.remove(instance)
    sweep.remove_cgroups(instance)
    if instance.rootfs.is_dir():
        network.tear_down(instance, runner(instance, None))
    state.save(instance.root, None)


def kill_containers(run: network.Run) -> None:
    """End Docker's containers at once: dockerd would wait ten seconds for one that ignores SIGTERM."""
    if running := run(["docker", "ps", "--quiet"]).stdout.split():
        run(["docker", "kill", *running])


def wait_for_exit(holder: state.Process) -> None:
    """Give the holder the time its daemons may take."""
    deadline = time.monotonic() + 3 * GRACE
    while holder.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)


def runner(instance: Instance, holder: int | None, *, user: bool = False) -> network.Run:
    """Return what runs a program of the root filesystem: in the namespace, or without one, by chroot.

    :param user: in the namespace as the unprivileged account
    """

    def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
        among = command(instance, holder, argv, "/", user=user) if holder else None
        prefixed = among or ["chroot", str(instance.rootfs), *argv]
        return subprocess.run(prefixed, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    return run


def inside(instance: Instance, *, user: bool = False) -> network.Run:
    """Return what runs a program among the engines that are up."""
    holder = state.load(instance.root)
    return runner(instance, holder.pid if holder else None, user=user)


def resolver() -> str:
    """Return the file with name servers that containers can reach: systemd's list rather than its stub."""
    real = Path("/run/systemd/resolve/resolv.conf")
    named = Path("/etc/resolv.conf").resolve()
    is_stub = "nameserver 127." in named.read_text() if named.is_file() else True
    return str(real if is_stub and real.is_file() else named)


def require_root() -> None:
    """Refuse to go on without the rights that mounts and interfaces need, or on another kind of machine.

    :raises DevError: when not run by root, or not on amd64
    """
    if platform.machine() != "x86_64":
        raise DevError("the test engines run on amd64 machines only", f"this one is {platform.machine()}")
    if os.geteuid() != 0:
        raise DevError(
            "the test engines need root",
            "they mount a root filesystem of their own and make a bridge",
            "run as root or with sudo",
        )


def require_free_port(instance: Instance) -> None:
    """Make sure that nothing else listens on the registry's port.

    :raises DevError: when something does
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", instance.port))
        except OSError as error:
            raise DevError(
                f"the registry's port {instance.registry} is taken",
                str(error),
                "set CIR_DEV_CACHE to another folder for another port",
            ) from error


def log_path(instance: Instance, name: str) -> Path:
    """Where the output of one daemon or step goes."""
    return instance.root / "logs" / f"{name}.log"
