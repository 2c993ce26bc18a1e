"""`cir plan` and `cir sbom`: a Cirfile in words, an image without running it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cirfile.lock import Artifact, Component
from cirfile.manifest import Manifest, Pin, Requirement
from tests.cli.conftest import LOCK, Cir, our_image

_CIRFILE = """FROM debian:12-slim
ARG WHO=world
REQUIRE pypi alpha>=1 beta
REQUIRE --when=accelerator=cuda pypi cupy
PLATFORMS arch=amd64 accelerator=none,cuda
WORKDIR /app
COPY main.py ./
USER 1000
ENTRYPOINT ["python", "main.py"]
CMD ["${WHO}"]
"""
_PLAN = """base       debian:12-slim for linux/amd64
files      folder /app
           main.py -> /app/
requires   pypi alpha>=1
           pypi beta
           pypi cupy when accelerator=cuda
platforms  accelerator=none,cuda arch=amd64
pin        lock
starts     python main.py ${WHO}
as         1000
in         /app
"""
_NOTE = (
    "note: what the base debian:12-slim sets (Python, indexes) is left out here: debian:12-slim: not found\n"
)


def test_a_cirfile_in_words(cir: Cir) -> None:
    cir.write("Cirfile", _CIRFILE)
    for words in ([], ["."], ["Cirfile"], ["-f", "Cirfile"]):
        done = cir("plan", *words, "--platform", "linux/amd64")
        assert (done.returncode, done.stdout, done.stderr) == (0, _PLAN, _NOTE)


def test_the_base_tells_its_python(cir: Cir) -> None:
    cir.write("Cirfile", _CIRFILE)
    config = {"config": {"Env": ["PYTHON_VERSION=3.12.4"], "WorkingDir": "/"}}
    (cir.state / "imagetools").write_text(json.dumps({"linux/amd64": config, "linux/arm64": {}}))
    done = cir("plan", "--json", "--platform", "linux/amd64")
    assert done.stderr == ""
    assert json.loads(done.stdout)["manifest"]["platforms"]["python"] == ["3.12"]
    assert json.loads(done.stdout)["platform"] == "linux/amd64"


def test_the_base_of_another_platform_tells_its_python(cir: Cir) -> None:
    cir.write("Cirfile", _CIRFILE.replace("FROM ", "FROM --platform=linux/amd64 ", 1))
    images = {
        f"linux/{name}": {"config": {"Env": [f"PYTHON_VERSION={version}"]}}
        for name, version in (("amd64", "3.12.4"), ("arm64", "3.11.9"))
    }
    (cir.state / "imagetools").write_text(json.dumps(images))
    done = cir("plan", "--json", "--platform", "linux/arm64")
    assert done.stderr == ""
    assert json.loads(done.stdout)["manifest"]["platforms"]["python"] == ["3.12"]


def test_a_mistake_is_drawn(cir: Cir) -> None:
    cir.write("Cirfile", "FROM debian:12\nRUN pip install x\n")
    done = cir("plan")
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr.startswith("Cirfile:2:1: error: ")
    assert ">>> 2 | RUN pip install x" in done.stderr


def test_an_image_on_a_platform(cir: Cir) -> None:
    cir.image("app", our_image())
    done = cir("plan", "--platform", "linux/amd64", "app")
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()][2:] == [
        ["component", "version", "bytes", "artifact", "why"],
        ["alpha", "1.0", "26", "kB", "alpha-1.0-py3-none-any.whl", *["the", "only", "one", "that", "fits"]],
        [
            *("beta", "1.0", "46", "kB", "beta-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"),
            *["the", "most", "specific", "of", "2", "that", "fit"],
        ],
    ]
    assert done.stdout.startswith("app on linux/amd64 (glibc), Python 3.11: 2 components, 72 kB to fetch\n")
    assert {call[0] for call in cir.calls()} == {"image", "create", "cp", "rm"}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--platform", "linux/amd64"], ["alpha", "beta"]),
        (["--platform", "arm64"], ["alpha", "beta", "old"]),
        (["--platform", "linux/amd64", "--fact", "accelerator=cuda"], ["alpha", "beta", "cupy"]),
        (["--platform", "linux/amd64", "--fact", "accelerator=cuda:13.0"], ["alpha", "beta", "cupy"]),
        (["--platform", "linux/amd64", "--libc", "musl"], ["alpha", "beta"]),
    ],
)
def test_json_of_an_image(cir: Cir, words: list[str], names: list[str]) -> None:
    cir.image("app", our_image())
    answer = json.loads(cir("plan", "--json", *words, "app").stdout)
    assert [one["name"] for one in answer["components"]] == names
    assert answer["bytes"] == sum(one["size"] for one in answer["components"])
    assert answer["elsewhere"] == [{"ecosystem": "deb", "requirement": "libgomp1"}]


def test_why_tells_what_was_passed_over(cir: Cir) -> None:
    cir.image("app", our_image())
    shown = cir("plan", "--why", "--platform", "linux/amd64", "app").stdout
    for name, reason in (
        ("manylinux_2_17_x86_64", "less specific"),
        ("manylinux_2_17_aarch64", "for another architecture"),
        ("musllinux_1_2_x86_64", "for another libc"),
    ):
        assert any(
            f"not beta-1.0-cp311-cp311-{name}" in line and reason in line for line in shown.splitlines()
        )


def test_an_image_for_another_platform_is_asked_for_by_it(cir: Cir) -> None:
    cir.image("app", our_image())
    assert cir("plan", "--platform", "linux/arm64", "app").returncode == 0
    created = [call for call in cir.calls() if call[0] == "create"]
    never = "--pull=never"
    assert created == [["create", never, "--platform", "linux/arm64", "app"], ["create", never, "app"]]
    assert not [call for call in cir.calls() if call[0] == "pull"], (
        "a name of this machine may be a stranger's elsewhere"
    )
    cir("plan", "--platform", "linux/arm64", "elsewhere")
    assert ["pull", "--quiet", "--platform", "linux/arm64", "elsewhere"] in cir.calls()


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--platform", "linux/s390x"], 78, "app does not promise arch=s390x, but arch=amd64,arm64"),
        (["--python", "3.12"], 78, "app does not promise python=3.12"),
        (
            ["--platform", "linux/arm64", "--libc", "musl"],
            78,
            "nothing fits linux/arm64 (musl), Python 3.11: beta 1.0",
        ),
        (["--python", "three"], 64, "--python three is no minor version"),
        (["--platform", "a/b/c/d"], 64, "`a/b/c/d` is not a platform"),
        (["--fact", "x"], 64, "--fact x: the value is missing"),
    ],
)
def test_what_an_image_can_not_do(cir: Cir, words: list[str], status: int, message: str) -> None:
    cir.image("app", our_image())
    done = cir("plan", *words, "app")
    assert done.returncode == status
    assert done.stderr.startswith(f"error: {message}")


def test_a_spoilt_image(cir: Cir) -> None:
    cir.image("app", our_image(spoil=True))
    done = cir("plan", "app")
    assert done.returncode == 65
    assert "is not what the manifest says" in done.stderr


def test_an_image_without_requirements(cir: Cir) -> None:
    cir.image("app", our_image(manifest=Manifest()))
    assert cir("plan", "app").stdout == "app requires nothing: it starts at once on every platform\n"


def test_here_asks_the_shim(cir: Cir) -> None:
    cir.image("app", our_image())
    assert cir("plan", "--here", "--json", "app").returncode == 0
    assert cir.shown(" ".join(cir.calls()[-1])) == (
        "run --rm --no-healthcheck --env CIR_MODE=plan --env CIR_LOG=json --volume FOLDER/ca.crt:/run/cir/ca.crt:ro "
        "--env SSL_CERT_FILE=/run/cir/ca.crt app"
    )


def test_here_has_the_settings_of_this_machine_and_no_login(cir: Cir) -> None:
    cir.image("app", our_image())
    cir.write(".netrc", "machine a.test login me password hush\n")
    cir.environ |= {"https_proxy": "http://p.test", "UV_INDEX": "https://me:hush@a.test/s"}
    assert cir("plan", "--here", "app").returncode == 0
    words = " ".join(cir.calls()[-1])
    assert "--env https_proxy --env CIR_UV_INDEX=https://a.test/s app" in words
    assert "netrc" not in words


def test_a_requirements_file_that_links_in_a_circle(cir: Cir) -> None:
    cir.write("Cirfile", "FROM scratch\nREQUIRE pypi -r r.txt\n")
    (cir.folder / "r.txt").symlink_to("r.txt")
    done = cir("plan")
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr.startswith("Cirfile:2:17: error: ")
    assert "r.txt" in done.stderr.splitlines()[0]


@pytest.mark.parametrize("where", ["./nowhere", "/nowhere"])
def test_a_path_that_is_not_there(cir: Cir, where: str) -> None:
    done = cir("plan", where)
    assert (done.returncode, cir.calls()) == (64, [])
    assert done.stderr.startswith(f"error: there is no {where}")


def test_bills_of_materials(cir: Cir) -> None:
    cir.image("app", our_image())
    cyclonedx = json.loads(cir("sbom", "app").stdout)
    assert [part["purl"] for part in cyclonedx["components"]][:2] == [
        "pkg:pypi/alpha@1.0",
        "pkg:pypi/beta@1.0",
    ]
    assert cyclonedx["dependencies"][0] == {"ref": "pkg:pypi/alpha@1.0", "dependsOn": ["pkg:pypi/beta@1.0"]}
    spdx = json.loads(cir("sbom", "--format", "spdx", "app").stdout)
    assert {package["name"] for package in spdx["packages"]} == {"alpha", "beta", "cupy", "old"}
    assert cir("sbom", "app").stdout == cir("sbom", "app").stdout


@pytest.mark.parametrize("mode", ["latest", "as-of"])
def test_an_image_that_is_resolved_at_deployment_has_no_list(cir: Cir, mode: str) -> None:
    """An empty one would say that it needs nothing."""
    manifest = Manifest(
        (Requirement("pypi", "alpha"),), pin=Pin(mode, "2026-01-01" if mode == "as-of" else "")
    )
    cir.image("app", our_image(manifest))
    answer = json.loads(cir("plan", "--json", "app").stdout)
    assert (answer["pin"], answer["bytes"], answer["components"]) == (mode, None, None)
    done = cir("sbom", "app")
    assert (done.returncode, done.stdout) == (64, "")
    assert f"is resolved at deployment (PIN {mode})" in done.stderr


@pytest.mark.parametrize(
    "spoilt",
    [
        replace(LOCK.components[0], marker="os_name ==="),
        replace(LOCK.components[0], artifacts=(Artifact("x", "https://x.test/x", "0" * 64, 1),)),
    ],
)
def test_a_lock_that_nothing_can_be_chosen_from(cir: Cir, spoilt: Component) -> None:
    cir.image("app", our_image(lock=replace(LOCK, components=(spoilt,))))
    done = cir("plan", "app")
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr.startswith("error: the lock of app cannot be read: ")
