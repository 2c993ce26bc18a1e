"""What the planner decides beyond the golden plans: arguments, targets, contexts, triggers, the base."""

from __future__ import annotations

import pytest

from cirfile.base_folders import Target, known_parent, why_base
from cirfile.errors import CirfileError
from cirfile.imageconfig import DEFAULT_PATH, ImageConfig
from cirfile.outline import Outline, outline, targets
from cirfile.parser import parse
from cirfile.plan import Copy, MakeFolder, Plan, Platform
from cirfile.planner import base, plan
from cirfile.request import Request
from cirfile.source import Source
from cirfile.syntax import Cirfile
from tests.cirfile.cases import plan_text


def read(text: str) -> Cirfile:
    return parse(Source("Cirfile", text))


def copies(made: Plan) -> list[Copy]:
    return [step for step in made.steps if isinstance(step, Copy)]


FILE = """
# BASE the image to stand on
ARG BASE=debian:12
# app the application
FROM $BASE AS app
# PORT where it listens
ARG PORT=80
ARG TARGETARCH
ARG SECRET_NAME
ENV HOST=h
ARG URL=http://$HOST:$PORT
REQUIRE pypi numpy
"""


def test_outline() -> None:
    found = outline(read(FILE), Request(build_args=(("PORT", "90"),)))
    assert (found.name, found.description) == ("app", "the application")
    assert [(one.name, one.value, one.description, one.span.line) for one in found.arguments] == [
        ("BASE", "debian:12", "the image to stand on", 3),
        ("PORT", "90", "where it listens", 7),
        ("SECRET_NAME", None, "", 9),
        ("URL", "http://h:90", "", 11),
    ]
    assert [secret.name for secret in found.secrets] == ["cir_netrc", "cir_ca"]


@pytest.mark.parametrize(
    "text", ["FROM scratch\n", "FROM a\nREQUIRE deb x1\n", "FROM a\nREQUIRE pypi x\nPIN latest\n"]
)
def test_secrets_are_for_the_lock_step(text: str) -> None:
    assert outline(read(text), Request()) == Outline("", "")


def test_outline_of_a_file_that_cannot_be_expanded() -> None:
    with pytest.raises(CirfileError, match=r"Cirfile:2:5"):
        outline(read("FROM a\nARG A=${\n"), Request())


def test_targets() -> None:
    (found,) = targets(read(FILE), Request())
    assert (found.name, found.default, found.base, found.span.line) == ("app", True, "$BASE", 5)


def test_base_is_known_before_its_configuration() -> None:
    text = "ARG V=1\nFROM --platform=$TARGETPLATFORM x:$V\nREQUIRE pypi -r missing.txt\n"
    found = base(read(text), Request(platform=Platform("linux", "arm64"), build_args=(("V", "2"),)))
    assert (found.reference, found.platform) == ("x:2", Platform("linux", "arm64"))


def test_target_by_any_case() -> None:
    assert plan(read("FROM a AS App\n"), Request(target="APP")).base.reference == "a"


@pytest.mark.parametrize("name", ["mycontext", "My Context", "UPPER"])
def test_named_contexts_have_any_name(name: str) -> None:
    made = plan_text(f'FROM scratch\nCOPY --from="{name}" a /b\n', named_contexts=frozenset({name}))
    assert copies(made)[0].origin == name


def test_origin_that_is_nothing() -> None:
    with pytest.raises(CirfileError, match="did you mean `Assets`"):
        plan_text("FROM scratch\nCOPY --from=Asets a /b\n", named_contexts=frozenset({"Assets"}))


def test_labels_of_the_request_win() -> None:
    made = plan_text("FROM scratch\nLABEL a=file b=file\n", labels=(("a", "$request"),))
    assert made.config.labels == (("a", "$request"), ("b", "file"))


def test_python_of_the_base_is_promised() -> None:
    config = ImageConfig(env=(("PYTHON_VERSION", "3.12.4"),))
    assert dict(plan_text("FROM a\n", base_config=config).manifest.platforms)["python"] == ("3.12",)
    text = "FROM a\nPLATFORMS python=3.11,3.12t\n"
    assert dict(plan_text(text, base_config=config).manifest.platforms)["python"] == ("3.11", "3.12t")
    assert "python" not in dict(plan_text("FROM a\n").manifest.platforms)


def test_python_of_the_base_is_what_the_base_says() -> None:
    """An `ENV` of the Cirfile changes no Python, and names none where the base does not."""
    config = ImageConfig(env=(("PYTHON_VERSION", "3.12.4"),))
    text = "FROM a\nENV PYTHON_VERSION=3.9\n"
    assert dict(plan_text(text, base_config=config).manifest.platforms)["python"] == ("3.12",)
    assert "python" not in dict(plan_text(text, base_config=ImageConfig()).manifest.platforms)
    assert "python" not in dict(plan_text("FROM scratch\nENV PYTHON_VERSION=3.9\n").manifest.platforms)


def test_python_that_is_not_promised() -> None:
    config = ImageConfig(env=(("PATH", "/usr/bin"), ("PYTHON_VERSION", "3.13.1")))
    text = "FROM a\nPLATFORMS arch=amd64 python=3.12,3.1\n"
    for line in ("", "ENV PYTHON_VERSION=3.12\n", "ENV A=$PATH\n"):
        with pytest.raises(CirfileError, match=r"Python 3\.13, which") as caught:
            plan_text(text + line, base_config=config)
        assert (caught.value.code, caught.value.span.line) == ("platform-not-promised", 2)
    plan_text(text + "ENV PATH=/opt/python/bin:$PATH\n", base_config=config)
    plan_text(text, base_config=ImageConfig())
    plan_text(text)


def test_an_image_is_for_the_platform_of_its_base() -> None:
    """`FROM --platform` decides it, and so what has to be promised; arguments speak of what is built for."""
    text = "FROM --platform=linux/amd64 a\nARG TARGETARCH\nENV B=$TARGETARCH\n"
    arm = Platform("linux", "arm64")
    made = plan_text(text + "PLATFORMS arch=amd64\n", platform=arm)
    assert made.platform == Platform("linux", "amd64")
    assert ("B", "arm64") in made.config.env
    with pytest.raises(CirfileError, match="built for `amd64`") as caught:
        plan_text(text + "PLATFORMS arch=arm64\n", platform=arm)
    assert "FROM --platform=linux/arm64" in caught.value.hint
    assert plan_text("FROM --platform=linux/amd64 scratch\n", platform=arm).platform == arm


def test_manifest_is_the_same_for_all_platforms() -> None:
    text = "FROM a\nARG TARGETARCH\nENV ARCH=$TARGETARCH\nREQUIRE pypi numpy\nSETUP make\n"
    made = [plan_text(text, platform=Platform("linux", arch)) for arch in ("amd64", "arm64")]
    assert made[0].manifest == made[1].manifest
    assert made[0].config != made[1].config


def test_path_of_a_base_without_one() -> None:
    made = plan_text("FROM a\nENV X=$PATH\n", base_config=ImageConfig(env=(("A", "1"),)))
    assert dict(made.config.env) == {"A": "1", "PATH": DEFAULT_PATH, "X": DEFAULT_PATH}


def test_triggers_of_the_base_come_first() -> None:
    config = ImageConfig(on_build=("ENV A=trigger", "COPY a /app/", "WORKDIR /app"))
    made = plan_text("FROM a\nENV A=own\n", base_config=config)
    assert dict(made.config.env)["A"] == "own"
    assert made.config.on_build == ()
    assert copies(made)[0].span.line == 1


@pytest.mark.parametrize("trigger", ["RUN make", "FROM x", "ONBUILD COPY a b", "COPY a", "", "A\nB"])
def test_triggers_that_cannot_be_done(trigger: str) -> None:
    with pytest.raises(CirfileError, match="ONBUILD"):
        plan_text("FROM a\n", base_config=ImageConfig(on_build=(trigger,)))


def test_arguments_do_not_reach_the_image() -> None:
    made = plan_text("FROM scratch\nARG A=1\nENV B=$A\n")
    assert [name for name, _ in made.config.env] == ["PATH", "B"]


def test_empty_volume_after_expansion() -> None:
    with pytest.raises(CirfileError, match="empty after expansion"):
        plan_text("FROM scratch\nVOLUME /a $NO\n")


def test_value_that_grows_by_replacing() -> None:
    text = "FROM scratch\nENV A=" + "a" * 2000 + "\nENV B=${A//a/" + "b" * 1000 + "}\n"
    with pytest.raises(CirfileError, match="grows beyond"):
        plan_text(text)


@pytest.mark.parametrize(
    "text", ["arch=amd64,amd64", "python=", "arch", "microarch=x86_64_v3", "libc=foo", "accelerator=cuda:"]
)
def test_malformed_facts(text: str) -> None:
    with pytest.raises(CirfileError):
        plan_text(f"FROM scratch\nPLATFORMS {text}\n")


@pytest.mark.parametrize(
    "text", ["accelerator=cuda:13.0,rocm:6.4,xpu", "python=3.14t", "microarch=x86-64-v4,armv9", "libc=musl"]
)
def test_facts(text: str) -> None:
    fact, _, values = text.partition("=")
    assert dict(plan_text(f"FROM scratch\nPLATFORMS {text}\n").manifest.platforms)[fact] == tuple(
        values.split(",")
    )


def target(path: str, source: str = "", is_file: bool = False) -> Target:
    return Target(path.rstrip("/") or "/", path.endswith("/"), source, is_file)


@pytest.mark.parametrize(
    "place",
    [
        target("/app"), target("/app/x/y/"), target("/opt/tool"), target("/mnt/x/"),
        target("/usr/local/bin/", "x"), target("/usr/local/bin/x"), target("/usr/local/share/mine/x"),
        target("/usr/local/etc/mine"), target("/usr/local/lib/mine.so"), target("/etc/app.conf"),
        target("/etc/", "app.toml"), target("/", "main.py"), target("/", "anything", is_file=True),
        target("/opt/", "run.sh"),
    ],
)  # fmt: skip
def test_places_that_do_not_need_the_base(place: Target) -> None:
    assert why_base(place, ImageConfig(working_dir="/")) == ""


@pytest.mark.parametrize(
    "place",
    [
        target("/"), target("/", "dir"), target("/", "."), target("/bin/x"), target("/lib/x"),
        target("/tmp/x"), target("/root/"), target("/var/lib/x"), target("/run/x"), target("/usr/bin/x"),
        target("/usr/local/sbin/x"), target("/usr/local"), target("/usr/local/lib/python3.11/x"),
        target("/usr/local/lib/R/x"), target("/usr/local/bin/sub/x"), target("/etc/resolv.conf"),
        target("/etc/ssl/x.conf"), target("/etc/profile"), target("/etc/", "conf.d"), target("/opt/conda/x"),
        target("/opt/", "dir"), target("/home/me/x"), target("/srv/www"), target("/proc/x"), target("/work"),
        target("/work/x"), target("/data/db/x"), target("/data"),
    ],
)  # fmt: skip
def test_places_that_need_the_base(place: Target) -> None:
    assert why_base(place, ImageConfig(working_dir="/work/here", volumes=("/data/db",))) != ""


SPARK = ImageConfig(
    env=(("PATH", "/usr/local/bin:/usr/bin:/venv/bin"), ("SPARK_HOME", "/opt/spark"), ("URL", "http://x/y")),
    working_dir="/opt/spark/work-dir",
    entrypoint=("/srv/run", "/tool/start.sh"),
)


@pytest.mark.parametrize(
    ("path", "needs"),
    [
        ("/opt/spark/jars/", True),
        ("/opt/spark", True),
        ("/opt/other/x", False),
        ("/venv/lib/x", True),
        ("/tool/x", True),
        ("/app/x", False),
        ("/usr/local/bin/x", False),
        ("/opt", True),
        ("/x/y", False),
    ],
)
def test_folders_that_the_base_tells_of_are_not_new(path: str, needs: bool) -> None:
    """Laid over the base, one of ours would take the place of its owner and mode, or of a link."""
    assert bool(why_base(target(path, "x.py"), SPARK)) == needs
    assert why_base(target("/opt/spark/jars/", "x.py"), ImageConfig(env=SPARK.env)) != ""


@pytest.mark.parametrize(
    ("path", "parent"),
    [
        ("/opt", "/opt"),
        ("/opt/x/y", "/opt"),
        ("/opt2", ""),
        ("/usr/local/bin/x", "/usr/local/bin"),
        ("/app", ""),
        ("/", ""),
    ],
)
def test_known_parents(path: str, parent: str) -> None:
    assert known_parent(path) == parent


def test_folders_of_the_base_stay_as_they_are() -> None:
    """With `--chown` the parents made on the way are the user's, but not those the base has."""
    made = plan_text("FROM a\nCOPY --chown=5 x /opt/tool/\n")
    assert [step.path for step in made.steps if isinstance(step, MakeFolder)] == ["/opt"]
    assert not made.reads_base


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        ("COPY --chown=app x /app/", True),
        ("COPY --chown=0:staff x /app/", True),
        ("COPY --chown=root:root x /app/", False),
        ("COPY --chown=5:6 x /app/", False),
        ("COPY --link x /usr/bin/", False),
        ("COPY --link --chmod=755 x /usr/bin/", True),
        ("USER app\nWORKDIR /app", True),
        ("USER app\nWORKDIR /", False),
        ("USER 5:6\nWORKDIR /app", False),
        ("USER root\nWORKDIR /app", False),
        ("WORKDIR /opt", False),
        ("WORKDIR /tmp", True),
    ],
)
def test_reading_the_base(line: str, reads: bool) -> None:
    made = plan_text(f"FROM a\n{line}\n")
    assert bool(made.reads_base) == reads
    assert len(made.reads_base) == len(made.trace.reads_base)
    assert plan_text(f"FROM scratch\n{line}\n").reads_base == ()


@pytest.mark.parametrize("text", ["[NaN]", "[1", '["a"] x', "[" * 3000])
def test_what_is_no_array_is_a_command_line(text: str) -> None:
    assert plan_text(f"FROM scratch\nCMD {text}\n").config.cmd == ("/bin/sh", "-c", text)


def test_array_with_half_a_pair() -> None:
    """JSON can write what is no text; it becomes the replacement character, as in the stock frontend."""
    assert plan_text('FROM scratch\nCMD ["\\ud800"]\n').config.cmd == ("\ufffd",)
