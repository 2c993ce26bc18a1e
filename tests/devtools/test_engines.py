"""The engines at work: what the other tests and the demo rely on."""

from __future__ import annotations

import hashlib
import io
import ipaddress
import json
import os
import pty
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools import paths
from devtools.engines import bases, images, lifecycle, network, registry
from devtools.engines.api import Engines, own_docker
from devtools.engines.instance import Instance
from devtools.errors import DevError

pytestmark = pytest.mark.engines

DEV = str(paths.CHECKOUT / "dev")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@pytest.fixture(scope="module")
def engines() -> Engines:
    return Engines.ensure()


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that the engines do not see by themselves."""
    folder = Path(tempfile.mkdtemp(dir="/opt", prefix="cir-test-"))
    yield folder
    engines = Engines.ensure()
    engines.run(["umount", str(folder)], check=False, cwd=Path("/tmp"))
    shutil.rmtree(folder)


class TestBases:
    """Base images as users name them, from the registry as a mirror."""

    @pytest.mark.parametrize("architecture", bases.ARCHITECTURES)
    @pytest.mark.parametrize("name", ["debian:12-slim", "python:3.11-slim", "python:3.11", "musl:1"])
    def test_runs(self, engines: Engines, name: str, architecture: str) -> None:
        argv = [
            "docker",
            "run",
            "--rm",
            "--pull=always",
            "--quiet",
            f"--platform=linux/{architecture}",
            name,
            "uname",
            "-m",
        ]
        assert engines.run(argv).stdout.strip() == MACHINES[architecture]

    @pytest.mark.parametrize("architecture", bases.ARCHITECTURES)
    def test_python_is_as_in_the_official_image(self, engines: Engines, architecture: str) -> None:
        names = "sys.executable, os.environ['PYTHON_VERSION'], os.environ['LANG']"
        script = f"import sys, ssl, sqlite3, ctypes, os; print({names})"
        docker = ["docker", "run", "--rm", "--pull=always", "--quiet", f"--platform=linux/{architecture}"]
        said = engines.run([*docker, "python:3.11-slim", "python", "-c", script]).stdout.split()
        version = engines.run([*docker, "python:3.11-slim", "python3", "-V"]).stdout.split()[1]
        assert said == ["/usr/local/bin/python", version, "C.UTF-8"]

    @pytest.mark.parametrize("architecture", bases.ARCHITECTURES)
    def test_pip_installs_without_further_flags(self, engines: Engines, architecture: str) -> None:
        """The official image has no mark of a manager other than pip; nothing is fetched here."""
        docker = ["docker", "run", "--rm", "--pull=always", "--quiet", f"--platform=linux/{architecture}"]
        said = engines.run([*docker, "python:3.11-slim", "pip", "install", "--no-index", "pip"]).stdout
        assert "already satisfied" in said

    @pytest.mark.parametrize("architecture", bases.ARCHITECTURES)
    def test_the_full_python_image_has_openmp(self, engines: Engines, architecture: str) -> None:
        """Wheels load it by this name; the slim image has none, nor has the official one."""
        load = "import ctypes; print(ctypes.CDLL('libgomp.so.1').omp_get_max_threads() > 0)"
        docker = ["docker", "run", "--rm", "--pull=always", "--quiet", f"--platform=linux/{architecture}"]
        assert engines.run([*docker, "python:3.11", "python3", "-c", load]).stdout == "True\n"
        slim = engines.run([*docker, "python:3.11-slim", "python3", "-c", load], check=False)
        assert "libgomp.so.1: cannot open shared object file" in slim.stderr
        assert engines.run([*docker, "python:3.11", "dpkg", "--audit"]).stdout == ""

    @pytest.mark.parametrize("architecture", bases.ARCHITECTURES)
    def test_standard_library_has_current_bytecode(self, engines: Engines, architecture: str) -> None:
        """An import compiles nothing: starting Python is as quick as in an image that was run before."""
        docker = ["docker", "run", "--rm", "--pull=always", "--quiet", f"--platform=linux/{architecture}"]
        talk = engines.run(
            [*docker, "python:3.11-slim", "python3", "-v", "-c", "import json, asyncio"]
        ).stderr
        sources = {line.split("'")[1] for line in talk.splitlines() if line.startswith("# code object from")}
        assert len(sources) > 50
        assert [source for source in sources if not source.endswith(".pyc")] == []

    def test_image_configuration(self, engines: Engines) -> None:
        expected = {
            "debian:12-slim": (["bash"], "PATH=/usr/local/sbin:/usr/local/bin:"),
            "python:3.11-slim": (["python3"], "PATH=/usr/local/bin:"),
            "python:3.11": (["python3"], "PATH=/usr/local/bin:"),
            "musl:1": (["sh"], "PATH=/usr/local/sbin:"),
        }
        for name, (command, start_of_path) in expected.items():
            engines.run(["docker", "pull", "--quiet", name])
            config = json.loads(engines.run(["docker", "image", "inspect", name]).stdout)[0]["Config"]
            assert config["Cmd"] == command
            assert config["Env"][0].startswith(start_of_path)

    @pytest.mark.parametrize("architecture", bases.ARCHITECTURES)
    def test_debian_is_slim_and_whole(self, engines: Engines, architecture: str) -> None:
        docker = [
            "docker",
            "run",
            "--rm",
            "--pull=always",
            "--quiet",
            f"--platform=linux/{architecture}",
            "debian:12-slim",
        ]
        found = engines.run(
            [*docker, "find", "/usr/share/man", "/usr/share/locale", "/var/lib/apt/lists", "-type", "f"]
        )
        assert found.stdout == ""
        assert engines.run([*docker, "dpkg", "--audit"]).stdout == ""
        assert engines.run([*docker, "dpkg", "--print-architecture"]).stdout.strip() == architecture
        kinds = set(engines.run([*docker, "dpkg-query", "-W", "-f", "${Architecture}\n"]).stdout.split())
        assert kinds == {"all", architecture}

    @pytest.mark.parametrize("architecture", bases.ARCHITECTURES)
    def test_musl_has_no_glibc(self, engines: Engines, architecture: str) -> None:
        docker = ["docker", "run", "--rm", "--pull=always", "--quiet", f"--platform=linux/{architecture}"]
        assert engines.run([*docker, "musl:1", "musl-hello"]).stdout == "hello from musl\n"
        assert engines.run([*docker, "-e", "WORD=x", "musl:1", "musl-hello", "WORD"]).stdout == "x\n"
        listed = engines.run([*docker, "musl:1", "find", "/"]).stdout.split()
        assert not [
            path
            for path in listed
            if path.endswith(("libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"))
        ]

    def test_python_shares_the_layer_of_debian(self, engines: Engines) -> None:
        for architecture in range(len(bases.ARCHITECTURES)):
            table = bases.images()
            debian, python = (
                table[f"library/{name}"][architecture] for name in ("debian:12-slim", "python:3.11-slim")
            )
            assert python.layers[0] == debian.layers[0]
            assert table["library/python:3.11"][architecture].layers[:2] == python.layers

    def test_packages_install_from_the_indexes(self, engines: Engines) -> None:
        """A container reaches the package indexes through the bridge."""
        install = "apt-get install -y -qq --no-install-recommends hello"
        script = f"apt-get update -qq && {install} >/dev/null 2>&1 && hello"
        done = engines.run(
            ["docker", "run", "--rm", "--pull=always", "--quiet", "debian:12-slim", "bash", "-c", script]
        )
        assert done.stdout == "Hello, world!\n"


class TestDocker:
    """Docker and buildx on the containerd image store."""

    def test_versions(self, engines: Engines) -> None:
        assert int(engines.run(["docker", "version", "-f", "{{.Server.Version}}"]).stdout.split(".")[0]) >= 28
        assert "github.com/docker/buildx" in engines.run(["docker", "buildx", "version"]).stdout
        assert (
            "io.containerd.snapshotter"
            in engines.run(["docker", "info", "-f", "{{json .DriverStatus}}"]).stdout
        )

    def test_one_build_two_platforms_pushed(self, engines: Engines, tmp_path: Path) -> None:
        (tmp_path / "Dockerfile").write_text("FROM debian:12-slim\nCOPY word /\n")
        (tmp_path / "word").write_text("w")
        name = f"{engines.registry}/test/{uuid.uuid4().hex}:1"
        flags = ["--platform", "linux/amd64,linux/arm64", "--provenance=false", "--push", "-t", name]
        engines.run(["docker", "buildx", "build", *flags, "."], cwd=tmp_path)
        inspected = json.loads(
            engines.run(["docker", "buildx", "imagetools", "inspect", "--raw", name]).stdout
        )
        assert [entry["platform"]["architecture"] for entry in inspected["manifests"]] == ["amd64", "arm64"]

    def test_build_step_reaches_the_registry_on_the_bridge(self, engines: Engines, tmp_path: Path) -> None:
        address = f"http://{engines.bridge_registry}/v2/"
        fetch = f'["python3", "-c", "import urllib.request as u; print(u.urlopen(\'{address}\').status)"]'
        (tmp_path / "Dockerfile").write_text(f"FROM python:3.11-slim\nRUN {fetch}\n")
        talk = engines.run(
            ["docker", "buildx", "build", "--progress=plain", "--no-cache", "."], cwd=tmp_path
        ).stderr
        assert " 200\n" in talk

    def test_pull_from_the_registry_on_the_bridge(self, engines: Engines) -> None:
        engines.run(["docker", "pull", "--quiet", f"{engines.bridge_registry}/library/musl:1"])

    def test_published_port_and_names_on_a_network(self, engines: Engines) -> None:
        name = f"test-{uuid.uuid4().hex[:8]}"
        engines.run(["docker", "network", "create", name])
        try:
            serve = ["python3", "-m", "http.server", "80"]
            engines.run(
                [
                    "docker",
                    "run",
                    "-d",
                    "--rm",
                    f"--name={name}",
                    f"--network={name}",
                    "-p",
                    "127.0.0.1::80",
                    "python:3.11-slim",
                    *serve,
                ]
            )
            address = engines.run(["docker", "port", name, "80"]).stdout.strip()
            assert wait_for(f"http://{address}/") == 200
            script = f"import urllib.request as u; print(u.urlopen('http://{name}/').status)"
            done = engines.run(
                ["docker", "run", "--rm", f"--network={name}", "python:3.11-slim", "python3", "-c", script]
            )
            assert done.stdout == "200\n"
            inner = engines.run(
                ["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name]
            ).stdout
            assert ipaddress.ip_address(inner.strip()) in ipaddress.ip_network(engines.instance.subnet)
        finally:
            engines.run(["docker", "rm", "--force", name], check=False)
            engines.run(["docker", "network", "rm", name], check=False)


def wait_for(url: str) -> int:
    """Status of the first answer."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class TestRootless:
    """Buildah, Podman and Apptainer as an account without rights."""

    def test_account(self, engines: Engines) -> None:
        number = engines.instance.user_id
        assert engines.run(["id", "-u"], user=True).stdout == f"{number}\n"
        assert (
            engines.run(["sh", "-c", "cd && touch x && rm x && echo $HOME"], user=True).stdout
            == "/home/cir\n"
        )

    @pytest.mark.parametrize("user", [False, True])
    def test_buildah(self, engines: Engines, user: bool, tmp_path: Path) -> None:
        name = f"test-{uuid.uuid4().hex[:8]}"
        for argv in (
            ["from", "--name", name, "musl:1"],
            ["run", name, "sh", "-c", "echo made > /made"],
            ["config", "--label", "a=b", name],
            ["commit", "--quiet", name, name],
        ):
            engines.run(["buildah", *argv], user=user, cwd=Path("/tmp"))
        shown = json.loads(
            engines.run(["buildah", "inspect", "--type=image", name], user=user, cwd=Path("/tmp")).stdout
        )
        assert shown["OCIv1"]["config"]["Labels"]["a"] == "b"
        engines.run(["buildah", "rm", name], user=user, cwd=Path("/tmp"))
        engines.run(["buildah", "rmi", name], user=user, cwd=Path("/tmp"))

    @pytest.mark.parametrize("user", [False, True])
    def test_podman(self, engines: Engines, user: bool) -> None:
        argv = ["podman", "run", "--rm", "--quiet", "--pull=newer", "musl:1", "musl-hello"]
        assert engines.run(argv, user=user, cwd=Path("/tmp")).stdout == "hello from musl\n"

    def test_podman_without_rights_reaches_the_machine(self, engines: Engines) -> None:
        """Its network is a process in user space: the registry answers it on the bridge's address."""
        script = (
            f"import urllib.request as u; print(u.urlopen('http://{engines.bridge_registry}/v2/').status)"
        )
        argv = ["podman", "run", "--rm", "--quiet", "python:3.11-slim", "python3", "-c", script]
        assert engines.run(argv, user=True, cwd=Path("/tmp")).stdout == "200\n"

    def test_apptainer(self, engines: Engines) -> None:
        """From the registry, through a SIF file, to a running program."""
        source = f"docker://{engines.registry}/library/musl:1"
        image = f"test-{uuid.uuid4().hex[:8]}.sif"
        use = f"apptainer --quiet exec {image} musl-hello"
        script = f"cd && apptainer --quiet build {image} {source} && {use} && rm {image}"
        done = engines.run(["sh", "-ec", script], user=True, cwd=Path("/tmp"))
        assert done.stdout == "hello from musl\n"

    def test_skopeo(self, engines: Engines) -> None:
        raw = engines.run(
            ["skopeo", "inspect", "--raw", "docker://python:3.11-slim"], user=True, cwd=Path("/tmp")
        ).stdout
        assert (
            hashlib.sha256(raw.encode()).hexdigest()
            == images.digest(images.index(bases.images()["library/python:3.11-slim"]))[7:]
        )


class TestEmulation:
    """arm64 programs run, or verifiably do not."""

    def test_off_and_on(self, engines: Engines) -> None:
        """Off also for what a container already had, on again afterwards."""
        argv = [
            "docker",
            "run",
            "--rm",
            "--pull=always",
            "--quiet",
            "--platform=linux/arm64",
            "musl:1",
            "uname",
            "-m",
        ]
        assert engines.run(argv).stdout == "aarch64\n"
        engines.emulation(False)
        try:
            done = engines.run(argv, check=False)
            assert done.returncode != 0
            assert "exec format error" in done.stderr
        finally:
            engines.emulation(True)
        assert engines.run(argv).stdout == "aarch64\n"

    def test_a_handler_of_somebody_else_is_told(self, engines: Engines) -> None:
        """Switching ours off proves nothing while another one is there."""
        table = Path(f"/proc/{engines.holder}/root/proc/sys/fs/binfmt_misc")
        interpreter = engines.instance.rootfs / "usr/bin/qemu-aarch64"
        magic = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
        (table / "register").write_text(f":cir-test-other:M::{magic}::{interpreter}:F")
        try:
            with pytest.raises(DevError, match="still emulated") as caught:
                engines.emulation(False)
            assert "cir-test-other" in caught.value.cause
            assert (table / "cir-test-other").exists(), "it is not ours to take away"
        finally:
            (table / "cir-test-other").write_text("-1")
            engines.emulation(True)

    def test_command(self, engines: Engines) -> None:
        for switch, expected in (("off", False), ("on", True)):
            assert subprocess.run([DEV, "engines", "binfmt", switch]).returncode == 0
            said = subprocess.run([DEV, "engines", "status", "--json"], capture_output=True, text=True).stdout
            assert json.loads(said)["arm64"] is expected


class TestExec:
    """`./dev exec` becomes the command."""

    @pytest.mark.parametrize(
        ("argv", "status"), [(["true"], 0), (["sh", "-c", "exit 7"], 7), (["no-such-program"], 127)]
    )
    def test_exit_status(self, argv: list[str], status: int) -> None:
        assert subprocess.run([DEV, "exec", "--", *argv], capture_output=True).returncode == status

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGUSR1])
    def test_signals_reach_the_command_itself(self, number: int) -> None:
        child = subprocess.Popen([DEV, "exec", "--", "sleep", "60"])
        deadline = time.monotonic() + 10
        while Path(f"/proc/{child.pid}/comm").read_text() != "sleep\n" and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(number)
        assert child.wait(10) == -number

    def test_input_and_outputs(self) -> None:
        argv = [DEV, "exec", "--", "sh", "-c", "cat; echo talk >&2"]
        done = subprocess.run(argv, input="words", capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("words", "talk\n")

    @pytest.mark.parametrize("argv", [["tty"], ["docker", "run", "--rm", "-it", "musl:1", "tty"]])
    def test_terminal(self, argv: list[str]) -> None:
        said = io.BytesIO()

        def read(descriptor: int) -> bytes:
            data = os.read(descriptor, 1024)
            said.write(data)
            return data

        assert os.waitstatus_to_exitcode(pty.spawn([DEV, "exec", "--", *argv], read)) == 0
        assert b"/dev/pts/" in said.getvalue()

    def test_options_behind_the_command_are_its_own(self) -> None:
        done = subprocess.run(
            [DEV, "exec", "--", "echo", "--user", "--", "-x"], capture_output=True, text=True
        )
        assert done.stdout == "--user -- -x\n"

    @pytest.mark.parametrize("folder", [str(paths.CHECKOUT), "/tmp"])
    def test_working_folder(self, folder: str) -> None:
        done = subprocess.run([DEV, "exec", "--", "pwd"], capture_output=True, text=True, cwd=folder)
        assert done.stdout == f"{folder}\n"

    def test_any_working_folder_is_shown(self, elsewhere: Path, engines: Engines) -> None:
        (elsewhere / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
        assert engines.run(["cat", "Dockerfile"], cwd=elsewhere).stdout.startswith("FROM scratch")
        engines.run(["docker", "buildx", "build", "."], cwd=elsewhere)
        engines.run(["touch", "made"], cwd=elsewhere)
        assert (elsewhere / "made").exists()

    @pytest.mark.parametrize("folder", ["/", "/usr/share", "/etc", "/root"])
    def test_a_folder_of_the_engines_own_is_refused(self, folder: str) -> None:
        done = subprocess.run([DEV, "exec", "--", "pwd"], capture_output=True, text=True, cwd=folder)
        assert done.returncode == 1
        assert "cannot be shown among the engines" in done.stderr

    def test_a_deleted_working_folder_is_told(self, tmp_path: Path) -> None:
        script = 'cd "$1" && rmdir "$1" && exec "$2" exec -- pwd'
        argv = ["sh", "-c", script, "sh", str(tmp_path), DEV]
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == 1
        assert "No such file or directory" in done.stderr
        assert "Traceback" not in done.stderr

    def test_settings_of_another_docker_do_not_lead_astray(self, engines: Engines) -> None:
        foreign = {"DOCKER_HOST": "tcp://127.0.0.1:1", "DOCKER_CONTEXT": "other", "BUILDX_BUILDER": "other"}
        assert engines.run(["docker", "buildx", "ls"], env=foreign).returncode == 0
        assert engines.run(["docker", "ps"], env=foreign).returncode == 0

    def test_entering_costs_little(self, engines: Engines) -> None:
        """Median of twenty, paired with the same program outside."""
        inside = engines.command(["/bin/true"])
        extra = statistics.median(took(inside) - took(["/bin/true"]) for _ in range(20))
        assert extra < 0.05


def took(argv: list[str]) -> float:
    """Seconds that a command takes."""
    start = time.perf_counter()
    subprocess.run(argv, check=True)
    return time.perf_counter() - start


class TestRegistry:
    """Pushing without a client."""

    def test_push_and_find(self, engines: Engines, tmp_path: Path) -> None:
        name = f"test/{uuid.uuid4().hex}:1"
        variants = [tiny_image(architecture, tmp_path / architecture) for architecture in bases.ARCHITECTURES]
        assert not registry.has(engines.registry, name, variants)
        registry.push(engines.registry, name, variants)
        assert registry.has(engines.registry, name, variants)
        assert not registry.has(engines.registry, name, variants[:1]), "another index than this one"
        registry.push(engines.registry, name, variants)
        target = f"docker://{engines.registry}/{name}"
        shown = json.loads(engines.run(["skopeo", "inspect", "--override-arch=arm64", target]).stdout)
        assert (shown["Architecture"], shown["Env"]) == ("arm64", ["A=b"])
        engines.run(["docker", "pull", "--quiet", f"{engines.registry}/{name}"])

    def test_no_engine_keeps_a_base_that_changed(self, engines: Engines) -> None:
        """Storages outlive checkouts; a build takes what is there before it asks the registry."""
        name = f"library/forgotten-{uuid.uuid4().hex[:8]}:1"
        storages = [("docker", False), ("podman", False), ("podman", True)]
        for program, user in storages:
            engines.run([program, "pull", "--quiet", "musl:1"], user=user, cwd=Path("/tmp"))
            engines.run([program, "tag", "musl:1", f"docker.io/{name}"], user=user, cwd=Path("/tmp"))
        lifecycle.forget(engines.instance, name)
        for program, user in storages:
            inspect = [program, "image", "inspect", f"docker.io/{name}"]
            assert engines.run(inspect, user=user, cwd=Path("/tmp"), check=False).returncode != 0, program

    def test_a_blob_that_lies_is_refused(self, engines: Engines, tmp_path: Path) -> None:
        with pytest.raises(DevError, match="the registry does not take blob"):
            registry.push_blob(engines.registry, "test/lie", "sha256:" + "0" * 64, b"something else")

    def test_an_absent_registry_is_told(self) -> None:
        with pytest.raises(DevError, match="does not answer"):
            registry.call("127.0.0.1:1", "GET", "/v2/")


def tiny_image(architecture: str, folder: Path) -> images.Image:
    """Make an image with one file."""
    folder.mkdir()
    (folder / "word").write_text(architecture)
    blob = folder / "layer.tar.gz"
    with tarfile.open(blob, "w:gz") as archive:
        archive.add(folder / "word", "word")
    packed = blob.read_bytes()
    plain = subprocess.run(["gzip", "-dc", blob], capture_output=True, check=True).stdout
    layer = images.Layer(blob, images.digest(packed), len(packed), images.digest(plain), 1_700_000_000)
    return images.Image(architecture, (layer,), ("A=b",), ("sh",))


@pytest.fixture
def run(engines: Engines) -> Iterator[network.Run]:
    """Run the engines' programs in a network namespace of its own, where no firewall is yet."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    engines.run(["ip", "netns", "add", name])

    def inside(argv: list[str]) -> subprocess.CompletedProcess[str]:
        return engines.run(["ip", "netns", "exec", name, *argv], check=False)

    yield inside
    engines.run(["ip", "netns", "delete", name])


class TestForwarding:
    """Forwarding is on while engines are up, and afterwards as it was before."""

    ONE = Instance(Path("/one"), "1", 6000, (10, 220, 0))
    TWO = Instance(Path("/two"), "2", 6002, (10, 220, 16))

    @pytest.fixture
    def switch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Stand in for the kernel's switch, which these engines need turned on."""
        switch = tmp_path / "ip_forward"
        monkeypatch.setattr(network, "FORWARDING", switch)
        return switch

    def start(self, instance: Instance, run: network.Run) -> None:
        run(["nft", "add", "table", "ip", instance.table])
        network.start_forwarding(instance, run)

    def stop(self, instance: Instance, run: network.Run) -> None:
        network.stop_forwarding(instance, run)
        run(["nft", "delete", "table", "ip", instance.table])

    @pytest.mark.parametrize("before", ["0\n", "1\n"])
    def test_as_before(self, before: str, switch: Path, run: network.Run) -> None:
        switch.write_text(before)
        self.start(self.ONE, run)
        assert switch.read_text() == "1\n"
        self.stop(self.ONE, run)
        assert switch.read_text() == before

    @pytest.mark.parametrize("before", ["0\n", "1\n"])
    def test_the_last_one_puts_it_back(self, before: str, switch: Path, run: network.Run) -> None:
        switch.write_text(before)
        self.start(self.ONE, run)
        self.start(self.TWO, run)
        self.stop(self.ONE, run)
        assert switch.read_text() == "1\n", "the second set needs it"
        self.stop(self.TWO, run)
        assert switch.read_text() == before


class TestFirewall:
    """Where another Docker drops forwarded packets, ours pass."""

    @pytest.fixture(params=["iptables-nft", "iptables-legacy"])
    def tool(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_rules_come_and_go(self, run: network.Run, tool: str, engines: Engines) -> None:
        run([tool, "-P", "FORWARD", "DROP"])
        run([tool, "-A", "FORWARD", "-s", "172.17.0.0/16", "-j", "ACCEPT"])
        before = run([tool, "-S"]).stdout
        network.open_forward(engines.instance, run)
        during = run([tool, "-S", "FORWARD"]).stdout.splitlines()
        assert [engines.instance.subnet in line and "ACCEPT" in line for line in during[1:]] == [
            True,
            True,
            False,
        ]
        network.close_forward(engines.instance, run)
        assert run([tool, "-S"]).stdout == before

    def test_a_machine_without_firewall_gets_none(self, run: network.Run, engines: Engines) -> None:
        network.open_forward(engines.instance, run)
        network.close_forward(engines.instance, run)
        assert run(["nft", "list", "ruleset"]).stdout == ""

    def test_an_open_chain_is_left_alone(self, run: network.Run, tool: str, engines: Engines) -> None:
        run([tool, "-P", "FORWARD", "ACCEPT"])
        before = run([tool, "-S"]).stdout
        network.open_forward(engines.instance, run)
        assert run([tool, "-S"]).stdout == before


class TestOwnDocker:
    """A Docker of the user's own is used when it answers and has buildx."""

    @pytest.mark.parametrize(
        ("script", "expected"),
        [
            ("exit 0", True),
            ("[ $1 = info ]", False),
            ("[ $1 = buildx ]", False),
            ("exit 1", False),
            (None, False),
        ],
    )
    def test_answers(
        self, script: str | None, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Programs named docker that answer as an old client, one without daemon, one without buildx do."""
        if script is not None:
            program = tmp_path / "docker"
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert own_docker() is expected


def test_status_for_people_and_programs(engines: Engines) -> None:
    argv = [sys.executable, DEV, "engines", "status"]
    text = subprocess.run(argv, capture_output=True, text=True)
    assert text.returncode == 0
    assert engines.registry in text.stdout
    found = json.loads(subprocess.run([*argv, "--json"], capture_output=True, text=True).stdout)
    assert found["up"]
    assert found["holder"] == engines.holder
    assert found["registry_address"] == engines.registry
