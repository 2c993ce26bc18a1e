"""Plain `apptainer run` of an image of ours, without `cir`: it works, and the host stays outside."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.twin.apptainer.conftest import Account, Done

#: Flags of `apptainer run` that must make no difference to what the application says of itself.
FLAGS = (
    (),
    ("--cleanenv",),
    ("--compat",),
    ("--contain",),
    ("--containall",),
    ("--pid",),
    ("--no-eval",),
    ("--writable-tmpfs",),
    ("--no-home",),
    ("--nv",),
    ("--rocm",),
    ("--nv", "--compat"),
)


@pytest.fixture(scope="module")
def store(account: Account) -> Path:
    """A store that this module's containers share."""
    return account.owned(account.folder / "run-store")


def run(
    account: Account, sif: Path, store: Path | None, *words: str, flags: tuple[str, ...] = (), **more: Any
) -> Done:
    """`apptainer run FLAGS IMAGE WORDS` with a bound store."""
    bound = ("-B", str(store), "--env", f"CIR_STORE={store}") if store else ()
    return account.run("apptainer", "-s", "run", *bound, *flags, str(sif), *words, **more)


def said(done: Done) -> dict[str, Any]:
    """What the probe told of itself."""
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_cold_then_warm(account: Account, sif: Path, place: Path) -> None:
    """The first start assembles; the second says nothing and writes nothing."""
    first = run(account, sif, place)
    assert said(first)["greeting"] == "hello"
    assert "platform layer" in first.stderr
    before = {path: path.stat().st_mtime_ns for path in sorted(place.rglob("*"))}
    again = run(account, sif, place)
    assert again.stderr == ""
    assert said(again)["file"].startswith(str(place))
    assert {path: path.stat().st_mtime_ns for path in sorted(place.rglob("*"))} == before


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_flags(flags: tuple[str, ...], account: Account, sif: Path, store: Path) -> None:
    """Arguments, working folder, user, child processes: as with Docker, whatever the container is kept from."""
    answer = said(run(account, sif, store, "one", "two words", "", flags=flags))
    assert answer["argv"] == ["one", "two words", ""]
    assert (answer["cwd"], answer["env"].get("PWD", "/app")) == ("/app", "/app")
    assert (answer["greeting"], answer["child"]) == ("hello", "hello\n")
    assert answer["uid"] == account.engines.instance.user_id
    assert (answer["pid"] < 20) == bool({"--pid", "--compat", "--containall"} & set(flags))
    assert said(run(account, sif, store, flags=flags))["argv"] == ["from", "cmd"]
    assert run(account, sif, store, "fail", flags=flags).returncode == 7


def test_no_eval_is_respected(account: Account, sif: Path, store: Path) -> None:
    """Without it, Apptainer's run script evaluates arguments; with it, they arrive as they were written."""
    env = {"WORD": "value"}
    assert said(run(account, sif, store, "$WORD", env=env))["argv"] == ["value"]
    assert said(run(account, sif, store, "$WORD", env=env, flags=("--no-eval",)))["argv"] == ["$WORD"]


def test_the_folder_of_the_caller_on_demand(account: Account, sif: Path, store: Path, place: Path) -> None:
    """`CIR_WORKDIR=host` leaves the application where Apptainer puts it."""
    (place / "probe.py").write_text("print('mine')\n")
    done = run(account, sif, store, cwd=place, env={"CIR_WORKDIR": "host"})
    assert done.stdout == "mine\n", done.stderr
    done = run(account, sif, store, cwd=place, flags=("--env", "CIR_WORKDIR=nowhere"))
    assert (done.returncode, done.stdout) == (64, "")


LEAKS = {
    "PYTHONPATH": "/host/python",
    "PYTHONHOME": "/host/home",
    "PYTHONSTARTUP": "/host/startup.py",
    "PIP_INDEX_URL": "http://host.invalid/simple",
    "UV_INDEX": "http://host.invalid/simple",
    "CONDA_PREFIX": "/host/conda",
    "VIRTUAL_ENV": "/host/venv",
    "R_LIBS": "/host/r",
    "LD_LIBRARY_PATH": "/host/lib",
    "LD_PRELOAD": "/host/lib/darshan.so",
}


def leaked(answer: dict[str, Any]) -> dict[str, str]:
    """Variables of the host that reached the application, with their values."""
    return {
        name: value for name, value in answer["env"].items() if "/host/" in value or "host.invalid" in value
    }


def host(account: Account, *words: str) -> list[str]:
    """`words` with the variables of `LEAKS`; set by the last program before, since they would mislead others too."""
    return ["env", *(f"{name}={value}" for name, value in LEAKS.items()), *words]


def test_the_host_does_not_leak(account: Account, sif: Path, store: Path) -> None:
    """Nothing that leads Python or the loader to files of the host; what the image sets stays, as do others."""
    words = host(account, "apptainer", "-s", "run", "-B", str(store), str(sif))
    answer = said(account.run(*words, env={"CIR_STORE": str(store), "OTHER": "of the host", "A": "host"}))
    assert leaked(answer) == {}
    assert answer["env"]["VIRTUAL_ENV"] == "/opt/image"
    assert answer["env"]["A"] == "image"
    assert answer["env"]["OTHER"] == "of the host"
    assert answer["env"]["LD_LIBRARY_PATH"] == "/.singularity.d/libs"
    assert answer["env"]["PYTHONNOUSERSITE"] == "1"


def test_the_host_on_demand(account: Account, sif: Path, store: Path) -> None:
    """`CIR_HOST_ENV` names what is wanted; `--env` and `APPTAINERENV_` say so by themselves."""
    words = host(
        account, "CIR_HOST_ENV=PYTHONPATH,R_LIBS", "apptainer", "-s", "run", "-B", str(store), str(sif)
    )
    answer = said(account.run(*words, env={"CIR_STORE": str(store)}))
    assert leaked(answer) == {"PYTHONPATH": "/host/python", "R_LIBS": "/host/r"}
    assert "/host/python" in answer["path"]
    words = host(
        account, "CIR_HOST_ENV=all", "apptainer", "-s", "exec", str(sif), "/.cir/bin/python3", "-IS", "-c"
    )
    show = "import posix, json; print(json.dumps({'env': {k.decode(): v.decode() for k, v in posix.environ.items()}}))"
    answer = said(account.run(*words, show))
    assert set(leaked(answer)) == set(LEAKS) - {"LD_LIBRARY_PATH", "VIRTUAL_ENV"}
    asked = said(
        run(account, sif, store, flags=("--env", "PYTHONPATH=/asked"), env={"APPTAINERENV_PIP_X": "asked"})
    )
    assert (asked["env"]["PYTHONPATH"], asked["env"]["PIP_X"]) == ("/asked", "asked")


def test_packages_of_the_user_are_not_found(account: Account, sif: Path, store: Path) -> None:
    """``~/.local`` is bound into the container; without a layer's environment Python would look there."""
    home = account.engines.instance.rootfs / "home/cir"
    site = home / ".local/lib/python3.11/site-packages"
    site.mkdir(parents=True)
    try:
        (site / "intruder.py").write_text("")
        for python in ("python3", "/usr/bin/python3"):
            words = ("apptainer", "-s", "exec", "-B", str(store), str(sif), python, "-c", "import intruder")
            done = account.run(*words, env={"CIR_STORE": str(store)})
            assert "ModuleNotFoundError" in done.stderr, done
    finally:
        shutil.rmtree(home / ".local/lib")


def test_exec_and_shell_find_the_layer(account: Account, sif: Path, store: Path) -> None:
    """`apptainer exec` passes by the run script: the front door assembles; other commands go through the shim."""
    env = {"CIR_STORE": str(store)}
    for program in (("python3", "-c", "import greeting; print(greeting.WORD)"), ("/.cir/shim", "greet")):
        done = account.run("apptainer", "-s", "exec", "-B", str(store), str(sif), *program, env=env)
        assert (done.stdout, done.returncode) == ("hello\n", 0), done.stderr


def test_a_stranger_in_shared_memory_changes_nothing(
    account: Account, sif: Path, store: Path, place: Path
) -> None:
    """``/dev/shm`` is the host's: what others put there, programs and packages, is never run."""
    trap = place / "trap/bin"
    trap.mkdir(parents=True)
    for name in ("python3", "greet", "sh"):
        (trap / name).write_text("#!/bin/sh\necho trapped\n")
        (trap / name).chmod(0o755)
    shared = account.shared_memory / ".cir"
    shared.mkdir()
    (shared / "layer").symlink_to(place / "trap")
    os.chown(shared, 4321, 4321)
    try:
        answer = said(run(account, sif, store))
        assert (answer["greeting"], answer["child"]) == ("hello", "hello\n")
        assert "/.cir/run/layer/bin" not in answer["env"]["PATH"].split(":")
        env = {"CIR_STORE": str(store)}
        words = ("sh", "-c", "python3 -c 'import greeting; print(greeting.WORD)'")
        assert account.run("apptainer", "-s", "exec", str(sif), *words, env=env).stdout == "hello\n"
    finally:
        shutil.rmtree(shared)


def test_without_a_store_the_layer_is_kept_at_home(account: Account, sif: Path) -> None:
    """The home folder is bound, so the next start finds the layer; the host's idea of a cache may not be."""
    home = account.engines.instance.rootfs / "home/cir/.cache/cir"
    shutil.rmtree(home, ignore_errors=True)
    try:
        first = account.run("apptainer", "-s", "run", str(sif), env={"XDG_CACHE_HOME": "/nowhere/cache"})
        assert said(first)["file"].startswith("/home/cir/.cache/cir/layers/")
        assert "the layer is kept in /home/cir/.cache/cir" in first.stderr
        assert "docker" not in first.stderr
        assert account.run("apptainer", "-s", "run", str(sif)).stderr == ""
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("flags", [("--nv",), ("--rocm",)], ids=" ".join)
def test_libraries_of_the_driver_stay_reachable(
    flags: tuple[str, ...], account: Account, sif: Path, store: Path, place: Path
) -> None:
    """The engine binds the driver's libraries into one folder, which the loader is told of, also by the layer's Python.

    There is no such device here, so one library is put there by hand.
    """
    (place / "libcuda.so.1").write_text("")
    bind = ("-B", f"{place}/libcuda.so.1:/.singularity.d/libs/libcuda.so.1")
    show = "import os; print(os.environ['LD_LIBRARY_PATH'], *os.listdir('/.singularity.d/libs'))"
    words = ("apptainer", "-s", "exec", *flags, *bind, "-B", str(store), str(sif), "python3", "-c", show)
    done = account.run(*words, env={"CIR_STORE": str(store)})
    assert done.stdout == "/.singularity.d/libs libcuda.so.1\n", done.stderr
