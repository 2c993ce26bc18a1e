"""What a shared file system has to answer for an application's imports: with a layer file, and with a folder.

Calls that name a path below the shared folder are counted with strace, in the processes that make them: the
application in its container, and for the file also the squashfuse that reads it for the application.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.twin.apptainer.conftest import Account

APP = Path(__file__).resolve().parents[3] / "testdata/apps/sklearn"
#: Calls that ask for metadata, by path.
CALLS = "open,openat,stat,lstat,newfstatat,statx,access,faccessat,faccessat2,readlink,readlinkat,statfs"
IMPORTS = "import sklearn.ensemble, pandas, xgboost, onnxruntime"
#: What Apptainer itself may ask when it opens a file to bind it; generous.
OF_THE_ENGINE = 15
#: The engines' own strace inside of a container that has other libraries.
TOOLS = "/run/tools"
TRACE = f"{TOOLS}/lib64/ld-linux-x86-64.so.2 --library-path {TOOLS}/lib/x86_64-linux-gnu {TOOLS}/bin/strace".split()


def words(log: Path) -> list[str]:
    """Options of strace: what to count, and where to write it."""
    return ["-f", "-qq", "-s", "4096", "-e", f"trace={CALLS}", "-o", str(log)]


def asked(log: Path, shared: Path) -> int:
    """How many calls name a path below the shared folder."""
    named = re.compile(f'"{re.escape(str(shared))}(?:/[^"]*)?"')
    with log.open(errors="replace") as lines:
        return sum(1 for line in lines if named.search(line))


def imports(account: Account, sif: Path, shared: Path, log: Path, *bound: str) -> int:
    """The calls of the application while it imports everything."""
    tools = ["-B", f"/usr:{TOOLS}:ro", "-B", str(log.parent), "-B", str(shared)]
    program = [*TRACE, *words(log), "python3", "-c", IMPORTS]
    done = account.run("apptainer", "-s", "exec", *tools, *bound, str(sif), *program, timeout=240)
    assert done.returncode == 0, done.stderr
    return asked(log, shared)


@contextmanager
def mounted(account: Account, file: Path, place: Path, log: Path) -> Iterator[None]:
    """The file mounted by a squashfuse whose calls are counted."""
    server = ["strace", *words(log), "squashfuse_ll", "-f", "-o", "ro,allow_other", str(file), str(place)]
    with subprocess.Popen(account.engines.command(server), stdin=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while account.run("test", "-d", f"{place}/layers").returncode:
            assert time.monotonic() < deadline, "squashfuse did not mount the file"
            time.sleep(0.1)
        try:
            yield
        finally:
            account.as_root("umount", str(place))
            process.wait(30)


@pytest.mark.slow
def test_imports_ask_a_hundredth(account: Account, shim_ref: str, place: Path) -> None:
    """scikit-learn, pandas, xgboost and onnxruntime, from one file and from an unpacked environment."""
    context = place / "sklearn"
    shutil.copytree(APP, context)
    sif = place / "sklearn.sif"
    done = account.cir(
        "build", "--engine", "apptainer", "-o", str(sif), str(context), env={"CIR_SHIM": shim_ref}
    )
    assert done.returncode == 0, done.stderr
    shared, logs, mount = (account.owned(place / name) for name in ("shared", "logs", "mount"))
    made = {}
    for name, flags in (("file", ()), ("unpacked", ("--unpacked",))):
        done = account.cir("materialize", *flags, "--store", str(shared / name), str(sif))
        assert done.returncode == 0, done.stderr
        made[name] = Path(done.stdout.strip())
    store = ("--env", f"CIR_STORE={made['unpacked']}")
    unpacked = imports(account, sif, shared, logs / "unpacked.log", *store)
    with mounted(account, made["file"], mount, logs / "server.log"):
        bound = ("-B", f"{mount}:/.cir/run:ro")
        file = imports(account, sif, shared, logs / "file.log", *bound)
    file += asked(logs / "server.log", shared) + OF_THE_ENGINE
    print(f"\ncalls to the shared file system: {unpacked} unpacked, {file} from the file")
    assert unpacked > 1000, "the imports were not seen"
    assert unpacked >= 100 * file
