"""`cir run --engine host`: an application of a Cirfile on a machine without any engine, as an ordinary user."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.index import Index
from tests.twin.apptainer.conftest import PROBE, Account, Done
from tests.twin.apptainer.test_bad_input import without
from tests.twin.apptainer.test_run import LEAKS, leaked

#: The base has no Python: that of this machine serves, whichever it is.
CIRFILE = """FROM debian:12-slim
PLATFORMS python=3.11,3.12,3.13,3.14
REQUIRE pypi --index-url {index} greeting
ENV A=image
WORKDIR /srv/app
COPY probe.py ./
COPY --chmod=644 settings.conf /etc/probe.conf
COPY probe.py /usr/local/share/probe/
ENTRYPOINT ["python3", "probe.py"]
CMD ["from", "cmd"]
"""


@pytest.fixture(scope="module")
def context(account: Account, index: Index) -> Path:
    """A build context with the probe; its files go into folders that this machine has, too."""
    folder = account.folder / "host-context"
    folder.mkdir()
    (folder / "Cirfile").write_text(CIRFILE.format(index=index.url))
    (folder / "probe.py").write_text(PROBE)
    (folder / "settings.conf").write_text("from the image\n")
    return folder


@pytest.fixture(scope="module")
def env(shim_ref: str) -> dict[str, str]:
    """Where the shim comes from."""
    return {"CIR_SHIM": shim_ref}


def said(done: Done) -> dict[str, Any]:
    """What the probe said."""
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_cold_then_warm(account: Account, context: Path, env: dict[str, str], place: Path) -> None:
    """The same shim and store as in a container; the machine's own files are as they were."""
    words = ("run", "--engine", "host", "--store", str(place / "store"), str(context))
    first = account.cir(*words, "one", "two words", env=env)
    answer = said(first)
    assert "platform layer" in first.stderr
    assert (answer["argv"], answer["cwd"]) == (["one", "two words"], "/srv/app")
    assert (answer["greeting"], answer["child"], answer["env"]["A"]) == ("hello", "hello\n", "image")
    assert answer["uid"] == account.engines.instance.user_id
    again = account.cir(*words, env=env)
    assert said(again)["argv"] == ["from", "cmd"]
    assert "platform layer" not in again.stderr
    assert account.cir(*words, "fail", env=env).returncode == 7
    for path in ("/srv/app", "/.cir", "/etc/probe.conf", "/usr/local/share/probe"):
        assert not os.path.lexists(f"{account.engines.instance.rootfs}{path}")


def test_files_of_both_are_there(account: Account, context: Path, env: dict[str, str], place: Path) -> None:
    """Those of the image in folders of the machine, beside what the machine has there."""
    store = place / "store"
    show = "cat /etc/probe.conf; head -c 4 /etc/passwd; ls -d /usr/share/settings.conf /usr/share/perl5"
    copies = "COPY settings.conf /etc/probe.conf\nCOPY settings.conf /usr/share/\n"
    (place / "Cirfile").write_text(f'FROM scratch\n{copies}CMD ["sh", "-c", "{show}"]\n')
    (place / "settings.conf").write_text("from the image\n")
    done = account.cir("run", "--engine", "host", "--store", str(store), str(place), env=env)
    assert done.stdout.startswith("from the image\nroot/usr/share/perl5"), done
    assert "/usr/share/settings.conf" in done.stdout


def test_an_image_layout(account: Account, context: Path, env: dict[str, str], place: Path) -> None:
    """What `cir build` wrote elsewhere runs without being built again."""
    target = place / "layout"
    output = f"type=oci,tar=false,dest={target}"
    done = account.cir("build", "--engine", "buildah", "-o", output, str(context), env=env)
    assert done.returncode == 0, done.stderr
    words = ("run", "--engine", "host", "--store", str(place / "store"))
    assert said(account.cir(*words, str(target)))["greeting"] == "hello"
    for path in (target / "blobs/sha256").iterdir():
        path.unlink()
    done = account.cir(*words, str(target))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_the_caller_does_not_leak(account: Account, context: Path, env: dict[str, str], place: Path) -> None:
    """The same list of variables as under Apptainer, and the same word to ask for one."""
    misleading = {
        name: value
        for name, value in LEAKS.items()
        if not name.startswith(("PYTHON", "LD_PRELOAD", "UV_", "PIP_"))
    }
    words = ("run", "--engine", "host", "--store", str(place / "store"), str(context))
    said(account.cir(*words, env=env))  # what is resolved and made, is so by the settings of this machine
    answer = said(account.cir(*words, env=env | misleading | {"OTHER": "of the host"}))
    assert leaked(answer) == {}
    assert (answer["env"]["OTHER"], answer["env"]["PYTHONNOUSERSITE"]) == ("of the host", "1")
    asked = said(account.cir(*words, env=env | misleading | {"CIR_HOST_ENV": "R_LIBS"}))
    assert leaked(asked) == {"R_LIBS": "/host/r"}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [((), 64, "no application is named"), (("/nonexistent",), 66, "neither a folder with a Cirfile")],
    ids=["none", "missing"],
)
def test_wrong_words(words: tuple[str, ...], status: int, says: str, account: Account) -> None:
    done = account.cir("run", "--engine", "host", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr


def test_without_bubblewrap(account: Account, context: Path, env: dict[str, str]) -> None:
    with without(account, "bwrap"):
        done = account.cir("run", "--engine", "host", str(context), env=env)
    assert (done.returncode, done.stdout) == (69, "")
    assert "install bubblewrap" in done.stderr
