"""The resolver with the real uv, against an index of this test that also misbehaves."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirfile.codec import decode_lock, encode_manifest
from cirfile.lock import Lock
from cirfile.manifest import Conditions, Index, Manifest, Requirement
from cirfile.resolver.uv import find_uv
from tests.support.index import Fault, make_certificate
from tests.support.index import Index as Server
from tests.support.wheels import Wheel

_PROMISE: Conditions = (("arch", ("amd64", "arm64")), ("python", ("3.11",)))
_AMD64, _ARM64 = "cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_aarch64"
_WHEELS = (
    Wheel("alpha", "1.0"),
    Wheel("alpha", "2.0"),
    Wheel("beta", "1.0", requires=("alpha<2",)),
    Wheel("gamma", "1.0", requires=("alpha>=2", "Delta_Dots")),
    Wheel("delta-dots", "1.0"),
    Wheel("ghostly", "1.0", requires=("ghost>1",)),
    Wheel("amd-only", "1.0", tag=_AMD64),
    Wheel("late-arm", "1.0", tag=_AMD64),
    Wheel("late-arm", "1.0", tag=_ARM64),
    Wheel("late-arm", "2.0", tag=_AMD64),
    Wheel("py312", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64"),
    Wheel("py312", "1.0", tag="cp312-cp312-manylinux_2_17_aarch64"),
    Wheel("patchy", "1.0", requires=("alpha ; python_full_version < '3.11.3'",)),
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for wheel in _WHEELS:
        wheel.write(folder)
    return folder


@pytest.fixture
def index(wheels: Path) -> Iterator[Server]:
    with Server(wheels) as server:
        yield server


class Resolver:
    """Runs the resolver as the frontend does: a process, a question file, an output folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {**os.environ, "UV_HTTP_RETRIES": "0", "NO_PROXY": "127.0.0.1"}
        self.stderr = ""

    def run(self, url: str, *asked: str | tuple[str, Conditions], platforms: Conditions = _PROMISE) -> int:
        pairs = [(item, ()) if isinstance(item, str) else item for item in asked]
        manifest = Manifest(
            tuple(Requirement("pypi", text, when) for text, when in pairs),
            indexes=(Index("pypi", url, "default"),) if url else (),
            platforms=platforms,
        )
        (self.folder / "question.json").write_bytes(encode_manifest(manifest))
        (self.folder / "out").mkdir(exist_ok=True)
        command = [sys.executable, "-m", "cirfile.resolver", str(self.folder / "question.json")]
        result = subprocess.run(
            [*command, str(self.folder / "out")],
            cwd=Path(__file__).parents[2],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        self.stderr = result.stderr
        assert result.stdout == ""
        assert "Traceback" not in self.stderr
        return result.returncode

    def data(self) -> bytes:
        return (self.folder / "out" / "pypi.json").read_bytes()

    def lock(self) -> Lock:
        return decode_lock(self.data())


@pytest.fixture
def resolver(tmp_path: Path) -> Resolver:
    return Resolver(tmp_path)


def test_a_lock_with_dependencies_and_index(resolver: Resolver, index: Server) -> None:
    assert resolver.run(index.url, "gamma") == 0
    components = {c.name: c for c in resolver.lock().components}
    assert {name: c.version for name, c in components.items()} == {
        "alpha": "2.0",
        "delta-dots": "1.0",
        "gamma": "1.0",
    }
    assert components["gamma"].dependencies == ("alpha", "delta-dots")
    assert {c.index for c in components.values()} == {index.url}
    assert "locked 3 components" in resolver.stderr
    assert resolver.lock().resolver.startswith("uv ")


def test_each_platform_gets_the_newest_version_it_has_a_wheel_of(resolver: Resolver, index: Server) -> None:
    assert resolver.run(index.url, "late-arm") == 0
    assert [(c.version, c.marker) for c in resolver.lock().components] == [
        ("1.0", "platform_machine == 'aarch64'"),
        ("2.0", "platform_machine == 'x86_64'"),
    ]


def test_a_withdrawn_version_is_for_those_who_name_it(resolver: Resolver, index: Server) -> None:
    """PEP 592: a file that was yanked counts where a requirement pins just its version."""
    index.yanked["alpha-2.0-py3-none-any.whl"] = "it loses data"
    assert resolver.run(index.url, "alpha") == 0
    assert [c.version for c in resolver.lock().components] == ["1.0"]
    assert "yanked" not in resolver.stderr
    assert resolver.run(index.url, "alpha==2.0") == 0
    assert [c.version for c in resolver.lock().components] == ["2.0"]
    assert "yanked" in resolver.stderr
    assert "it loses data" in resolver.stderr


def test_conditions_stay_with_what_they_bring(resolver: Resolver, index: Server) -> None:
    platforms: Conditions = (("accelerator", ("cuda", "none")), *_PROMISE)
    cuda, none = (("accelerator", ("cuda",)),), (("accelerator", ("none",)),)
    asked = [("alpha==2.0", cuda), ("alpha==1.0", none), ("gamma", cuda), ("py312", (("python", ("3.12",)),))]
    assert resolver.run(index.url, *asked, ("amd-only", (("arch", ("amd64",)),)), platforms=platforms) == 0
    assert [(c.name, c.version, c.marker) for c in resolver.lock().components] == [
        ("alpha", "1.0", "'accelerator=none' in extras"),
        ("alpha", "2.0", "'accelerator=cuda' in extras"),
        ("amd-only", "1.0", "platform_machine == 'x86_64'"),
        ("delta-dots", "1.0", "'accelerator=cuda' in extras"),
        ("gamma", "1.0", "'accelerator=cuda' in extras"),
    ]


def test_a_patch_release_of_python_can_matter(resolver: Resolver, index: Server) -> None:
    assert resolver.run(index.url, "patchy") == 0
    assert resolver.lock().components[0].marker == "python_full_version < '3.11.3'"


def test_nothing_required_asks_nobody(resolver: Resolver, index: Server) -> None:
    assert resolver.run(index.url) == 0
    assert resolver.lock().components == ()
    assert not index.requests


_BAD = [
    (["nosuch"], 69, "no package index has `nosuch`", "check the spelling"),
    (["ghostly"], 69, "no package index has `ghost` (`ghostly` needs it)", "check the spelling"),
    (["alpha==9"], 65, "no version matches `alpha==9`", "pip index versions alpha"),
    (["beta", "gamma"], 65, "the requirements contradict each other", "relax one"),
    (["amd-only"], 78, "`amd-only==1.0` has no wheel for linux/arm64, Python 3.11", "PLATFORMS"),
    (["py312"], 78, "`py312==1.0` has no wheel for linux/", "PLATFORMS"),
    (["a b"], 65, "`a b` is no Python requirement", "PEP 508"),
]


@pytest.mark.parametrize(("asked", "code", "message", "hint"), _BAD, ids=[row[0][0] for row in _BAD])
def test_bad_requirements(
    resolver: Resolver, index: Server, asked: list[str], code: int, message: str, hint: str
) -> None:
    assert resolver.run(index.url, *asked) == code
    error, _, way_out = resolver.stderr.partition("\nhint: ")
    assert error.startswith("error: ")
    assert message in error
    assert hint in way_out
    assert not list((resolver.folder / "out").iterdir())


_FAULTS = [
    ("simple", Fault("status", status=503), "answers 503 Service Unavailable"),
    ("simple", Fault("status", status=403), "refuses a request without credentials: 403 Forbidden"),
    ("simple", Fault("close"), "can't be reached"),
    ("simple", Fault("truncate"), "can't be reached: its answer breaks off"),
    ("simple", Fault("corrupt"), "does not answer as a package index"),
    ("metadata", Fault("corrupt"), "the metadata of `alpha` can't be read"),
    ("simple", Fault("hang", seconds=9), "it does not answer in time"),
]


@pytest.mark.parametrize(("path", "fault", "message"), _FAULTS, ids=[row[1].kind + row[0] for row in _FAULTS])
def test_an_index_in_trouble(
    resolver: Resolver, index: Server, path: str, fault: Fault, message: str
) -> None:
    index.fail(path, fault)
    resolver.environ["UV_HTTP_TIMEOUT"] = "1"
    assert resolver.run(index.url, "alpha") == 69
    assert message in resolver.stderr
    assert "\nhint: " in resolver.stderr


def test_no_index_at_all(resolver: Resolver, wheels: Path) -> None:
    with Server(wheels) as gone:
        url = gone.url
    assert resolver.run(url, "alpha") == 69
    assert "can't be reached: connection refused" in resolver.stderr


def test_a_proxy_that_is_down_is_named(resolver: Resolver) -> None:
    resolver.environ |= {"HTTPS_PROXY": "http://me:hush@127.0.0.1:1"}
    assert resolver.run("https://index.invalid/simple", "alpha") == 69
    assert "the proxy does not let it through" in resolver.stderr
    assert "`HTTPS_PROXY` is set" in resolver.stderr
    assert "hush" not in resolver.stderr


@pytest.mark.parametrize(
    ("password", "code", "message"),
    [
        ("hush", 0, "locked 1 components"),
        ("wrong", 69, "refuses the credentials given: 401"),
        ("", 69, "refuses a request without credentials: 401"),
    ],
)
def test_a_private_index(resolver: Resolver, wheels: Path, password: str, code: int, message: str) -> None:
    with Server(wheels, user="me", password="hush") as index:
        if password:
            netrc = resolver.folder / "netrc"
            netrc.write_text(f"machine 127.0.0.1 login me password {password}\n")
            netrc.chmod(stat.S_IRUSR)
            resolver.environ["NETRC"] = str(netrc)
        assert resolver.run(index.url, "alpha") == code
    assert message in resolver.stderr
    assert not password or password not in resolver.stderr
    if code == 0:
        assert b"hush" not in resolver.data()
    else:
        assert "cir_netrc" in resolver.stderr


def test_what_uv_warns_of_is_said(resolver: Resolver, wheels: Path) -> None:
    """A misspelt extra would be missing at the start only. Warnings about this machine's Python are nobody's."""
    with Server(wheels) as index:
        assert resolver.run(index.url, "alpha[parqet]") == 0
    assert "does not have an extra named `parqet`" in resolver.stderr
    assert "will be used" not in resolver.stderr


def test_of_two_logins_for_a_host_the_last_counts(resolver: Resolver, wheels: Path) -> None:
    """So `cir` puts those of addresses after those of the user's file."""
    netrc = resolver.folder / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password old\n\nmachine 127.0.0.1 login me password hush\n")
    netrc.chmod(stat.S_IRUSR)
    resolver.environ["NETRC"] = str(netrc)
    with Server(wheels, user="me", password="hush") as index:
        assert resolver.run(index.url, "alpha") == 0, resolver.stderr


@pytest.mark.parametrize("asked", [["gamma"], ["late-arm", "patchy"], ["beta"]])
def test_an_index_whose_answers_may_not_be_kept(resolver: Resolver, wheels: Path, asked: list[str]) -> None:
    """The lock is the one that an index without such a rule gives."""
    with Server(wheels) as index:
        assert resolver.run(index.url, *asked) == 0
        usual = resolver.lock()
    with Server(wheels, port=index.port, headers={"Cache-Control": "no-store"}) as strict:
        assert resolver.run(strict.url, *asked) == 0, resolver.stderr
    assert resolver.lock() == usual


def test_the_second_answer_is_held_to_the_first(tmp_path: Path) -> None:
    """An index that may not be cached has a new version, with no dependency, by the time it is asked again."""
    first, later = tmp_path / "first", tmp_path / "later"
    for folder in (first, later):
        folder.mkdir()
        Wheel("alpha", "1.0").write(folder)
        Wheel("beta", "1.0", requires=("alpha",)).write(folder)
    Wheel("beta", "2.0").write(later)
    resolver = Resolver(tmp_path)
    with Server(first, headers={"Cache-Control": "no-store"}) as index:
        program = tmp_path / "bin" / "uv"
        program.parent.mkdir()
        change = f"[ -e pins.txt ] && mv {later}/beta-2.0-* {first}"
        program.write_text(f'#!/bin/sh\n{change}\nexec {find_uv(os.environ)} "$@"\n')
        program.chmod(0o755)
        resolver.environ["PATH"] = f"{program.parent}:{os.environ['PATH']}"
        assert resolver.run(index.url, "beta") == 0, resolver.stderr
    found = [(c.name, c.version, c.dependencies) for c in resolver.lock().components]
    assert found == [("alpha", "1.0", ()), ("beta", "1.0", ("alpha",))]
    assert not list(later.glob("beta-2.0-*")), "the index did change"


def test_a_private_certificate_authority(resolver: Resolver, wheels: Path) -> None:
    made = make_certificate(resolver.folder, "127.0.0.1")
    with Server(wheels, tls=made.pair) as index:
        assert resolver.run(index.url, "alpha") == 69
        assert "the certificate of `127.0.0.1:" in resolver.stderr
        assert "cir_ca" in resolver.stderr
        resolver.environ["SSL_CERT_FILE"] = str(made.ca)
        assert resolver.run(index.url, "alpha") == 0


def test_settings_of_the_machine_do_not_leak_in(resolver: Resolver, index: Server, tmp_path: Path) -> None:
    home = tmp_path / "home"
    for place in (home / ".config" / "uv", home / "uv"):
        place.mkdir(parents=True)
        (place / "uv.toml").write_text('index-url = "http://127.0.0.1:1/simple"\nresolution = "lowest"\n')
    resolver.environ |= {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "UV_RESOLUTION": "lowest",
        "UV_INDEX_URL": "http://127.0.0.1:1/simple",
        "UV_EXCLUDE_NEWER": "2001-01-01",
        "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
        "UV_CONSTRAINT": "/nonexistent",
    }
    assert resolver.run(index.url, "alpha") == 0
    assert resolver.lock().components[0].version == "2.0"


def test_same_bytes_whatever_order_and_hash_seed(resolver: Resolver, index: Server) -> None:
    asked = ["gamma", "late-arm", "patchy", "gamma"]
    answers = set()
    for seed, order in ((0, asked), (1, asked[::-1]), (4711, sorted(asked))):
        resolver.environ["PYTHONHASHSEED"] = str(seed)
        assert resolver.run(index.url, *order) == 0
        answers.add(resolver.data())
    assert len(answers) == 1


@pytest.mark.parametrize(("content", "message"), [(b"{}", "it has no `cir` field"), (b"\xff", "is not JSON")])
def test_a_question_that_is_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "question").write_bytes(content)
    result = subprocess.run(
        [sys.executable, "-m", "cirfile.resolver", str(tmp_path / "question"), str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 65
    assert message in result.stderr


def test_usage() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "cirfile.resolver"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (64, "usage: python -m cirfile.resolver QUESTION OUTDIR\n")
