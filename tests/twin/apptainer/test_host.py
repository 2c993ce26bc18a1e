"""`cir run --engine host`: an application of a Cirfile on a machine without any engine, as an ordinary user.

In bubblewrap, in a namespace of our own, and where the kernel gives none.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
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


#: Files that are reached from the working folder, wherever that is.
PLAIN = """FROM python:3.11-slim
REQUIRE pypi --index-url {index} greeting
WORKDIR /srv/app
COPY probe.py ./
ENTRYPOINT ["python3", "probe.py"]
"""
PLAIN_PROBE = '''"""Say where this process is; with `fail` exit with 7, with `write` change our own files."""
import json, os, sys
import greeting
if sys.argv[1:] == ["fail"]:
    sys.exit(7)
if sys.argv[1:] == ["write"]:
    open("new", "w")
print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "greeting": greeting.WORD, "env": dict(os.environ)}))
'''
#: As administrators do it with a sysctl, for one command: it may make no user namespace.
NO_NAMESPACES = (
    "unshare", "--user", "--map-users=0,0,4294967295", "--map-groups=0,0,4294967295", "sh", "-c",
    'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh",
)  # fmt: skip


def without_namespaces(account: Account, *words: str, env: Mapping[str, str]) -> Done:
    """Run `cir WORDS` where no user namespace can be made."""
    argv = account.argv(*account.cir_words(*words), env=env)
    start = argv.index("setpriv")
    return subprocess.run(
        [*argv[:start], *NO_NAMESPACES, *argv[start:]],
        capture_output=True, text=True, errors="replace", timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(params=["bubblewrap", "a namespace of our own"])
def mounts(request: pytest.FixtureRequest, account: Account) -> Iterator[None]:
    """Both ways to lay an application's files over the machine's; they differ in nothing that it sees."""
    if request.param == "bubblewrap":
        yield
        return
    with without(account, "bwrap"):
        yield


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


@pytest.fixture(scope="module")
def plain(account: Account, index: Index) -> Path:
    """A build context whose files are all below its working folder."""
    folder = account.folder / "plain-context"
    folder.mkdir()
    (folder / "Cirfile").write_text(PLAIN.format(index=index.url))
    (folder / "probe.py").write_text(PLAIN_PROBE)
    return folder


@pytest.mark.usefixtures("mounts")
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


@pytest.mark.usefixtures("mounts")
def test_files_of_both_are_there(account: Account, env: dict[str, str], place: Path) -> None:
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


@pytest.mark.usefixtures("mounts")
def test_files_are_neither_changed_nor_in_the_way(account: Account, env: dict[str, str], place: Path) -> None:
    """A link of the machine gives its place to a file and is followed to a folder; an application writes to neither."""
    (place / "Cirfile").write_text(
        "FROM scratch\nCOPY ours /etc/mtab\nCOPY ours /bin/ours\n"
        'CMD ["sh", "-c", "cat /etc/mtab /bin/ours; test -e /bin/cat; echo > /etc/mtab || echo > /usr/bin/ours"]\n'
    )
    (place / "ours").write_text("ours\n")
    assert (account.engines.instance.rootfs / "etc/mtab").is_symlink()
    done = account.cir("run", "--engine", "host", "--store", str(place / "store"), str(place), env=env)
    assert done.stdout == "ours\nours\n", done
    assert done.stderr.count("Read-only file system") == 2, done.stderr
    assert done.returncode != 0
    assert (account.engines.instance.rootfs / "etc/mtab").is_symlink()


@pytest.mark.usefixtures("mounts")
def test_a_folder_that_is_closed_to_the_account(account: Account, env: dict[str, str], place: Path) -> None:
    """What is below `/root` cannot be seen anyway; what can be reached, but not listed, cannot be kept in sight."""
    (place / "Cirfile").write_text('FROM scratch\nWORKDIR /root/app\nCOPY ours ./\nCMD ["cat", "ours"]\n')
    (place / "ours").write_text("ours\n")
    words = ("run", "--engine", "host", "--store", str(place / "store"), str(place))
    done = account.cir(*words, env=env)
    assert (done.returncode, done.stdout) == (0, "ours\n"), done.stderr
    unlisted = account.engines.instance.rootfs / "opt/unlisted"
    unlisted.mkdir(mode=0o711)
    try:
        (place / "Cirfile").write_text('FROM scratch\nCOPY ours /opt/unlisted/\nCMD ["true"]\n')
        done = account.cir(*words, env=env)
    finally:
        unlisted.rmdir()
    assert done.returncode == 77
    assert "/opt/unlisted cannot be listed" in done.stderr


def test_without_bubblewrap(account: Account, plain: Path, env: dict[str, str], place: Path) -> None:
    """One line says so, and what it is done in instead; with ``quiet`` none."""
    words = ("run", "--engine", "host", "--store", str(place / "store"), str(plain))
    with without(account, "bwrap"):
        loud = account.cir(*words, env=env)
        again = account.cir(*words, env=env | {"CIR_LOG": "quiet"})
    notes = [line for line in loud.stderr.splitlines() if line.startswith("cir: note:")]
    assert notes == [
        "cir: note: there is no `bwrap` on PATH: the application runs in a mount namespace of its own instead; "
        "processes, network and other files are this machine's"
    ]
    assert said(loud)["cwd"] == "/srv/app"
    assert (said(again)["cwd"], again.stderr) == ("/srv/app", "")


@pytest.mark.parametrize("bubblewrap", [True, False])
def test_without_namespaces(
    bubblewrap: bool, account: Account, plain: Path, env: dict[str, str], place: Path
) -> None:
    """The files stay where they are and cannot be changed; the note says where, and what is not apart."""
    store = place / "store"
    words = ("run", "--engine", "host", "--store", str(store), str(plain))
    with without(account, *(() if bubblewrap else ("bwrap",))):
        first = without_namespaces(account, *words, "one", "two words", env=env)
        again = without_namespaces(account, *words, env=env | {"PYTHONPATH": "/nowhere"})
        failed = without_namespaces(account, *words, "fail", env=env)
        wrote = without_namespaces(account, *words, "write", env=env)
    answer = said(first)
    assert (answer["argv"], answer["greeting"]) == (["one", "two words"], "hello")
    assert answer["cwd"].endswith("/srv/app")
    assert answer["cwd"] != "/srv/app"
    assert (answer["cwd"] in first.stderr, "platform layer" in first.stderr) == (True, True)
    assert ("no user namespace" in first.stderr, "nothing is apart from this machine" in first.stderr) == (
        True,
        True,
    )
    assert "PYTHONPATH" not in said(again)["env"]
    assert "platform layer" not in again.stderr
    assert failed.returncode == 7
    assert "PermissionError" in wrote.stderr
    mounted = account.cir(*words, env=env)
    assert (said(mounted)["cwd"], "platform layer" in mounted.stderr) == ("/srv/app", False)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("COPY probe.py /etc/probe.conf\n", "the image has /etc/probe.conf, outside of its WORKDIR"),
        ('CMD ["--config=/srv/app/probe.py"]\n', "the command names --config=/srv/app/probe.py"),
        ("ENV PYTHONPATH=/srv/app/lib\n", "the variable PYTHONPATH names /srv/app/lib"),
        ("WORKDIR /\n", "the image has /srv/app/probe.py, outside of its WORKDIR"),
    ],
    ids=["file", "word", "variable", "no-folder"],
)
def test_what_cannot_be_right_without_namespaces(
    lines: str, says: str, account: Account, plain: Path, env: dict[str, str], place: Path
) -> None:
    """The application would not find its files: it is not started, and the way out is named."""
    (place / "Cirfile").write_text((plain / "Cirfile").read_text() + lines)
    (place / "probe.py").write_text(PLAIN_PROBE)
    words = ("run", "--engine", "host", "--store", str(place / "store"), str(place))
    done = without_namespaces(account, *words, env=env)
    assert (done.returncode, done.stdout) == (69, "")
    assert says in done.stderr
    assert "hint: install bubblewrap, have user namespaces allowed" in done.stderr
    assert "warning" not in done.stderr
    assert not (place / "store").exists()


def test_the_machine_stands_in_for_the_base(
    account: Account, plain: Path, env: dict[str, str], place: Path
) -> None:
    """No base is looked up, so one that nobody can fetch does as well; neither Skopeo nor Buildah is needed."""
    shim = place / "shim"
    done = account.run("skopeo", "copy", f"docker://{env['CIR_SHIM']}", f"oci:{shim}:any")
    assert done.returncode == 0, done.stderr
    text = (plain / "Cirfile").read_text().replace("python:3.11-slim", "registry.invalid/none:1")
    (place / "Cirfile").write_text(text)
    (place / "probe.py").write_text(PLAIN_PROBE)
    words = ("run", "--engine", "host", "--store", str(place / "store"), str(place))
    with without(account, "bwrap", "skopeo", "buildah"):
        answer = said(account.cir(*words, env={"CIR_SHIM": f"oci:{shim}"}))
        missing = account.cir(*words, env={"CIR_SHIM": f"oci:{place}/none"})
    assert (answer["greeting"], answer["cwd"]) == ("hello", "/srv/app")
    assert missing.returncode == 69
    assert "neither `buildah` nor `skopeo`" in missing.stderr
