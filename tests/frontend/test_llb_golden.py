"""Our graphs against those the Go client marshalled: equal bytes, digests and metadata."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from frontend.llb import ops, state
from frontend.llb.marshal import digest, marshal
from frontend.proto import ops_pb2 as pb

GOLDEN = {
    vector["name"]: vector
    for vector in json.loads((Path(__file__).parents[2] / "testdata/llb/golden.json").read_text())
}
AMD64 = ops.Platform("linux", "amd64")
ALPINE = "docker.io/library/alpine:3.20"
PINNED = f"{ALPINE}@sha256:{'a' * 64}"
NANOSECONDS = 1700000000 * 10**9


def named(name: str) -> ops.Surroundings:
    return ops.Surroundings(name=name)


def context() -> ops.State:
    return state.local(
        "context",
        session="sess1",
        exclude=["node_modules", "!a/b"],
        shared_key="context",
        around=named("[internal] load build context"),
    )


def cirfile() -> ops.State:
    return state.local(
        "dockerfile",
        session="sess1",
        follow=["Cirfile", "Cirfile.dockerignore"],
        shared_key="dockerfile",
        resend=True,
        around=named("[internal] load build definition from Cirfile"),
    )


def ignore_file() -> ops.State:
    return state.local(
        "context",
        session="sess1",
        follow=[".dockerignore"],
        shared_key="context-.dockerignore",
        resend=True,
        around=named("[internal] load .dockerignore"),
    )


def alpine() -> ops.State:
    return state.image(PINNED, AMD64, "local", around=named("[base] FROM alpine"))


def chain() -> ops.State:
    return state.file(
        ops.SCRATCH,
        ops.Mkdir("/cir/x", 0o755, make_parents=True, timestamp=NANOSECONDS),
        ops.Mkfile("/cir/x/m.json", b"{}", 0o600, ops.Owner(0, 0), NANOSECONDS),
        ops.Symlink("m.json", "/cir/x/l", timestamp=NANOSECONDS),
        ops.Rm("/cir/none", allow_not_found=True),
    )


def copy_as_stock() -> ops.State:
    copy = ops.Copy(
        context(),
        "/src",
        "/app/",
        follow_symlink=True,
        contents_only=True,
        make_parents=True,
        wildcard=True,
        empty_wildcard=True,
    )
    return state.file(ops.SCRATCH, copy, around=named("[1/1] COPY src /app/"))


def copy_with_everything() -> ops.State:
    copy = ops.Copy(
        context(),
        "/",
        "/app",
        owner=ops.Owner(1000, 1000),
        mode=0o755,
        contents_only=True,
        make_parents=True,
        timestamp=NANOSECONDS,
        include=("**/*.py",),
        exclude=("tests",),
    )
    return state.file(ops.SCRATCH, copy)


def command() -> ops.State:
    exec_ = ops.Exec(
        args=("/bin/sh", "-c", "echo hi"),
        env=("A=b",),
        cwd="/w",
        mounts=(
            ops.Mount("/", alpine()),
            ops.Mount("/cache", cache="cid", locked=True),
            ops.Mount("/src", context(), readonly=True),
        ),
        secrets=(ops.Secret("tok", "/run/secrets/t", optional=True),),
        network=pb.NetMode.NONE,
    )
    return state.run(exec_, AMD64, "/")


def git() -> ops.State:
    attrs = {
        "git.authheadersecret": "GIT_AUTH_HEADER",
        "git.authtokensecret": "GIT_AUTH_TOKEN",
        "git.fullurl": "https://github.com/o/r.git",
    }
    return state.source("git://github.com/o/r.git#main:sub", attrs, {"source.git", "source.git.fullurl"})


def located() -> ops.State:
    source = ops.SourceFile("Cirfile", b"# syntax=x\nfoo\n", "Cirfile", marshal(cirfile()))
    around = ops.Surroundings(name="n", locations=(ops.Location(source, 2, 2),))
    return state.file(ops.SCRATCH, ops.Mkfile("/a", b"hi"), around=around)


def grouped() -> ops.State:
    around = ops.Surroundings(ignore_cache=True, group=ops.ProgressGroup("pg1", "group name"))
    return state.file(ops.SCRATCH, ops.Mkfile("/a", b"hi"), around=around)


CASES: dict[str, Callable[[], ops.State]] = {
    "local_context": context,
    "local_dockerfile": cirfile,
    "local_dockerignore": ignore_file,
    "scratch_mkfile": lambda: state.file(ops.SCRATCH, ops.Mkfile("/a", b"hi")),
    "scratch_chain": chain,
    "copy_dockerfile_style": copy_as_stock,
    "copy_chown_chmod_time": copy_with_everything,
    "image": alpine,
    "image_armv7": lambda: state.image(ALPINE, ops.Platform("linux", "arm", "v7")),
    "image_mkfile": lambda: state.file(alpine(), ops.Mkfile("/etc/cir", b"x")),
    "two_copies_one_fileop": lambda: state.file(
        ops.SCRATCH, ops.Copy(context(), "/a", "/a"), ops.Copy(alpine(), "/bin/sh", "/b")
    ),
    "merge": lambda: state.merge([alpine(), state.file(ops.SCRATCH, ops.Mkfile("/x", b"1"))]),
    "diff": lambda: _diff(alpine()),
    "exec": command,
    "http": lambda: state.http("https://example.com/f.txt", "f", f"sha256:{'a' * 64}", "0644"),
    "git": git,
    "sourcemap": located,
    "progressgroup_ignorecache": grouped,
}


def _diff(base: ops.State) -> ops.State:
    return state.diff(base, state.file(base, ops.Mkfile("/x", b"1")))


def test_every_golden_vector_has_a_case() -> None:
    assert set(CASES) == set(GOLDEN)


@pytest.mark.parametrize("name", CASES)
def test_operations_are_those_of_the_go_client(name: str) -> None:
    definition = marshal(CASES[name]())
    expected = [bytes.fromhex(op["hex"]) for op in GOLDEN[name]["ops"]]
    assert [data.hex() for data in definition.ops] == [data.hex() for data in expected]


@pytest.mark.parametrize("name", CASES)
def test_metadata_is_that_of_the_go_client(name: str) -> None:
    definition = marshal(CASES[name]())
    for op in GOLDEN[name]["ops"]:
        expected = pb.OpMetadata()
        json_format.ParseDict(op["metadata_protojson"], expected)
        assert definition.metadata[op["digest"]] == expected
    assert len(definition.metadata) == len(GOLDEN[name]["ops"])


def test_source_map_is_that_of_the_go_client() -> None:
    expected: dict[str, Any] = GOLDEN["sourcemap"]["source_protojson"]
    for info in expected["infos"]:
        info["definition"]["ops"] = info["definition"].pop("def")
    message = pb.Source()
    json_format.ParseDict(expected, message)
    assert marshal(located()).Source == message


def test_scratch_is_an_empty_definition() -> None:
    assert not marshal(ops.SCRATCH).ops


def test_a_foreign_graph_keeps_its_bytes() -> None:
    original = marshal(chain())
    again = marshal(state.file(state.foreign(original), ops.Mkfile("/n", b"")))
    assert list(again.ops)[: len(original.ops) - 1] == list(original.ops)[:-1]
    last = pb.Op.FromString(again.ops[-2])
    assert last.inputs[0].digest == digest(original.ops[-2])
    assert state.foreign(pb.Definition()) == ops.SCRATCH


def test_shared_vertices_are_written_once() -> None:
    base = alpine()
    twice = state.merge([state.file(base, ops.Mkfile("/a", b"")), state.file(base, ops.Mkfile("/b", b""))])
    assert len(marshal(twice).ops) == 5
