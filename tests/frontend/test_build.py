"""Whole builds against a server in small: what is asked, in which order, and what is handed back."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from frontend.proto import gateway_pb2 as gw
from frontend.proto import ops_pb2 as pb
from frontend.proto import status_pb2
from tests.frontend.conftest import Run
from tests.frontend.fakeserver import NEW_LLB, OLD_FRONTEND, OLD_LLB, ROOT, SHIM, Server, graph

TWO = {"platform": "linux/amd64,linux/arm64"}


def result(server: Server) -> gw.Result:
    assert len(server.returned) == 1, "exactly one return"
    assert not server.returned[0].error.message, server.returned[0].error.message
    return server.returned[0].result


def error(server: Server) -> status_pb2.Status:
    assert len(server.returned) == 1, "exactly one return"
    assert server.returned[0].error.message
    return server.returned[0].error


def sources(server: Server) -> list[pb.SourceOp]:
    return [op.source for solve in server.solves for op in graph(solve) if op.WhichOneof("op") == "source"]


def final(server: Server) -> list[pb.Op]:
    return graph(server.solves[-1])


def kinds(ops: list[pb.Op]) -> list[str]:
    return [str(op.WhichOneof("op")) for op in ops]


def test_one_platform(server: Server, frontend: Run) -> None:
    assert frontend().status == 0
    returned = result(server)
    assert returned.ref.id == str(len(server.solves))
    assert json.loads(returned.metadata["refs.platforms"]) == {
        "Platforms": [{"ID": "linux/amd64", "Platform": {"architecture": "amd64", "os": "linux"}}]
    }
    config = json.loads(returned.metadata["containerimage.config"])
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert config["config"]["Entrypoint"] == ["/.cir/shim", "python", "main.py"]
    assert config["config"]["WorkingDir"] == "/app"
    assert config["created"] == "1980-01-01T00:00:00Z"
    assert [entry.get("empty_layer", False) for entry in config["history"]].count(False) == 3


def test_base_and_shim_are_merged_and_pinned(server: Server, frontend: Run) -> None:
    frontend()
    ops = final(server)
    images = [op.source.identifier for op in ops if op.source.identifier.startswith("docker-image://")]
    assert sorted(images)[:2] == [
        f"docker-image://docker.io/library/python:3.11-slim@sha256:{'b' * 64}",
        "docker-image://localhost/cir/frontend:1",
    ]
    assert f"docker-image://{SHIM}@sha256:{'b' * 64}" in images
    assert kinds(ops)[-1] == "merge"
    assert len(ops[-1].merge.inputs) == 3


def test_only_needed_files_are_sent(server: Server, frontend: Run) -> None:
    frontend()
    context = [
        source.attrs for source in sources(server) if source.attrs.get("local.sharedkeyhint") == "context"
    ]
    assert {attrs["local.followpaths"] for attrs in context} == {'["main.py"]'}


def test_the_label_names_the_manifest_in_the_image(server: Server, frontend: Run) -> None:
    frontend()
    config = json.loads(result(server).metadata["containerimage.config"])
    manifest = manifest_of(final(server))
    assert config["config"]["Labels"]["cir.manifest"] == "sha256:" + hashlib.sha256(manifest).hexdigest()
    lock = json.loads(manifest)["locks"][0]
    assert lock == {
        "ecosystem": "pypi",
        "path": "/.cir/lock/pypi.json",
        "sha256": hashlib.sha256(server.lock).hexdigest(),
    }


def manifest_of(ops: list[pb.Op]) -> bytes:
    written = [
        action.mkfile for op in ops for action in op.file.actions if action.mkfile.path == "/.cir/cir.json"
    ]
    assert len(written) == 1
    return written[0].data


def test_every_action_has_the_fixed_time(server: Server, frontend: Run) -> None:
    for options, seconds in (({}, 315532800), ({"build-arg:SOURCE_DATE_EPOCH": "1000000000"}, 10**9)):
        frontend(options)
        for op in final(server):
            for action in op.file.actions:
                kind = action.WhichOneof("action")
                path = getattr(action, kind).path if kind in ("mkfile", "mkdir") else ""
                if kind != "rm" and path != "/question.json":
                    assert getattr(action, kind).timestamp == seconds * 10**9
        assert result(server).metadata["source.date.epoch"] == str(seconds).encode()


@pytest.mark.parametrize("line", ["COPY . /", "COPY . /bin/"])
@pytest.mark.parametrize("caps", [NEW_LLB, OLD_LLB])
def test_nothing_takes_the_place_of_the_shim(
    server: Server, frontend: Run, line: str, caps: tuple[str, ...]
) -> None:
    """What steps put below `/.cir` is removed before manifest and lock are written, whatever way is taken."""
    server.llb_caps = caps
    edit(server, "COPY main.py ./", line)
    frontend()
    written = {"/.cir/cir.json", "/.cir/lock"}
    for op in final(server):
        kinds_ = [action.WhichOneof("action") for action in op.file.actions]
        if any(action.mkdir.path in written or action.mkfile.path in written for action in op.file.actions):
            alone = op.file.actions[0].copy.src == "/" and op.file.actions[0].input == -1
            assert alone or kinds_[0] == "rm"
    removed = [
        action.rm for op in final(server) for action in op.file.actions if action.WhichOneof("action") == "rm"
    ]
    assert [(rm.path, rm.allowNotFound) for rm in removed] == [("/.cir", True)]


@pytest.mark.parametrize("value", ["9223372037", "99999999999", "9" * 5000, "\u00b2", "-1", "1.5", "now"])
def test_times_that_cannot_be(server: Server, frontend: Run, value: str) -> None:
    frontend({"build-arg:SOURCE_DATE_EPOCH": value})
    assert "SOURCE_DATE_EPOCH" in error(server).message
    assert "internal error" not in error(server).message


def test_the_last_time_there_is(server: Server, frontend: Run) -> None:
    frontend({"build-arg:SOURCE_DATE_EPOCH": "9223372036"})
    config = json.loads(result(server).metadata["containerimage.config"])
    assert config["created"] == "2262-04-11T23:47:16Z"


def test_two_platforms_share_the_application_layer(server: Server, frontend: Run) -> None:
    assert frontend(TWO).status == 0
    returned = result(server)
    assert sorted(returned.refs.refs) == ["linux/amd64", "linux/arm64"]
    for name in ("linux/amd64", "linux/arm64"):
        config = json.loads(returned.metadata[f"containerimage.config/{name}"])
        assert config["architecture"] == name.split("/")[1]
    graphs = [graph(solve) for solve in server.solves if graph(solve)[-1].WhichOneof("op") == "merge"]
    assert len(graphs) == 2
    tops = {ops[-1].inputs[2].digest for ops in graphs}
    assert len(tops) == 1, "the application is one vertex for all platforms"
    assert len({ops[-1].inputs[0].digest for ops in graphs}) == 2


def test_a_base_of_another_platform_decides_what_runs(server: Server, frontend: Run) -> None:
    """The list of platforms is the one asked for; shim and configuration are those of `FROM --platform`."""
    edit(server, "FROM python:3.11-slim", "FROM --platform=linux/amd64 python:3.11-slim")
    frontend(TWO)
    returned = result(server)
    listed = json.loads(returned.metadata["refs.platforms"])["Platforms"]
    assert [each["ID"] for each in listed] == ["linux/amd64", "linux/arm64"]
    for name in ("linux/amd64", "linux/arm64"):
        config = json.loads(returned.metadata[f"containerimage.config/{name}"])
        assert config["architecture"] == "amd64"
    graphs = [graph(solve) for solve in server.solves if graph(solve)[-1].WhichOneof("op") == "merge"]
    images = {op.platform.Architecture for ops in graphs for op in ops if SHIM in op.source.identifier}
    assert images == {"amd64"}


def test_the_lock_is_asked_for_by_what_can_change_it(server: Server, frontend: Run) -> None:
    def questions() -> set[bytes]:
        files = [
            action.mkfile
            for solve in server.solves
            for op in graph(solve)
            for action in op.file.actions
            if action.mkfile.path == "/question.json"
        ]
        assert files
        return {file.data for file in files}

    edit(server, "REQUIRE pypi six", "REQUIRE pypi six\nREQUIRE pypi attrs")
    frontend()
    first = questions()
    edit(server, "six\nREQUIRE pypi attrs", "attrs\nREQUIRE deb libgomp1\nREQUIRE pypi six")
    edit(server, "WORKDIR /app", "WORKDIR /other\nSETUP true")
    frontend()
    assert questions() == first


def test_platforms_with_one_lock_keep_their_own_manifests(server: Server, frontend: Run) -> None:
    edit(server, "WORKDIR /app", "ARG TARGETARCH\nWORKDIR /app/$TARGETARCH")
    frontend(TWO)
    assert len([solve for solve in server.solves if kinds(graph(solve))[-1] == "exec"]) == 1
    graphs = [graph(solve) for solve in server.solves if graph(solve)[-1].WhichOneof("op") == "merge"]
    manifests = [json.loads(manifest_of(ops)) for ops in graphs]
    assert sorted(each["workdir"] for each in manifests) == ["/app/amd64", "/app/arm64"]
    assert all(each["locks"] for each in manifests)


def test_the_lock_is_made_once_for_all_platforms(server: Server, frontend: Run) -> None:
    frontend(TWO)
    assert len([solve for solve in server.solves if kinds(graph(solve))[-1] == "exec"]) == 1


def test_one_platform_in_the_form_of_many(server: Server, frontend: Run) -> None:
    frontend({"platform": "linux/arm64", "multi-platform": "true"})
    assert list(result(server).refs.refs) == ["linux/arm64"]


def test_the_lock_step(server: Server, frontend: Run) -> None:
    frontend({"build-arg:HTTPS_PROXY": "http://proxy:3128", "no-cache": ""})
    solve = next(solve for solve in server.solves if kinds(graph(solve))[-1] == "exec")
    op = graph(solve)[-1]
    assert list(op.exec.meta.args[1:]) == ["-I", "-m", "cirfile.resolver", "/in/question.json", "/out"]
    assert op.exec.meta.proxy_env.https_proxy == "http://proxy:3128"
    secrets = {
        mount.secretOpt.ID: mount for mount in op.exec.mounts if mount.mountType == pb.MountType.SECRET
    }
    assert sorted(secrets) == ["cir_ca", "cir_netrc"]
    assert all(mount.secretOpt.optional for mount in secrets.values())
    metadata = solve.Definition.metadata[digest_of(solve, -2)]
    assert metadata.description["llb.customname"] == "[lock] resolve 1 pypi requirement"
    assert metadata.ignore_cache
    location = solve.Definition.Source.locations[digest_of(solve, -2)].locations[0]
    assert location.ranges[0].start.line == 2


@pytest.mark.parametrize(
    ("given", "cache"), [({}, "cir-resolver"), ({"build-arg:BUILDKIT_CACHE_MOUNT_NS": "x"}, "x/cir-resolver")]
)
def test_the_resolver_s_cache_has_the_namespace_of_cache_mounts(
    server: Server, frontend: Run, given: dict[str, str], cache: str
) -> None:
    frontend(given)
    solve = next(solve for solve in server.solves if kinds(graph(solve))[-1] == "exec")
    mounts = graph(solve)[-1].exec.mounts
    assert [mount.cacheOpt.ID for mount in mounts if mount.mountType == pb.MountType.CACHE] == [cache]


@pytest.mark.parametrize("known", [True, False])
def test_the_question_is_not_read_back_for_the_cache_key(known: bool, server: Server, frontend: Run) -> None:
    """On servers that can be told so; else a remembered lock is shown as CANCELED now and then."""
    cap = "exec.mount.cache.content"
    server.llb_caps = tuple(name for name in server.llb_caps if known or name != cap)
    frontend()
    solve = next(solve for solve in server.solves if kinds(graph(solve))[-1] == "exec")
    modes = {mount.dest: mount.contentCache for mount in graph(solve)[-1].exec.mounts}
    assert modes.pop("/in") == (pb.MountContentCache.OFF if known else pb.MountContentCache.DEFAULT)
    assert set(modes.values()) == {pb.MountContentCache.DEFAULT}
    assert solve.Definition.metadata[digest_of(solve, -2)].caps.get(cap, False) == known


def digest_of(solve: gw.SolveRequest, position: int) -> str:
    return "sha256:" + hashlib.sha256(solve.Definition.ops[position]).hexdigest()


@pytest.mark.parametrize("line", ["PIN latest", "PIN as-of=2026-11-20"])
def test_no_lock_is_made_for_other_pins(server: Server, frontend: Run, line: str) -> None:
    edit(server, "WORKDIR /app", f"{line}\nWORKDIR /app")
    frontend()
    assert not any("exec" in kinds(graph(solve)) for solve in server.solves)
    manifest = json.loads(manifest_of(final(server)))
    assert manifest["pin"]["mode"] == line.split()[1].split("=")[0]
    assert "locks" not in manifest


def edit(server: Server, old: str, new: str) -> None:
    text = server.files["local://dockerfile"]["Cirfile"].decode()
    assert old in text
    server.files["local://dockerfile"]["Cirfile"] = text.replace(old, new).encode()


def test_a_warning_is_sent_once_for_all_platforms(server: Server, frontend: Run) -> None:
    server.files["local://dockerfile"]["Cirfile"] = b'FROM scratch\nCMD ["/usr/bin/python3", "x.py"]\n'
    frontend(TWO)
    assert len(result(server).refs.refs) == 2
    assert [sent.short.partition(b":")[0] for sent in server.asked("Warn")] == [b"CIR001"]


def test_an_old_server_gets_copies_and_no_new_calls(server: Server, frontend: Run) -> None:
    server.frontend_caps, server.llb_caps = OLD_FRONTEND, OLD_LLB
    assert frontend().status == 0
    config = json.loads(result(server).metadata["containerimage.config"])
    assert config["config"]["Entrypoint"][0] == "/.cir/shim"
    assert not server.asked("Warn")
    assert not server.asked("ResolveSourceMeta")
    assert "merge" not in kinds(final(server))
    copied = [a.copy for op in final(server) for a in op.file.actions if a.WhichOneof("action") == "copy"]
    whole = [copy for copy in copied if (copy.src, copy.dest) == ("/", "/")]
    assert len(whole) == 3, "the application is put together once, and then shim and application are copied"
    assert {copy.timestamp for copy in whole} == {315532800 * 10**9}
    history = [(entry["created_by"], not entry.get("empty_layer", False)) for entry in config["history"]]
    assert history[1:] == [
        ("cir: shim 0.1.0", True),
        ("REQUIRE pypi six", False),
        ("WORKDIR /app", False),
        ("COPY main.py ./ # buildkit", False),
        ('ENTRYPOINT ["python" "main.py"]', False),
        ("cir: application, manifest and locks", True),
    ]


def test_an_old_server_does_steps_on_the_base_where_they_need_it(server: Server, frontend: Run) -> None:
    server.frontend_caps, server.llb_caps = OLD_FRONTEND, OLD_LLB
    edit(server, "COPY main.py ./", "COPY main.py ./\nENV A=1\nCOPY --chown=app main.py /home/app/")
    frontend()
    config = json.loads(result(server).metadata["containerimage.config"])
    history = [(entry["created_by"], not entry.get("empty_layer", False)) for entry in config["history"]]
    assert history[1:] == [
        ("REQUIRE pypi six", False),
        ("WORKDIR /app", True),
        ("COPY main.py ./ # buildkit", True),
        ("ENV A=1", False),
        ("COPY --chown=app main.py /home/app/ # buildkit", True),
        ('ENTRYPOINT ["python" "main.py"]', False),
        ("cir: shim 0.1.0, manifest and locks", True),
    ]


def test_a_server_that_lacks_the_basics_is_told_so(server: Server, frontend: Run) -> None:
    server.llb_caps = tuple(cap for cap in OLD_LLB if cap != "file.base")
    frontend()
    assert "BuildKit 0.7" in error(server).message


def test_labels_and_build_arguments(server: Server, frontend: Run) -> None:
    edit(server, "WORKDIR /app", "ARG WHO=nobody\nLABEL who=$WHO kept=1\nWORKDIR /app")
    frontend({"build-arg:WHO": "me", "label:who": "command line", "label:new": "x"})
    labels = json.loads(result(server).metadata["containerimage.config"])["config"]["Labels"]
    assert labels["who"] == "command line"
    assert labels["new"] == "x"
    assert labels["kept"] == "1"


def test_the_shim_can_be_named(server: Server, frontend: Run) -> None:
    server.images["registry.test/shim:2"] = {"config": {}}
    frontend(CIR_SHIM="registry.test/shim:2")
    assert any("registry.test/shim:2@" in source.identifier for source in sources(server))
    server.images["registry.test/shim:3"] = {"config": {}}
    frontend({"build-arg:CIR_SHIM": "registry.test/shim:3"}, CIR_SHIM="registry.test/shim:2")
    assert any("registry.test/shim:3@" in source.identifier for source in sources(server))


def test_pull_is_about_the_base(server: Server, frontend: Run) -> None:
    frontend({"image-resolve-mode": "pull"})
    modes = {
        source.identifier.partition("@")[0].rpartition("/")[2]: source.attrs.get("image.resolvemode", "")
        for source in sources(server)
        if source.identifier.startswith("docker-image://")
    }
    assert modes == {"python:3.11-slim": "pull", "shim:0.1.0": "", "frontend:1": ""}


def test_cache_imports_are_passed_on(server: Server, frontend: Run) -> None:
    frontend({"cache-imports": '[{"Type":"registry","Attrs":{"ref":"r/cache"}}]'})
    assert server.solves[-1].CacheImports[0].Type == "registry"
    assert dict(server.solves[-1].CacheImports[0].Attrs) == {"ref": "r/cache"}


@pytest.mark.parametrize(("value", "again"), [("", True), ("app", True), ("other", False)])
def test_no_cache_marks_the_steps(server: Server, frontend: Run, value: str, again: bool) -> None:
    edit(server, "FROM python:3.11-slim", "FROM python:3.11-slim AS app")
    frontend({"no-cache": value})
    marked = {
        metadata.description["llb.customname"].partition("]")[0]
        for solve in server.solves
        for metadata in solve.Definition.metadata.values()
        if metadata.ignore_cache
    }
    assert marked == ({"[lock", "[1/2", "[2/2"} if again else set())


def test_ignore_files(server: Server, frontend: Run) -> None:
    server.files["local://context"][".dockerignore"] = b"secret\n!main.py\n"
    frontend()
    patterns = {
        s.attrs["local.excludepatterns"] for s in sources(server) if "local.excludepatterns" in s.attrs
    }
    assert patterns == {'["secret","!main.py"]'}
    server.files["local://dockerfile"]["Cirfile.dockerignore"] = b"other\n"
    frontend()
    patterns = {
        s.attrs["local.excludepatterns"] for s in sources(server) if "local.excludepatterns" in s.attrs
    }
    assert patterns == {'["other"]'}


def test_requirements_from_a_file_of_the_context(server: Server, frontend: Run) -> None:
    server.files["local://context"]["requirements.txt"] = b"requests==2.32.0\n# nothing\n"
    edit(server, "REQUIRE pypi six", "REQUIRE pypi -r requirements.txt")
    frontend()
    manifest = json.loads(manifest_of(final(server)))
    assert manifest["requirements"] == [{"ecosystem": "pypi", "requirement": "requests==2.32.0"}]


def test_named_contexts(server: Server, frontend: Run) -> None:
    edit(server, "COPY main.py ./", "COPY main.py ./\nCOPY --from=extra data ./")
    server.files["local://extra"] = {"data": b"x"}
    frontend({"context:extra": "local:extra", "frontend.caps": "moby.buildkit.frontend.contexts+forward"})
    (extra,) = {s.attrs["local.followpaths"] for s in sources(server) if s.identifier == "local://extra"} - {
        '[".dockerignore"]'
    }
    assert json.loads(extra) == ["data"], "a folder may hold terabytes"
    frontend({"context:extra": "docker-image://docker.io/library/python:3.11-slim"})
    names = [m.description["llb.customname"] for m in server.solves[-1].Definition.metadata.values()]
    assert any(name.startswith("[context extra]") for name in names)


def test_no_registry_is_asked_for_the_image_that_holds_nothing(server: Server, frontend: Run) -> None:
    edit(server, "COPY main.py ./", "COPY main.py ./\nCOPY --from=scratch data ./")
    frontend()
    assert not [source for source in sources(server) if "scratch" in source.identifier]


def test_the_base_can_be_replaced_by_a_named_context(server: Server, frontend: Run) -> None:
    server.images["registry.test/other:1"] = {"config": {"Env": ["PATH=/other"]}}
    frontend({"context:python:3.11-slim": "docker-image://registry.test/other:1"})
    config = json.loads(result(server).metadata["containerimage.config"])
    assert config["config"]["Env"][0].endswith("/other")


def test_a_git_context(server: Server, frontend: Run) -> None:
    address = "https://example.com/app.git#main"
    server.files["git://example.com/app.git#main"] = {
        "Cirfile": server.files["local://dockerfile"]["Cirfile"],
        "main.py": b"",
    }
    frontend({"context": address, "build-arg:SOURCE_DATE_EPOCH": "context"})
    assert not [source for source in sources(server) if source.identifier.startswith("local://")]
    assert result(server).metadata["source.date.epoch"] == b"1700000000"


def test_a_remote_cirfile_and_a_remote_archive(server: Server, frontend: Run) -> None:
    address = "https://example.com/Cirfile"
    server.files[address] = {"context": b"FROM scratch\nLABEL a=1\n"}
    frontend({"context": address})
    assert json.loads(result(server).metadata["containerimage.config"])["config"]["Labels"]["a"] == "1"
    server.files[address] = {"context": b"\x1f\x8b\x08rest", "Cirfile": b"FROM scratch\n"}
    frontend({"context": address})
    unpacked = [
        a.copy for op in graph(server.solves[-2]) for a in op.file.actions if a.WhichOneof("action") == "copy"
    ]
    assert any(copy.attemptUnpackDockerCompatibility for copy in unpacked)


def test_inputs(server: Server, frontend: Run) -> None:
    from frontend.llb import state
    from frontend.llb.marshal import marshal

    server.files["local://given"] = {"Cirfile": b"FROM scratch\nCOPY x /\n", "x": b""}
    given = marshal(state.local("given"))
    server.inputs = {"dockerfile": given, "context": given}
    frontend()
    assert {source.identifier for source in sources(server)} >= {"local://given"}
    assert "local://context" not in {source.identifier for source in sources(server)}


def excerpts(status: status_pb2.Status) -> list[tuple[str, int, int]]:
    found = [json.loads(d.value) for d in status.details if d.type_url.endswith("errdefs.Source+json")]
    return [
        (each["info"]["filename"], each["ranges"][0]["start"]["line"], each["ranges"][0]["end"]["line"])
        for each in found
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("WORKDIR /app", "RUN pip install six", 3, "REQUIRE pypi six"),
        ("REQUIRE pypi six", "REQUIRE pypi six ==", 2, ""),
        ("python:3.11-slim", "python:nonesuch", 1, "python:nonesuch"),
        ("COPY main.py ./", "COPY --from=nonesuch:1 a b", 4, "nonesuch:1"),
    ],
)
def test_mistakes_name_the_line(
    server: Server, frontend: Run, old: str, new: str, line: int, words: str
) -> None:
    edit(server, old, new)
    assert frontend().status == 0
    status = error(server)
    assert status.code == 2
    assert words in status.message
    assert excerpts(status) == [("Cirfile", line, line)]


def test_old_servers_get_the_line_in_the_text(server: Server, frontend: Run) -> None:
    server.frontend_caps, server.llb_caps = OLD_FRONTEND, OLD_LLB
    edit(server, "WORKDIR /app", "RUN true")
    frontend()
    assert error(server).message.startswith("Cirfile:3: ")


def test_a_missing_cirfile(server: Server, frontend: Run) -> None:
    frontend({"filename": "Other"})
    assert "Other" in error(server).message
    assert "no such file" in error(server).message


def test_a_target_that_is_not_there(server: Server, frontend: Run) -> None:
    frontend({"target": "nonesuch"})
    assert "nonesuch" in error(server).message


def test_a_missing_shim_says_how_to_get_one(server: Server, frontend: Run) -> None:
    del server.images[SHIM]
    frontend()
    assert "CIR_SHIM" in error(server).message


def test_the_servers_own_details_are_passed_on(server: Server, frontend: Run) -> None:
    detail = status_pb2.Any(
        type_url="github.com/moby/buildkit/errdefs.Vertex+json", value=b'{"digest":"sha256:1"}'
    )
    server.fail_solve = status_pb2.Status(code=2, message="exit code: 69", details=[detail])
    frontend()
    assert error(server).message == "exit code: 69"
    assert list(error(server).details) == [detail]


def test_what_an_error_carries_may_be_large(server: Server, frontend: Run) -> None:
    """A failed lock carries the Cirfile, as text and as graph, and stacks: more than gRPC takes by itself."""
    detail = status_pb2.Any(type_url="github.com/moby/buildkit/errdefs.Source+json", value=b"x" * 100_000)
    message = "process did not complete successfully: exit code: 69"
    server.fail_solve = status_pb2.Status(code=2, message=message, details=[detail])
    frontend()
    assert error(server).message.startswith("the pypi requirements cannot be locked")
    assert list(error(server).details) == [detail]


def test_a_lock_that_fails_carries_the_cirfile_once(server: Server, frontend: Run) -> None:
    """The server adds the whole file for every place that a step names."""
    edit(server, "REQUIRE pypi six", "\n".join(f"REQUIRE pypi p{number}" for number in range(9)))
    frontend()
    found = [
        [[lines.start.line for lines in place.ranges] for place in places.locations]
        for solve in server.solves
        for places in solve.Definition.Source.locations.values()
    ]
    assert [[2, 3, 4, 5]] in found
    assert all(len(places) <= 1 for places in found)


def test_a_source_that_fails_is_not_a_cirfile_that_is_missing(server: Server, frontend: Run) -> None:
    detail = status_pb2.Any(type_url="github.com/moby/buildkit/errdefs.Vertex+json", value=b"{}")
    message = "failed to open subdir typo: open /x/typo: no such file or directory"
    server.fail_sources = status_pb2.Status(code=2, message=message, details=[detail])
    frontend()
    assert error(server).message == message


def test_a_warning_that_cannot_be_sent_fails_no_build(server: Server, frontend: Run) -> None:
    server.fail_warnings = True
    server.files["local://dockerfile"]["Cirfile"] = b'FROM scratch\nCMD ["/usr/bin/python3", "x.py"]\n'
    frontend()
    assert result(server).ref.id
    assert server.asked("Warn")


def test_a_folder_in_the_place_of_a_requirements_file(server: Server, frontend: Run) -> None:
    server.files["local://context"]["requirements/"] = b""
    edit(server, "REQUIRE pypi six", "REQUIRE pypi -r requirements")
    frontend()
    assert "`requirements` is a folder" in error(server).message
    assert excerpts(error(server)) == [("Cirfile", 2, 2)]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"config": {"Env": [1]}}, "a list of words"),
        ({"rootfs": [1]}, "`rootfs` is list"),
        ({"config": {"Healthcheck": {"Interval": "x"}}}, "`config.Healthcheck.Interval` is str"),
        ({"architecture": 5}, "`architecture` is int"),
        ({"architecture": "x y"}, "x y"),
    ],
)
def test_a_base_whose_configuration_is_none(
    server: Server, frontend: Run, config: dict[str, Any], said: str
) -> None:
    server.images["docker.io/library/python:3.11-slim"] = config
    frontend()
    assert said in error(server).message
    assert "fault of ours" not in error(server).message
    assert excerpts(error(server)) == [("Cirfile", 1, 1)]


def test_half_a_character_in_a_base_is_replaced(server: Server, frontend: Run) -> None:
    """JSON can write it, and a text of the protocol cannot hold it."""
    config = server.images["docker.io/library/python:3.11-slim"]["config"]
    config["Labels"] = {"who": "\ud800"}
    frontend()
    config = json.loads(result(server).metadata["containerimage.config"])
    assert config["config"]["Labels"]["who"] == "\ufffd"


def test_what_a_server_cannot_fetch_names_the_line(server: Server, frontend: Run) -> None:
    server.llb_caps = tuple(cap for cap in NEW_LLB if cap != "source.git.mtime")
    edit(server, "COPY main.py ./", "ADD https://host.test/x.git?mtime=commit /src")
    frontend()
    assert "`source.git.mtime` is not supported by the build server" in error(server).message
    assert excerpts(error(server)) == [("Cirfile", 4, 4)]


def test_the_lock_step_keeps_to_the_limits_of_the_build(server: Server, frontend: Run) -> None:
    """It is the one command that runs."""
    server.llb_caps = (*NEW_LLB, "exec.meta.cgroup.parent", "exec.meta.ulimit")
    limits = {"cgroup-parent": "ci.slice", "ulimit": "nofile=1024:2048,core=0", "hostname": "builder"}
    frontend(limits)
    (meta,) = {
        op.exec.meta.SerializeToString()
        for solve in server.solves
        for op in graph(solve)
        if op.WhichOneof("op") == "exec"
    }
    found = pb.Meta.FromString(meta)
    assert (found.cgroupParent, found.hostname) == ("ci.slice", "builder")
    assert [(u.Name, u.Soft, u.Hard) for u in found.ulimit] == [("nofile", 1024, 2048), ("core", 0, 0)]
    server.llb_caps = NEW_LLB
    frontend(limits)
    assert result(server).ref.id, "servers that cannot limit still build"


def test_a_query_that_git_does_not_know_names_the_line(server: Server, frontend: Run) -> None:
    edit(server, "COPY main.py ./", "ADD https://host.test/x.git?depth=1 /src")
    frontend()
    assert "depth" in error(server).message
    assert excerpts(error(server)) == [("Cirfile", 4, 4)]


def test_a_check_shows_the_file_that_is_wrong(server: Server, frontend: Run) -> None:
    server.files["local://context"]["requirements.txt"] = b"a\n" * 39 + b"-e .\n"
    edit(server, "REQUIRE pypi six", "REQUIRE pypi -r requirements.txt")
    frontend({"requestid": "frontend.lint"})
    metadata = result(server).metadata
    found = json.loads(metadata["result.json"])
    assert found["buildError"]["location"] == {
        "sourceIndex": 1, "ranges": [{"start": {"line": 40}, "end": {"line": 40}}]
    }  # fmt: skip
    assert found["buildError"]["message"].startswith("requirements.txt:40: ")
    assert [source["filename"] for source in found["sources"]] == ["Cirfile", "requirements.txt"]
    assert metadata["result.txt"].startswith(b"requirements.txt:40: ")
    assert metadata["result.statuscode"] == b"1"


def test_an_error_that_cannot_be_sent_whole_is_sent_in_short(server: Server, frontend: Run) -> None:
    """Servers before BuildKit 0.14 take 4 MiB; else the user would read that there is no result."""
    edit(server, "WORKDIR /app", "RUN true # " + "x" * (5 << 20))
    frontend()
    assert "RUN" in error(server).message
    assert not error(server).details


def test_an_unknown_capability_is_refused(server: Server, frontend: Run) -> None:
    frontend({"frontend.caps": "moby.buildkit.frontend.time-travel"})
    assert error(server).code == 12


def test_bad_options_are_refused(server: Server, frontend: Run) -> None:
    frontend({"platform": "a/b/c/d"})
    assert "--platform" in error(server).message


def test_the_bill_of_materials_comes_from_the_lock(server: Server, frontend: Run) -> None:
    server.lock = lock_with("torch", "2.6.0+cpu")
    frontend({"attest:sbom": "generator=x"})
    statement = result(server).attestations["linux/amd64"].attestation[0]
    assert statement.inTotoPredicateType == "https://spdx.dev/Document"
    solve = server.solves[int(statement.ref.id) - 1]
    assert any(b"the SBOM lists the packages of the lock" in sent.short for sent in server.asked("Warn"))
    document = json.loads(graph(solve)[-1].file.actions[0].mkfile.data)
    assert document["packages"][0]["externalRefs"][0]["referenceLocator"] == "pkg:pypi/torch@2.6.0%2Bcpu"


def lock_with(name: str, version: str) -> bytes:
    artifact = {"name": f"{name}.whl", "url": "https://index.test/x.whl", "sha256": "0" * 64}
    component: dict[str, Any] = {"name": name, "version": version, "artifacts": [artifact]}
    return json.dumps({"cir-lock": 1, "ecosystem": "pypi", "components": [component]}).encode()


@pytest.mark.parametrize("seed", ["0", "1", "12345"])
def test_equal_builds_have_equal_graphs(server: Server, frontend: Run, seed: str) -> None:
    edit(server, "COPY main.py ./", "COPY --chmod=755 main.py b a ./\nLABEL b=1 a=2\nVOLUME /v /u")
    graphs = set()
    for value in (seed, "77"):
        frontend({**TWO, "build-arg:A": "1", "build-arg:B": "2"}, PYTHONHASHSEED=value)
        finals = [s for s in server.solves if graph(s)[-1].WhichOneof("op") == "merge"]
        encoded = sorted(s.Definition.SerializeToString(deterministic=True) for s in finals)
        configs = sorted((k, v) for k, v in result(server).metadata.items())
        graphs.add(hashlib.sha256(repr((encoded, configs)).encode()).hexdigest())
    assert len(graphs) == 1


def test_memory_stays_below_120_megabytes(server: Server, frontend: Run) -> None:
    frontend(TWO)
    assert 0 < server.peak_kib <= 120 * 1024


def test_the_wire_begins_with_http_2_and_nothing_else(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "frontend"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.read(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


#: What a server that shuts down sends: SETTINGS, then GOAWAY, without having answered anything.
FAREWELL = (
    bytes.fromhex(
        "000018040000000000000400400000000500400000000600004000fe0300000001000004080000000000003f0001"
    )
    + bytes.fromhex("0000170700000000007fffffff00000000")
    + b"Server shutdown"
    + bytes.fromhex("00001c0700000000000000001300000002")
    + b"Cancelling all calls"
)


def test_a_server_that_leaves_ends_the_frontend(tmp_path: Path) -> None:
    """gRPC would try the calls again on its own, forever, and fill all memory with that."""
    process = subprocess.Popen(
        [sys.executable, "-m", "frontend"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.read(3) == b"PRI"
        process.stdin.write(FAREWELL)
        process.stdin.flush()
        assert process.wait(timeout=20) != 0
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
