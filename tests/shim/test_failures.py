"""Whatever goes wrong: a clear message, the documented exit code, nothing half-made; the next start heals."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cirfile.manifest import Conditions, LockReference, Manifest, Requirement, Setup
from tests.shim.root import Done, Root, Start, application, lock

CUDA: Conditions = (("accelerator", ("cuda",)),)


def fails(done: Done, status: int, *words: str) -> None:
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("cir: hint: ") or status == 70
    for word in words:
        assert word in done.stderr, done.stderr


def heals(root: Root, start: Start | None = None) -> None:
    done = root.run("hello", start=start)
    assert (done.returncode, done.stdout) == (0, "script /.cir/run/layer\n"), done.stderr
    store = root.folder / "var/lib/cir"
    assert [path for name in ("tmp", "claims", "trash") for path in (store / name).glob("*")] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"cir":1',
        '{"cir":99}',
        "[]",
        "null",
        '{"cir":1,"requirements":[3]}',
        "\xff",
        "[" * 100_000,
        '{"cir":1}x',
    ],
)
def test_damaged_manifest(root: Root, text: str) -> None:
    application(root, "alpha")
    good = (root.folder / ".cir/cir.json").read_bytes()
    (root.folder / ".cir/cir.json").write_bytes(text.encode("latin-1"))
    fails(root.run("hello"), 65, "/.cir/cir.json")
    (root.folder / ".cir/cir.json").write_bytes(good)
    heals(root)


def test_missing_manifest(root: Root) -> None:
    fails(root.run("hello"), 65, "/.cir/cir.json", "no such file")


@pytest.mark.parametrize("text", ["", "{}", '{"cir-lock":1}', '{"cir-lock":2,"ecosystem":"pypi"}'])
@pytest.mark.parametrize("adapted", [True, False])
def test_damaged_lock(root: Root, text: str, adapted: bool) -> None:
    application(root, "alpha")
    path = root.folder / ".cir/lock/pypi.json"
    good = path.read_bytes()
    path.write_text(text)
    if adapted:  # the digest of the damaged lock stands in the manifest
        import hashlib

        reference = LockReference("pypi", "/.cir/lock/pypi.json", hashlib.sha256(text.encode()).hexdigest())
        root.image(Manifest(requirements=(Requirement("pypi", "alpha"),), locks=(reference,)))
    fails(root.run("hello"), 65, "/.cir/lock/pypi.json")
    path.write_bytes(good)
    application(root, "alpha")
    heals(root)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (Manifest(requirements=(Requirement("deb", "libgomp1 (>= 12)"),)), ["REQUIRE deb libgomp1 (>= 12)"]),
        (Manifest(requirements=(Requirement("cran", "jsonlite"),)), ["REQUIRE cran jsonlite"]),
        (Manifest(setup=(Setup(("python", "-m", "nltk")),)), ["SETUP python -m nltk"]),
        (Manifest(platforms=(("arch", ("s390x",)),)), ["arch=s390x", "arch=amd64"]),
        (Manifest(platforms=(("libc", ("musl",)),)), ["libc=musl", "libc=glibc"]),
        (Manifest(platforms=CUDA), ["accelerator=cuda", "accelerator=none"]),
        (
            Manifest(requirements=(Requirement("pypi", "alpha"),), platforms=(("python", ("3.99",)),)),
            ["python=3.99"],
        ),
    ],
)
def test_not_promised_or_not_provided(root: Root, manifest: Manifest, words: list[str]) -> None:
    root.image(manifest)
    fails(root.run("/bin/true"), 78, *words)


def test_requirement_of_another_machine_is_not_needed(root: Root) -> None:
    root.image(Manifest(requirements=(Requirement("deb", "libcuda1", CUDA), Requirement("cran", "x", CUDA))))
    assert root.run("echo", "ok").stdout == "ok\n"
    fails(root.run("echo", start=Start(environment={"CIR_ACCELERATOR": "cuda:13.0"})), 78, "libcuda1")


def test_accelerator_requirement(root: Root) -> None:
    root.image(Manifest(requirements=(Requirement("pypi", "cupy", CUDA),)), lock("cupy"))
    assert root.run("echo", "ok").stdout == "ok\n"
    done = root.run("echo", start=Start(environment={"CIR_ACCELERATOR": "cuda:13.0"}))
    fails(done, 78, "cupy", "CIR_ACCELERATOR=none")


def test_no_python_in_the_base(root: Root) -> None:
    application(root, "alpha")
    start = Start(environment={"PATH": "/.cir/run/layer/bin:/.cir/path:/usr/sbin"})
    fails(root.run("hello", start=start), 78, "REQUIRE pypi alpha", "Python")


def test_no_lock(root: Root) -> None:
    root.image(Manifest(requirements=(Requirement("pypi", "alpha"),)))
    fails(root.run("hello"), 65, "lock")


def test_provider_failure_leaves_nothing(root: Root) -> None:
    application(root, "alpha", "broken")
    fails(root.run("hello"), 69, "broken-1.0.whl")
    application(root, "alpha")
    heals(root)


def test_fault_of_the_shim_has_no_traceback(root: Root) -> None:
    application(root, "crash")
    fails(root.run("hello"), 70, "internal error: RuntimeError: a fault of the provider", "__init__.py:")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CIR_MODE", "dance"),
        ("CIR_LOG", "loud"),
        ("CIR_STORE", "relative/path"),
        ("CIR_OFFLINE", "yes"),
        ("CIR_TIMEOUT", "soon"),
        ("CIR_TIMEOUT", "-1"),
        ("CIR_TIMEOUT", "0"),
        ("CIR_TIMEOUT", "s"),
        ("CIR_TIMEOUT", "\u00b2"),
        ("CIR_TIMEOUT", "0.0s"),
        ("CIR_TIMEOUT", "1001h"),
        ("CIR_TIMEOUT", "99999999999"),
        ("CIR_TIMEOUT", "9" * 400),
        ("CIR_ACCELERATOR", "abacus"),
        ("CIR_ACCELERATOR", "cuda:new"),
    ],
)
def test_usage(root: Root, variable: str, value: str) -> None:
    application(root, "alpha")
    fails(root.run("hello", start=Start(environment={variable: value})), 64, f"{variable}={value}")


def test_no_command(root: Root) -> None:
    application(root, "alpha")
    fails(root.run(), 64, "no command")


def test_errors_as_json(root: Root) -> None:
    done = root.run("hello", start=Start(environment={"CIR_LOG": "json"}))
    assert done.returncode == 65
    event = json.loads(done.stderr.splitlines()[-1])
    assert (event["event"], event["code"]) == ("error", 65)


def test_store_that_cannot_be_written(root: Root) -> None:
    application(root, "alpha")
    read_only = ["-t tmpfs -o ro none var/lib/cir"]
    start = Start(user=77, read_only=True, mounts=read_only, environment={"HOME": "/nonexistent"})
    fails(
        root.run("hello", start=start),
        77,
        "/var/lib/cir",
        "/nonexistent/.cache/cir",
        "/tmp/cir-77",
        "-v cir-store",
    )
    fails(
        root.run("hello", start=Start(user=77, environment={"CIR_STORE": "/var/lib/cir"})),
        77,
        "CIR_STORE=/var/lib/cir",
    )
    (root.folder / "work/file").touch()
    fails(root.run("hello", start=Start(environment={"CIR_STORE": "/work/file"})), 64, "/work/file")
    heals(root)


def test_store_elsewhere_with_a_warning(root: Root) -> None:
    application(root, "alpha")
    start = Start(user=77, environment={"HOME": "/"})
    first, second = root.run("hello", start=start), root.run("hello", start=start)
    assert first.stdout == second.stdout == "script /.cir/run/layer\n"
    assert "warning: /var/lib/cir: permission denied; the layer goes to /tmp/cir-77" in first.stderr
    assert second.stderr == ""
    assert (root.folder / "tmp/cir-77").stat().st_mode & 0o777 == 0o700


def test_private_folder_of_somebody_else(root: Root) -> None:
    application(root, "alpha")
    (root.folder / "tmp/cir-77").mkdir(mode=0o777)
    (root.folder / "tmp/cir-77").chmod(0o777)
    start = Start(user=77, environment={"HOME": "/"})
    fails(root.run("hello", start=start), 77, "/tmp/cir-77: belongs to somebody else")


def test_full_disk(root: Root, tmp_path: Path) -> None:
    application(root, "alpha", "beta")
    small = ["-t tmpfs -o size=256k none var/lib/cir"]
    environment = {"FAKE_FILES": "40", "FAKE_SIZE": "1000"}
    fails(
        root.run("hello", start=Start(mounts=small, environment=environment)),
        75,
        "/var/lib/cir",
        "no space left",
    )
    tiny = ["-t tmpfs -o size=4k none var/lib/cir"]
    fails(root.run("hello", start=Start(mounts=tiny)), 75, "/var/lib/cir")


def test_full_disk_is_given_back(root: Root, tmp_path: Path) -> None:
    """The same small disk, first with too much, then with what fits."""
    application(root, "alpha")
    script = (
        "FAKE_FILES=200 FAKE_SIZE=1000 /.cir/shim hello; echo $?;"
        "/usr/bin/find /var/lib/cir/tmp /var/lib/cir/trash /var/lib/cir/claims -type f; /.cir/shim hello"
    )
    start = Start(mounts=["-t tmpfs -o size=256k none var/lib/cir"])
    done = root.run("-c", script, start=start, program="/bin/sh")
    assert done.stdout == "75\nscript /.cir/run/layer\n", done.stderr


def test_deadline(root: Root) -> None:
    application(root, "hang")
    begun = time.monotonic()
    fails(
        root.run("hello", start=Start(environment={"CIR_TIMEOUT": "0.5s"})), 75, "within 0.5 s", "CIR_TIMEOUT"
    )
    assert time.monotonic() - begun < 3
    application(root, "alpha")
    heals(root)


@pytest.mark.slow
def test_deadline_while_waiting(root: Root) -> None:
    """The other one is alive and slow: waiting ends at the deadline, the work goes on."""
    application(root, "alpha", "beta")
    slow = subprocess.Popen(root.argv(Start(environment={"FAKE_PACE": "0.5"}), "/.cir/shim", "hello"),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    wait_for(root, "claims/*")
    done = root.run("hello", start=Start(environment={"CIR_TIMEOUT": "0.5"}))
    fails(done, 75, "waiting for another container", "within 0.5 s")
    assert slow.communicate(timeout=30)[0] == "script /.cir/run/layer\n"


@pytest.mark.parametrize(
    ("number", "as_init"),
    [
        (signal.SIGTERM, False),
        (signal.SIGINT, False),
        (signal.SIGTERM, True),
        (signal.SIGINT, True),
        (signal.SIGHUP, True),
        (signal.SIGQUIT, True),
        (signal.SIGUSR1, True),
        (signal.SIGRTMIN + 3, True),
    ],
)
def test_signal_during_assembly(root: Root, number: int, as_init: bool) -> None:
    """Any of them may be the image's STOPSIGNAL; systemd's is SIGRTMIN+3."""
    application(root, "alpha", "hang")
    argv = root.argv(Start(), "/.cir/shim", "hello")
    if as_init:  # PID 1 of its own namespace gets only the signals it has handlers for
        argv = [argv[0], "--pid", "--fork", "--kill-child", *argv[1:]]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(root, "tmp/*/lib")
    victim = process.pid
    if as_init:
        victim = int(Path(f"/proc/{victim}/task/{victim}/children").read_text().split()[0])
    subprocess.run(["kill", f"-{int(number)}", str(victim)], check=True)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (128 + number, ""), err
    assert f"ended by {getattr(number, 'name', f'signal {number}')}" in err
    application(root, "alpha")
    heals(root)


def wait_for(root: Root, pattern: str) -> None:
    """Wait until something in the store matches."""
    deadline = time.monotonic() + 20
    while not list((root.folder / "var/lib/cir").glob(pattern)):
        assert time.monotonic() < deadline, f"{pattern} did not appear"
        time.sleep(0.005)
