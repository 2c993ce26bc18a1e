"""`cir run` and `cir materialize`: two containers, one store, and the words of `docker run`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirfile.cli.errors import CliError
from cirfile.cli.run import separate, split
from tests.cli.conftest import Cir, FakeImage, our_image


@pytest.mark.parametrize(
    ("words", "image", "command"),
    [
        ("img", "img", ""),
        ("img -x --y z", "img", "-x --y z"),
        ("--rm -it img a", "img", "a"),
        ("-p 80:80 -e A=b img", "img", ""),
        ("-p80:80 -eA=b img", "img", ""),
        ("-dp 80:80 img", "img", ""),
        ("--name x --read-only --tmpfs /tmp img", "img", ""),
        ("--name=x --env=A=b img sh", "img", "sh"),
        ("-u 0:0 -w /x --entrypoint sh img -c true", "img", "-c true"),
        ("-- img --rm", "img", "--rm"),
        ("--rm=true --gpus all img", "img", ""),
    ],
)
def test_the_image_is_found_among_the_words(words: str, image: str, command: str) -> None:
    found = split(words.split())
    assert (found.image, " ".join(found.command)) == (image, command)


@given(
    st.lists(st.sampled_from(["--rm", "-it", "-p 1:2", "--name=x", "-e A=b", "--net host", "-P", "-dp 1:1"])),
    st.lists(st.sampled_from(["a", "-b", "--c", "--rm", "img2"])),
)
def test_no_word_is_lost(options: list[str], command: list[str]) -> None:
    words = [*" ".join(options).split(), "image", *command]
    found = split(words)
    assert [*found.all_options(), found.image, *found.command] == words
    assert found.image == "image"


@pytest.mark.parametrize("words", [[], ["--rm"], ["-p", "80:80"]])
def test_without_an_image(words: list[str]) -> None:
    with pytest.raises(CliError, match="no image is named"):
        split(words)


def test_our_options_come_first() -> None:
    assert separate(["--store", "s", "--dry-run", "--rm", "img", "--store", "x"]) == (
        ["--store", "s", "--dry-run"],
        ["--rm", "img", "--store", "x"],
    )


def test_the_store_is_writable_for_the_assembly_only(cir: Cir) -> None:
    cir.image("app", our_image())
    cir.environ |= {"https_proxy": "http://u:hush@p.test", "FAKE_STATUS": "7"}
    cir.write(".netrc", "machine a.test login me password hush\n")
    done = cir("run", "--rm", "-v", "/data:/data", "--network", "mine", "-u", "5", "app", "--trees", "3")
    assert (done.returncode, done.stdout) == (7, "")
    inspect, assembly, start = cir.calls()
    assert inspect == ["image", "inspect", "app"]
    words = cir.shown(" ".join(assembly))
    assert words == (
        "run --rm --user 0:0 --no-healthcheck --volume cir-store:/var/lib/cir --env CIR_MODE=materialize "
        "--volume FOLDER/ca.crt:/run/cir/ca.crt:ro --env SSL_CERT_FILE=/run/cir/ca.crt --env https_proxy "
        "--volume FOLDER/.netrc:/run/cir/netrc:ro --env NETRC=/run/cir/netrc --network mine app"
    )
    assert cir.shown(" ".join(start)) == (
        "run --volume cir-store:/var/lib/cir:ro --volume FOLDER/ca.crt:/run/cir/ca.crt:ro "
        "--env SSL_CERT_FILE=/run/cir/ca.crt --env https_proxy "
        "--rm -v /data:/data --network mine -u 5 app --trees 3"
    )


def test_what_the_user_sets_is_left_alone(cir: Cir) -> None:
    cir.image("app", our_image())
    assert cir("run", "-e", "SSL_CERT_FILE=/mine", "--network=none", "app").returncode == 0
    assembly, start = cir.calls()[1:]
    assert "--network=none" not in assembly
    assert cir.shown(" ".join(start)) == (
        "run --volume cir-store:/var/lib/cir:ro -e SSL_CERT_FILE=/mine --network=none app"
    )


@pytest.mark.parametrize("option", [("--gpus", "all"), ("--gpus=all",), ("--runtime=nvidia",)], ids=" ".join)
def test_the_assembly_sees_the_same_machine(option: tuple[str, ...], cir: Cir) -> None:
    """What an accelerator shows to one container, it shows to the other."""
    cir.image("app", our_image())
    assert cir("run", *option, "app").returncode == 0
    for call in cir.calls()[1:]:
        assert " ".join(option) in " ".join(call)


def test_no_application_after_a_failed_assembly(cir: Cir) -> None:
    cir.image("app", our_image())
    cir.environ["FAKE_ASSEMBLY"] = "69"
    assert cir("run", "app").returncode == 69
    assert len(cir.calls()) == 2


def test_dry_run_starts_nothing(cir: Cir) -> None:
    done = cir("run", "--store", "/srv/cir", "--no-forward", "--dry-run", "--rm", "app")
    assert done.stdout == (
        "docker run --rm --user 0:0 --no-healthcheck --volume /srv/cir:/var/lib/cir "
        "--env CIR_MODE=materialize app\n"
        "docker run --volume /srv/cir:/var/lib/cir:ro --rm app\n"
    )
    assert cir.calls() == []


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        ("-e CIR_OFFLINE=1", "--env CIR_OFFLINE=1"),
        ("--env CIR_TIMEOUT=60 -it", "--env CIR_TIMEOUT=60"),
        ("--env=CIR_ACCELERATOR=none", "--env CIR_ACCELERATOR=none"),
        ("-eCIR_LOG", "--env CIR_LOG"),
        ("-ite CIR_LOG=quiet", "--env CIR_LOG=quiet"),
        ("-ieCIR_LOG=quiet", "--env CIR_LOG=quiet"),
        ("-e=CIR_LOG=quiet", "--env CIR_LOG=quiet"),
        ("-e UV_INDEX=https://m.test/s", "--env UV_INDEX=https://m.test/s"),
        ("-e PIP_EXTRA_INDEX_URL -e https_proxy=", "--env PIP_EXTRA_INDEX_URL --env https_proxy="),
        ("-e UV_INDEX_MY_PASSWORD", "--env UV_INDEX_MY_PASSWORD"),
        ("-e CIR_MODE=run -e CIR_STORE=/x --env-file f", ""),
        ("-e TOKEN=hush --env=XCIR_LOG=1 -e UV_INDEX_X=1 --label CIR_LOG=1 -p CIR_LOG -u e", ""),
    ],
)
def test_settings_of_the_shim_reach_the_assembly(cir: Cir, words: str, passed: str) -> None:
    cir.environ |= {"UV_DEFAULT_INDEX": "https://ours.test/s"}
    assembly, start = cir("run", "--dry-run", *words.split(), "app").stdout.splitlines()
    assert assembly.endswith(
        " ".join(("--env UV_DEFAULT_INDEX=https://ours.test/s", passed, "app")).replace("  ", " ")
    )
    assert start.endswith(f" {words} app")


@pytest.mark.parametrize(
    "name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "CIR_UV_DEFAULT_INDEX", "CIR_PIP_INDEX_URL"]
)
def test_an_index_that_the_user_names_does_not_lose_against_this_machines(cir: Cir, name: str) -> None:
    """Whatever the variables' names: uv and the shim read them in an order of their own."""
    cir.environ |= {"UV_DEFAULT_INDEX": "https://ours.test/s", "UV_INDEX": "https://extra.test/s"}
    lines = cir("run", "--dry-run", "-e", f"{name}=https://m.test/s", "app").stdout.splitlines()
    for line, extra in zip(lines, ("UV_INDEX", "CIR_UV_INDEX"), strict=True):
        assert "ours.test" not in line
        assert f"{name}=https://m.test/s" in line
        assert f"--env {extra}=https://extra.test/s" in line


@pytest.mark.parametrize("command", ["run", "materialize", "plan", "sbom"])
def test_images_of_others_are_not_started(cir: Cir, command: str) -> None:
    cir.image("debian", FakeImage({}, {}))
    done = cir(command, "debian")
    assert done.returncode == 65
    assert done.stderr.startswith("error: debian was not built from a Cirfile")
    assert not any(call[0] in ("run", "create") for call in cir.calls())


def test_an_image_that_does_not_exist(cir: Cir) -> None:
    done = cir("run", "--platform", "linux/arm64", "nowhere")
    assert done.returncode == 66
    assert done.stderr.startswith(
        "error: image nowhere: Error response from daemon: nowhere: not found\nhint: "
    )
    assert cir.calls()[-1] == ["pull", "--quiet", "--platform", "linux/arm64", "nowhere"]


def test_a_daemon_that_is_down(cir: Cir) -> None:
    (cir.state / "down").touch()
    done = cir("run", "app")
    assert done.returncode == 69
    assert done.stderr.startswith("error: Cannot connect to the Docker daemon")


def test_materialize(cir: Cir) -> None:
    cir.image("app", our_image())
    cir.environ["FAKE_ASSEMBLY"] = "75"
    assert cir("materialize", "--store", "s", "--platform", "linux/arm64", "app").returncode == 75
    assert cir.calls()[-1][-3:] == ["--platform", "linux/arm64", "app"]
    assert "s:/var/lib/cir" in cir.calls()[-1]
