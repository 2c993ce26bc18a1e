"""`cir build`: which command line reaches Docker."""

from __future__ import annotations

import json
import netrc
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from buildah_plugin import engine
from cirfile import __version__
from cirfile.cli import build
from tests.cli.conftest import Cir, our_image

_FRONTEND = f"--build-arg BUILDKIT_SYNTAX=localhost/cir/frontend:{__version__}"
_CA = "--secret id=cir_ca,src=FOLDER/ca.crt"


def _dry(cir: Cir, *words: str) -> str:
    done = cir("build", "--dry-run", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return cir.shown(done.stdout.strip()).removeprefix("docker buildx build ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], f"--file Cirfile {_FRONTEND} {_CA} ."),
        (["app"], f"--file app/Cirfile {_FRONTEND} {_CA} app"),
        (["-f", "app/Cirfile", "."], f"--file app/Cirfile {_FRONTEND} {_CA} ."),
        (
            ["-t", "a:1", "-t", "b:1", "--push", "."],
            f"--tag a:1 --tag b:1 --file Cirfile {_FRONTEND} {_CA} --push .",
        ),
        (["--no-forward"], f"--file Cirfile {_FRONTEND} ."),
        (["--frontend", "r.test/f:2"], f"--file Cirfile --build-arg BUILDKIT_SYNTAX=r.test/f:2 {_CA} ."),
        (
            [
                "--platform",
                "linux/amd64,linux/arm64",
                "--build-arg",
                "A=1",
                "-o",
                "type=oci,dest=x",
                "--no-cache",
            ],
            f"--build-arg A=1 --file Cirfile {_FRONTEND} {_CA} "
            "--platform linux/amd64,linux/arm64 --output type=oci,dest=x --no-cache .",
        ),
        (["--secret", "id=cir_ca,src=mine"], f"--file Cirfile {_FRONTEND} --secret id=cir_ca,src=mine ."),
        (
            ["https://git.test/x.git#main:sub"],
            f"--file Cirfile {_FRONTEND} {_CA} 'https://git.test/x.git#main:sub'",
        ),
        (["-f", "-", "."], f"--file - {_FRONTEND} {_CA} ."),
        (["-"], f"--file Cirfile {_FRONTEND} {_CA} -"),
    ],
)
def test_the_command_line(cir: Cir, words: list[str], expected: str) -> None:
    for name in ("Cirfile", "app/Cirfile"):
        cir.write(name, "FROM scratch\n")
    assert _dry(cir, *words) == expected
    assert cir.calls() == []


def test_a_syntax_line_chooses_the_frontend_unless_told_otherwise(cir: Cir) -> None:
    cir.write("Cirfile", "# syntax=r.test/mine:1\nFROM scratch\n")
    assert "BUILDKIT_SYNTAX" not in _dry(cir)
    cir.environ["CIR_FRONTEND"] = "r.test/other:2"
    assert "BUILDKIT_SYNTAX=r.test/other:2" in _dry(cir)


def test_settings_of_the_machine_are_handed_over(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    cir.write(".netrc", "machine a.test login me password hush\n")
    cir.environ |= {"HTTPS_PROXY": "http://u:hush@proxy.test", "UV_INDEX": "https://i.test/simple"}
    line = _dry(cir)
    assert "--secret id=cir_netrc,src=FOLDER/.netrc" in line
    assert "--build-arg HTTPS_PROXY --build-arg UV_INDEX=https://i.test/simple" in line
    assert "hush" not in line
    assert "UV_INDEX=https://i.test" not in _dry(cir, "--build-arg", "UV_INDEX=https://mine.test")


def test_credentials_in_an_address_become_a_secret(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    cir.write(".netrc", "machine a.test login me password other\n")
    cir.environ |= {"PIP_INDEX_URL": "https://me:h%40sh@i.test/simple", "UV_INDEX": "x=https://tok@j.test/s"}
    cir.environ["UV_INDEX_URL"] = "https://m%20e:h%20u%22s%5Ch@k.test/simple"
    assert cir("build").returncode == 0
    (call,) = cir.calls()
    assert "PIP_INDEX_URL=https://i.test/simple" in call
    assert "UV_INDEX=x=https://j.test/s" in call
    assert "h@sh" not in shlex.join(call)
    lines = (cir.state / "cir_netrc").read_text().splitlines()
    assert set(lines) - {""} == {
        'machine i.test login "me" password "h@sh"',
        'machine j.test login "tok" password ""',
        r'machine k.test login "m e" password "h u\"s\\h"',
        "machine a.test login me password other",
    }
    read = netrc.netrc(cir.state / "cir_netrc")
    assert read.authenticators("k.test") == ("m e", "", 'h u"s\\h')
    assert read.authenticators("a.test") == ("me", "", "other"), "an empty password swallows no word"
    secret = next(word for word in call if word.startswith("id=cir_netrc"))
    assert not cir.folder.joinpath(secret.partition("src=")[2]).exists()


def test_a_login_in_an_address_counts_before_an_older_one_in_the_file(cir: Cir) -> None:
    """Readers keep the last one; a macro without an end takes no line of ours."""
    cir.write("Cirfile", "FROM scratch\n")
    cir.write(".netrc", "machine i.test login me password old\nmacdef init\nls\n")
    cir.environ["UV_INDEX"] = "https://me:new@i.test/simple"
    assert cir("build").returncode == 0
    assert netrc.netrc(cir.state / "cir_netrc").authenticators("i.test") == ("me", "", "new")


def test_an_index_that_the_user_names_does_not_lose_against_this_machines(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    cir.environ |= {"UV_INDEX": "https://i.test/simple", "UV_DEFAULT_INDEX": "https://d.test/simple"}
    line = _dry(cir, "--build-arg", "PIP_EXTRA_INDEX_URL=https://mine.test")
    assert "i.test" not in line
    assert "UV_DEFAULT_INDEX=https://d.test/simple" in line


def test_a_netrc_of_any_bytes_is_handed_over(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    cir.write(".netrc", "").write_bytes(b"# Gr\xfc\xdfe\n")
    cir.environ["UV_INDEX"] = "http://u:p@h.test/simple"
    assert cir("build").returncode == 0
    secret = (cir.state / "cir_netrc").read_bytes()
    assert secret == b'# Gr\xfc\xdfe\n\nmachine h.test login "u" password "p"\n'


@pytest.mark.parametrize(
    "address", ["http://[bad", "http://u:hush@/simple", "http://u:hush@\u2100.test/simple"]
)
@pytest.mark.parametrize("words", [["build", "--dry-run"], ["run", "--dry-run", "app"], ["plan"], ["lock"]])
def test_what_is_no_address(cir: Cir, words: list[str], address: str) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    cir.environ["UV_INDEX"] = address
    done = cir(*words)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith(
        "error: the environment variable UV_INDEX holds something that is no address\nhint:"
    )
    assert "hush" not in done.stderr


@pytest.mark.parametrize(
    ("extra", "names"),
    [
        (
            {"UV_INDEX": "team=https://b:hush2@I.test:8443/team/simple"},
            "UV_DEFAULT_INDEX and UV_INDEX",
        ),
        (
            {"UV_DEFAULT_INDEX": "https://a:hush1@i.test/main https://a:hush2@i.test/x"},
            "UV_DEFAULT_INDEX",
        ),
    ],
)
@pytest.mark.parametrize("words", [["build", "--dry-run"], ["run", "--dry-run", "app"], ["lock"]])
def test_two_logins_for_one_host(cir: Cir, words: list[str], extra: dict[str, str], names: str) -> None:
    """A netrc has one login a host: the other index would get the first one's password."""
    cir.write("Cirfile", "FROM scratch\n")
    cir.environ |= {"UV_DEFAULT_INDEX": "https://a:hush1@i.test/main/simple", **extra}
    done = cir(*words)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == (
        f"error: the addresses in {names} hold two different logins for i.test\n"
        "hint: use one login for the host, one that may read all of its indexes\n"
    )


def test_one_login_for_two_indexes_of_a_host(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    cir.environ |= {"UV_DEFAULT_INDEX": "https://a:p@i.test/main", "UV_INDEX": "https://a:p@i.test/team"}
    assert cir("build").returncode == 0
    assert (cir.state / "cir_netrc").read_text() == 'machine i.test login "a" password "p"\n'


@pytest.mark.parametrize("context", ["https://git.test/x.git", "git@git.test:x.git", "-"])
def test_a_remote_context_is_not_looked_for_here(cir: Cir, context: str) -> None:
    """A Cirfile that happens to lie in the working folder has no say; one named by its absolute path has."""
    cir.write("Cirfile", "# syntax=r.test/mine:1\nFROM scratch\n")
    assert _FRONTEND in _dry(cir, context)
    assert _FRONTEND in _dry(cir, "-f", "Cirfile", context)
    assert "BUILDKIT_SYNTAX" not in _dry(cir, "-f", str(cir.folder / "Cirfile"), context)


def test_json_names_the_digest(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    done = cir("build", "--json", "-t", "a:1")
    assert done.stdout == '{\n  "digest": "sha256:' + "0" * 64 + '",\n  "names": [\n    "a:1"\n  ]\n}\n'


def test_json_names_the_digest_beside_a_metadata_file_of_the_callers(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    done = cir("build", "--json", "--metadata-file", "m.json", "-t", "a:1")
    assert json.loads(done.stdout)["digest"] == "sha256:" + "0" * 64
    assert (cir.folder / "m.json").exists()


def test_json_is_all_that_is_on_stdout(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    cir.environ["FAKE_SAYS"] = "sha256:the-id"
    done = cir("build", "--json", "--quiet")
    assert json.loads(done.stdout)["digest"].startswith("sha256:0")
    assert "sha256:the-id" in done.stderr
    assert cir("build", "--quiet").stdout == "sha256:the-id\n"


@pytest.mark.parametrize(
    "words", [["--check"], ["--call", "outline"], ["-o", "-"], ["-o", "type=tar,dest=-"]]
)
def test_json_goes_with_nothing_else_on_stdout(cir: Cir, words: list[str]) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    done = cir("build", "--json", *words)
    assert (done.returncode, done.stdout, cir.calls()) == (64, "", [])
    assert "writes to stdout" in done.stderr


def test_the_status_is_that_of_docker(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    cir.environ["FAKE_STATUS"] = "17"
    assert cir("build").returncode == 17


def test_without_buildx(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    (cir.state / "no-buildx").touch()
    done = cir("build")
    assert done.returncode == 69
    assert done.stderr == "error: this docker has no buildx\nhint: install the buildx plug-in of Docker\n"


def test_without_docker(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\n")
    cir.environ["PATH"] = "/nonexistent"
    done = cir("build")
    assert done.returncode == 69
    assert done.stderr.startswith("error: there is no `docker` on PATH\nhint: ")


def test_without_a_cirfile(cir: Cir) -> None:
    done = cir("build", "nowhere")
    assert done.returncode == 66
    assert done.stderr.startswith("error: there is no nowhere/Cirfile\nhint: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("words", "stop"), [(("build", "."), "buildx"), (("materialize", "app"), "run")])
def test_told_to_end_it_ends_docker_and_leaves_no_login(
    cir: Cir, words: tuple[str, ...], stop: str, number: signal.Signals
) -> None:
    cir.write("Cirfile", "FROM base\n")
    cir.image("app", our_image())
    temporary = cir.folder / "temporary"
    temporary.mkdir()
    cir.environ |= {
        "TMPDIR": str(temporary), "FAKE_STOP": stop, "UV_DEFAULT_INDEX": "https://me:hush@a.test/simple",
    }  # fmt: skip
    running = subprocess.Popen([sys.executable, "-m", "cirfile.cli", *words], cwd=cir.folder, env=cir.environ)
    stopped = cir.state / "stopped"
    while not (stopped.exists() and stopped.read_text()):
        assert running.poll() is None
        time.sleep(0.01)
    assert "hush" in "".join(path.read_text() for path in temporary.rglob("*") if path.is_file())
    running.send_signal(number)
    assert running.wait(30) == 128 + number
    assert list(temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(stopped.read_text()), 0)


def test_the_help_names_what_other_engines_refuse() -> None:
    refused = {f"--{name.replace('_', '-')}" for name in engine._REFUSED}
    assert refused <= set(re.findall("--[a-z-]+", build._EPILOG))
