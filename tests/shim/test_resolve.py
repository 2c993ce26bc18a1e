"""`PIN as-of` and `PIN latest`: a program that plays uv, so that every answer can be had."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cirfile.manifest import Index, Manifest, Pin, Requirement
from tests.shim.root import Root, Start, artifact

FOUND = """\
lock-version = "1.0"
created-by = "uv"
[[packages]]
name = "{name}"
version = "{version}"
wheels = [{{ url = "http://127.0.0.1:9/{name}-{version}-{tag}.whl", hashes = {{ sha256 = "{sha256}" }} }}]
"""
PROGRAM = """\
#!/bin/sh
echo "$@" >> /work/calls; cat requirements.in constraints.txt >> /work/calls; env >> /work/calls
cat /work/answer; cat /work/talk >&2; exit $(cat /work/status)
"""


def image(root: Root, pin: Pin, *, status: int = 0, name: str = "alpha", version: str = "1.0", talk: str = "",
          tag: str = "py3-none-any") -> None:  # fmt: skip
    """An image that is resolved at deployment, and what uv will say."""
    work = root.folder / "work"
    sha256 = artifact(name, version).sha256
    (work / "answer").write_text(FOUND.format(name=name, version=version, sha256=sha256, tag=tag))
    (work / "talk").write_text(talk)
    (work / "status").write_text(f"{status}\n")
    (work / "uv").write_text(PROGRAM)
    only_cuda = (("accelerator", ("cuda",)),)
    root.image(
        Manifest(
            requirements=(Requirement("pypi", "alpha>=1"), Requirement("pypi", "cupy", only_cuda)),
            constraints=(Requirement("pypi", "beta<2"),),
            indexes=(Index("pypi", "http://127.0.0.1:9/own", "extra"),),
            pin=pin,
        )
    )


def calls(root: Root) -> str:
    path = root.folder / "work/calls"
    return path.read_text() if path.exists() else ""


def asked(root: Root) -> int:
    return calls(root).count("pip compile")


@pytest.mark.parametrize("pin", [Pin("as-of", "2026-11-20"), Pin("latest")])
def test_resolves_once_and_keeps_the_answer(root: Root, pin: Pin) -> None:
    image(root, pin)
    secret = {
        "AWS_SECRET": "s3cret",
        "PIP_INDEX_URL": "http://me:hu%40sh@127.0.0.1:9/pip",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    for _ in range(2):
        done = root.run("python3", "-c", "import alpha; print(alpha.NAME)", start=Start(environment=secret))
        assert (done.returncode, done.stdout) == (0, "alpha\n"), done.stderr
    said = calls(root)
    assert asked(root) == 1
    assert "alpha>=1\nbeta<2\n" in said
    assert "cupy" not in said
    assert ("--exclude-newer 2026-11-20T23:59:59Z" in said) == (pin.mode == "as-of")
    assert "UV_DEFAULT_INDEX=http://me:hu%40sh@127.0.0.1:9/pip\n" in said
    assert "UV_INDEX=http://127.0.0.1:9/own\n" in said
    assert "hu" not in next(line for line in said.splitlines() if "pip compile" in line), "argv is public"
    assert "HTTP_PROXY=http://127.0.0.1:9" in said
    assert "s3cret" not in said


def test_uv_is_told_what_fetching_uses(root: Root) -> None:
    """Credentials of a named index, netrc and authorities from pip's variables and from secrets."""
    secrets = root.folder / "run/secrets"
    secrets.mkdir(parents=True)
    (secrets / "cir_netrc").write_text("machine index login me password hush\n")
    (secrets / "cir_ca").write_text("-- company --\n")
    settings = {
        "UV_INDEX": "acme=https://index/acme https://other/simple",
        "UV_INDEX_ACME_USERNAME": "me",
        "UV_INDEX_ACME_PASSWORD": "p:w",
    }
    image(root, Pin("latest"))
    (root.folder / "work/uv").write_text(
        PROGRAM.replace("cat req", 'cat "$SSL_CERT_FILE" >> /work/trust; cat req')
    )
    assert root.run("hello", start=Start(environment=settings)).returncode == 0
    said = calls(root)
    assert "UV_INDEX=http://127.0.0.1:9/own https://me:p%3Aw@index/acme https://other/simple\n" in said
    assert "NETRC=/run/secrets/cir_netrc\n" in said
    assert "-- company --" in (root.folder / "work/trust").read_text()
    (root.folder / "work/ca.pem").write_text("-- named --\n")
    start = Start(environment={"PIP_CERT": "/work/ca.pem", "CIR_MODE": "materialize"})
    assert root.run("hello", start=start).returncode == 0
    assert "SSL_CERT_FILE=/work/ca.pem\n" in calls(root)


def test_every_choice_of_indexes_has_its_own_answer(root: Root) -> None:
    """Credentials are no choice: whoever changes a password does not ask again."""
    image(root, Pin("latest"))
    choices = [
        {},
        {"PIP_INDEX_URL": "http://127.0.0.1:9/one"},
        {"PIP_INDEX_URL": "http://me:hush@127.0.0.1:9/one"},
        {"UV_INDEX": "own=http://me:hush@127.0.0.1:9/one"},
        {"UV_INDEX": "own=http://127.0.0.1:9/two?token=hush"},
        {
            "CIR_PIP_INDEX_URL": "http://127.0.0.1:9/one",
            "PIP_INDEX_URL": "http://127.0.0.1:9/the-application's",
        },
    ]
    numbers = []
    for environment in choices * 2:
        assert root.run("hello", start=Start(environment=environment)).returncode == 0
        numbers.append(asked(root))
    assert numbers == [1, 2, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4]


def test_indexes_for_the_shim_alone(root: Root) -> None:
    """They count instead of what the application has."""
    image(root, Pin("latest"))
    given = {"CIR_UV_DEFAULT_INDEX": "http://127.0.0.1:9/shim", "UV_DEFAULT_INDEX": "http://127.0.0.1:9/app"}
    assert root.run("hello", start=Start(environment=given)).returncode == 0
    assert "UV_DEFAULT_INDEX=http://127.0.0.1:9/shim\n" in calls(root)


def test_answer_outlives_the_layer_and_works_offline(root: Root) -> None:
    image(root, Pin("latest"))
    root.run("/bin/true")
    for path in (root.folder / "var/lib/cir/active").iterdir():
        if path.suffix != ".lock":
            path.unlink()
    assert root.run("hello", start=Start(environment={"CIR_OFFLINE": "1"})).returncode == 0
    assert asked(root) == 1


def test_materialize_asks_again_for_latest_only(root: Root) -> None:
    materialize = Start(environment={"CIR_MODE": "materialize"})
    for pin, times in ((Pin("as-of", "2026-01-01"), 1), (Pin("latest"), 3)):
        image(root, pin)
        root.run("/bin/true")
        image(root, pin, version="2.0")
        assert root.run(start=materialize).returncode == 0
        assert asked(root) == times
    assert "alpha 2.0" in root.run(start=Start(environment={"CIR_MODE": "plan"})).stdout


def test_ten_starts_ask_once(root: Root) -> None:
    image(root, Pin("latest"))
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: root.run("hello"), range(10)))
    assert [d.stdout for d in done] == ["script /.cir/run/layer\n"] * 10, done
    assert asked(root) == 1


def test_offline_without_an_answer(root: Root) -> None:
    image(root, Pin("latest"))
    done = root.run("hello", start=Start(environment={"CIR_OFFLINE": "1"}))
    assert (done.returncode, done.stdout) == (69, "")
    assert "CIR_OFFLINE" in done.stderr


@pytest.mark.parametrize(
    ("talk", "code"),
    [
        ("error: Failed to fetch: `https://me:hush@index/alpha/`\n  Caused by: timed out", 69),
        (
            "  \u00d7 No solution found when resolving:\n  ╰─▶ alpha was not found, unsatisfiable",
            69,
        ),
        (
            "  \u00d7 No solution found\n  ╰─▶ alpha>2 and alpha<1, so they are unsatisfiable.",
            65,
        ),
    ],
)
def test_no_answer(root: Root, talk: str, code: int) -> None:
    image(root, Pin("latest"), status=1, talk=talk)
    done = root.run("hello")
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr
    assert "cannot be resolved: " in done.stderr
    image(root, Pin("latest"))
    assert root.run("hello").returncode == 0
    assert [p for n in ("tmp", "claims", "trash") for p in (root.folder / "var/lib/cir" / n).iterdir()] == []


def test_no_build_for_this_machine(root: Root) -> None:
    image(root, Pin("latest"), tag="cp311-cp311-macosx_11_0_arm64")
    done = root.run("hello")
    assert (done.returncode, done.stdout) == (78, "")
    assert "alpha" in done.stderr
