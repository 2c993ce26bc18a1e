"""Starting applications through the front door: what they get, and what they do not get."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cirfile.manifest import Manifest
from shim import activate, warm
from tests.shim.root import Root, Start, application

SAY = (
    "import json,os,signal,sys,alpha;"
    "print(json.dumps([alpha.NAME, sys.prefix, sys.executable, sys.argv[1:], os.getuid(), os.getcwd()]))"
)
IGNORED = (
    "import signal,sys;print(sorted(s for s in signal.Signals if signal.getsignal(s) is signal.SIG_IGN))"
)
QUIET = {"CIR_LOG": "quiet"}


@pytest.fixture
def app(root: Root) -> Root:
    """An image that needs two packages."""
    application(root, "alpha", "beta")
    return root


@pytest.mark.parametrize(
    "start",
    [
        Start(),
        Start(user=1234),
        Start(user=1234, environment={"HOME": "/"}),
        Start(environment={"CIR_STORE": "/tmp/mine"}),
        Start(environment={"PATH": "/usr/bin:/bin"}),
        Start(environment={"PYTHONHOME": "/nonsense"}),
    ],
    ids=str,
)
def test_cold_then_warm(app: Root, start: Start) -> None:
    done = [app.run("python3", "-c", SAY, "a b", "", "$A", start=start) for _ in range(2)]
    said = ["alpha", "/.cir/run/layer", "/.cir/run/layer/bin/python3", ["a b", "", "$A"], start.user, "/work"]
    assert [json.loads(d.stdout) for d in done] == [said, said], done
    assert "platform layer" in done[0].stderr
    assert done[1].stderr == ""


def test_read_only_root_needs_shared_memory_only_for_others(app: Root, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    mounts = [f"--bind {store} var/lib/cir"]
    for shared in ("own", "none"):
        done = app.run("hello", start=Start(read_only=True, shared_memory=shared, mounts=mounts))
        assert done.returncode == 0, done.stderr
        prefix = "/.cir/run/layer" if shared == "own" else "/var/lib/cir/layers/"
        assert done.stdout.startswith(f"script {prefix}")


def test_read_only_store_with_the_layer(app: Root, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    app.run("/bin/true", start=Start(mounts=[f"--bind {store} var/lib/cir"]))
    mounts = [f"--bind {store} var/lib/cir", "-o remount,bind,ro var/lib/cir"]
    for start in (Start(mounts=mounts), Start(mounts=mounts, read_only=True, user=77)):
        done = app.run("hello", start=start)
        assert (done.stdout, done.stderr) == ("script /.cir/run/layer\n", "")


def test_shared_memory_of_a_stranger_is_not_used(app: Root, tmp_path: Path) -> None:
    shm = tmp_path / "shm"
    (shm / ".cir").mkdir(parents=True)
    (shm / ".cir/layer").symlink_to("/tmp/evil")
    os.chown(shm / ".cir", 4321, 4321)
    store = tmp_path / "store"
    store.mkdir()
    store.chmod(0o777)
    mounts = [f"--bind {store} var/lib/cir"]
    done = app.run("hello", start=Start(user=99, read_only=True, shared_memory=str(shm), mounts=mounts))
    assert done.stdout.startswith("script /var/lib/cir/layers/"), done
    assert (shm / ".cir/layer").readlink() == Path("/tmp/evil")


@pytest.mark.parametrize("needs", [("alpha", "beta"), ()])
def test_programs_of_a_stranger_in_shared_memory_are_not_found(
    app: Root, tmp_path: Path, needs: tuple[str, ...]
) -> None:
    """The image's PATH begins with a folder that leads there, also where nothing was made active."""
    shm, store = tmp_path / "shm", tmp_path / "store"
    (shm / ".cir/layer/bin").mkdir(parents=True)
    for name in ("sh", "id"):
        (shm / ".cir/layer/bin" / name).write_text("#!/usr/bin/env -S /usr/bin/printf evil\n")
        (shm / ".cir/layer/bin" / name).chmod(0o755)
    os.chown(shm / ".cir", 4321, 4321)
    store.mkdir()
    application(app, *needs)
    start = Start(read_only=True, shared_memory=str(shm), mounts=[f"--bind {store} var/lib/cir"])
    for _ in range(2):
        done = app.run("sh", "-c", "id -u; command -v id", start=start)
        assert done.stdout.splitlines()[0] == "0", done
        assert "/.cir/run/layer" not in done.stdout


def test_a_link_to_a_command_stands_for_the_command(app: Root) -> None:
    """Also where another Python lies beside the link, as in `/usr/local/bin` of Python's images."""
    for name, target in (
        ("hello", "/.cir/run/layer/bin/hello"),
        ("again", "hello"),
        ("python3", "/usr/bin/false"),
    ):
        (app.folder / "work" / name).symlink_to(target)
    for name in ("hello", "again"):
        done = app.run(f"/work/{name}")
        assert (done.returncode, done.stdout) == (0, "script /.cir/run/layer\n"), done.stderr


def test_shared_memory_of_another_image_is_left_alone(app: Root, tmp_path: Path) -> None:
    """As with ``docker run --ipc=host --read-only``: two images, one ``/dev/shm``."""
    shm, store = tmp_path / "shm", tmp_path / "store"
    for folder in (shm, store):
        folder.mkdir()
    start = Start(read_only=True, shared_memory=str(shm), mounts=[f"--bind {store} var/lib/cir"])
    assert app.run("hello", start=start).stdout == "script /.cir/run/layer\n"
    first = (shm / ".cir/layer").readlink()
    application(app, "gamma")
    assert app.run("hello", start=start).stdout.startswith("script /var/lib/cir/layers/")
    assert (shm / ".cir/layer").readlink() == first


def test_shared_memory_of_a_container_with_another_store_is_left_alone(app: Root, tmp_path: Path) -> None:
    """As in a pod of Kubernetes: one ``/dev/shm``, a volume each, so that the one's link leads nowhere in the other."""
    shm, one, two = (tmp_path / name for name in ("shm", "one", "two"))
    for folder in (shm, one, two):
        folder.mkdir()
    first, second = (
        Start(read_only=True, shared_memory=str(shm), mounts=[f"--bind {store} var/lib/cir"])
        for store in (one, two)
    )
    assert app.run("hello", start=first).stdout == "script /.cir/run/layer\n"
    link = (shm / ".cir/layer").readlink()
    application(app, "gamma")
    for _ in range(2):
        assert app.run("hello", start=second).stdout.startswith("script /var/lib/cir/layers/")
    assert (shm / ".cir/layer").readlink() == link
    shutil.rmtree(
        one
    )  # the first container again, after its store was lost: what it needs now, then what it needed
    one.mkdir()
    assert app.run("hello", start=first).stdout.startswith("script /var/lib/cir/layers/")
    application(app, "alpha", "beta")
    assert app.run("hello", start=first).stdout == "script /.cir/run/layer\n"


def test_two_starts_at_once_with_one_shared_memory(app: Root, template: Path, tmp_path: Path) -> None:
    shm = tmp_path / "shm"
    shm.mkdir()
    (tmp_path / "other").mkdir()
    other = Root(tmp_path / "other", template)
    application(other, "gamma")

    def start(root: Root) -> str:
        store = tmp_path / f"store of {root.folder.name}".replace(" ", "-")
        store.mkdir()
        mounts = [f"--bind {store} var/lib/cir"]
        argv = root.argv(Start(read_only=True, shared_memory=str(shm), mounts=mounts), "/.cir/shim", "hello")
        argv[1:1] = ["--pid", "--fork", "--kill-child"]  # both are the first process of their container
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(start, (app, other)))
    assert said[0] == "script /.cir/run/layer\n"
    assert said[1].startswith("script /var/lib/cir/layers/")


def test_a_link_that_another_container_makes_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / ".cir/layer"
    (tmp_path / "active").symlink_to(link)
    places = {
        "RUN": "/nowhere",
        "ACTIVE_LAYER": f"{tmp_path}/active",
        "SHARED": link.parent,
        "SHARED_LINK": link,
    }
    for name, place in places.items():
        monkeypatch.setattr(activate, name, str(place))

    def meanwhile(path: str) -> bool:
        link.symlink_to("/their/store/layers/key")
        return warm.is_private(path)

    monkeypatch.setattr(activate, "is_private", meanwhile)
    assert activate.activate("/my/layer") == "/my/layer/bin"
    assert link.readlink() == Path("/their/store/layers/key")


def test_exec_finds_the_layer_without_the_shim(app: Root) -> None:
    app.run("/bin/true")
    for user in (0, 31337):
        done = app.run("-c", "import alpha; print(alpha.NAME)", start=Start(user=user), program="python3")
        assert done.stdout == "alpha\n", done.stderr


def test_root_tightens_the_link_folder(app: Root) -> None:
    assert (app.folder / ".cir/run").stat().st_mode & 0o777 == 0o777
    app.run("/bin/true")
    assert (app.folder / ".cir/run").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", ["python", "python3"])
def test_front_door_assembles(app: Root, name: str) -> None:
    """``docker run --entrypoint python IMAGE …`` on an empty store."""
    for _ in range(2):
        done = app.run("-c", SAY, "x", start=Start(environment=QUIET), program=f"/.cir/path/{name}")
        answer = json.loads(done.stdout)
        assert answer[:4] == ["alpha", "/.cir/run/layer", f"/.cir/run/layer/bin/{name}", ["x"]]


def test_front_door_without_requirements_is_the_base(root: Root) -> None:
    root.image(Manifest(platforms=(("arch", ("amd64", "arm64")),)))
    done = root.run("-c", "import sys; print(sys.prefix)", program="/.cir/path/python3")
    assert done.stdout == "/usr\n", done.stderr
    done = root.run("-c", "1", start=Start(environment={"PATH": "/.cir/path"}), program="/.cir/path/python3")
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == 'cir: error: exec: "python3": executable file not found in $PATH\n'


def test_application_without_requirements_needs_no_store(root: Root) -> None:
    root.image(Manifest(platforms=(("arch", ("amd64", "arm64")),)))
    done = root.run("sh", "-c", "echo $0 $#", "a", "b", start=Start(read_only=True, user=5))
    assert (done.returncode, done.stdout, done.stderr) == (0, "a 1\n", "")


def test_environment_is_the_engines(app: Root) -> None:
    """Nothing that Python sets for itself leaks, nothing that was given is lost."""
    given = {"A": "1", "EMPTY": "", "PYTHONPATH": "/work", "B": "x=y z"}
    for _ in range(2):
        done = app.run("env", start=Start(environment=given | QUIET))
        found = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert found == given | QUIET | {"PATH": found["PATH"]}
        assert found["PATH"] == "/.cir/run/layer/bin:/.cir/path:/usr/local/bin:/usr/bin:/bin"


def test_signal_dispositions_are_the_engines(app: Root) -> None:
    command = ("/usr/bin/python3", "-I", "-c", IGNORED)
    plain = app.run(*command[1:], program=command[0]).stdout
    for _ in range(2):
        assert app.run(*command, start=Start(environment=QUIET)).stdout == plain
    assert signal.SIGINT.name not in plain


@pytest.mark.parametrize("status", [0, 1, 64, 78, 255])
def test_exit_status_is_the_applications(app: Root, status: int) -> None:
    assert app.run("sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ("no-such-program", 127, 'exec: "no-such-program": executable file not found in $PATH'),
        ("/no/such", 127, 'exec: "/no/such": no such file or directory'),
        ("/etc/passwd", 126, 'exec: "/etc/passwd": permission denied'),
        ("/etc", 126, 'exec: "/etc": permission denied'),
        ("/work/noline", 255, 'exec: "/work/noline": exec format error'),
        ("/work/lost", 127, "the interpreter of its first line"),
    ],
)
def test_what_cannot_be_started(app: Root, command: str, status: int, text: str) -> None:
    for name, content in (("noline", "echo hello\n"), ("lost", "#!/no/such/interpreter\n")):
        (app.folder / "work" / name).write_text(content)
        (app.folder / "work" / name).chmod(0o755)
    done = app.run(command, start=Start(environment=QUIET))
    assert (done.returncode, done.stdout) == (status, "")
    assert text in done.stderr


def test_it_is_the_same_process(app: Root) -> None:
    argv = app.argv(Start(), "/.cir/shim", "sh", "-c", "echo $$; read line")
    pipe = subprocess.PIPE
    process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout
    assert int(process.stdout.readline()) == process.pid
    process.communicate("\n")


def test_a_working_folder_of_which_not_all_can_be_looked_at(app: Root) -> None:
    """It is looked at for speed only: a link into another user's folder, a folder whose entries cannot be reached."""
    work = app.folder / "work"
    for name, mode in (("closed", 0o700), ("listed", 0o744)):
        (work / name / "inside").mkdir(parents=True)
        (work / name).chmod(mode)
    (work / "data").symlink_to("closed/inside")
    done = app.run("hello", start=Start(user=1234))
    assert (done.returncode, done.stdout) == (0, "script /.cir/run/layer\n"), done.stderr


def test_a_working_folder_that_was_deleted(app: Root) -> None:
    script = "mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone; exec /.cir/shim hello"
    done = app.run("-c", script, program="/bin/sh")
    assert (done.returncode, done.stdout) == (0, "script /.cir/run/layer\n"), done.stderr


@pytest.mark.parametrize("word", ["/", ".", "..", ":", ":name", "//"])
def test_words_that_are_no_names_of_files(app: Root, word: str) -> None:
    done = app.run("echo", word)
    assert (done.returncode, done.stdout) == (0, f"{word}\n"), done.stderr


def test_open_files_pass_through(app: Root) -> None:
    reader, writer = os.pipe()
    argv = app.argv(
        Start(), "/.cir/shim", "/usr/bin/python3", "-c", f"import os; os.write({writer}, b'through')"
    )
    subprocess.run(argv, pass_fds=[writer], check=True, capture_output=True)
    os.close(writer)
    with os.fdopen(reader) as file:
        assert file.read() == "through"
