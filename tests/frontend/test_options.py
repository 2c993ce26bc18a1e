"""Options as clients write them, and every value that cannot be read."""

from __future__ import annotations

import pytest

from cirfile.plan import Platform
from frontend import options
from frontend.options import OptionError, Options
from frontend.proto import ops_pb2 as pb


def read(*pairs: str) -> Options:
    return options.read({f"BUILDKIT_FRONTEND_OPT_{n}": pair for n, pair in enumerate(pairs)})


def test_defaults() -> None:
    chosen = read()
    assert chosen.filename == "Dockerfile"
    assert (chosen.platforms, chosen.multi_platform, chosen.no_cache, chosen.resolve_mode) == (
        (),
        False,
        None,
        "",
    )


def test_values_keep_equal_signs_and_line_ends() -> None:
    assert read("build-arg:A=b=c\nd").build_args == (("A", "b=c\nd"),)


def test_order_of_the_variables_does_not_matter() -> None:
    pairs = ["build-arg:B=2", "label:x=1", "build-arg:A=1", "label:a=3"]
    assert read(*pairs).build_args == read(*reversed(pairs)).build_args == (("A", "1"), ("B", "2"))
    assert read(*pairs).labels == (("a", "3"), ("x", "1"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", (Platform("linux", "amd64"),)),
        ("linux/arm64/v8", (Platform("linux", "arm64"),)),
        ("linux/amd64,linux/arm64", (Platform("linux", "amd64"), Platform("linux", "arm64"))),
        ("linux/arm64,linux/aarch64", (Platform("linux", "arm64"),)),
        ("arm", (Platform("linux", "arm", "v7"),)),
        ("linux/x86_64", (Platform("linux", "amd64"),)),
    ],
)
def test_platforms(text: str, expected: tuple[Platform, ...]) -> None:
    assert read(f"platform={text}").platforms == expected


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (("platform=linux/amd64",), False),
        (("platform=linux/amd64,linux/arm64",), True),
        (("platform=linux/amd64", "multi-platform=true"), True),
        (("build-arg:BUILDKIT_MULTI_PLATFORM=1",), True),
        (("multi-platform=0",), False),
    ],
)
def test_multi_platform(pairs: tuple[str, ...], expected: bool) -> None:
    assert read(*pairs).multi_platform is expected


@pytest.mark.parametrize(
    ("pairs", "ignored"),
    [
        ((), set()),
        (("no-cache=",), {"", "app"}),
        (("no-cache=app",), {"app"}),
        (("no-cache=other,APP",), {"app"}),
        (("no-cache=other",), set()),
    ],
)
def test_no_cache(pairs: tuple[str, ...], ignored: set[str]) -> None:
    assert {stage for stage in ("", "app") if read(*pairs).ignores_cache(stage)} == ignored


def test_cache_imports_of_both_ages() -> None:
    chosen = read('cache-imports=[{"Type":"local","Attrs":{"src":"x"}}]', "cache-from=a,b")
    assert chosen.cache_imports == (
        ("local", {"src": "x"}),
        ("registry", {"ref": "a"}),
        ("registry", {"ref": "b"}),
    )


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ((), set()),
        (("attest:sbom=generator=x", "attest:provenance=mode=min"), {"sbom", "provenance"}),
        (("build-arg:BUILDKIT_ATTEST_SBOM=generator=x",), {"sbom"}),
        (("attest:sbom=disabled=true",), set()),
    ],
)
def test_attestations(pairs: tuple[str, ...], expected: set[str]) -> None:
    assert set(read(*pairs).attestations or {}) == expected


def test_network_hosts_and_name() -> None:
    chosen = read("force-network-mode=none", "add-hosts=a=10.0.0.1,b=10.0.0.2", "hostname=h")
    assert chosen.network == pb.NetMode.NONE
    assert chosen.hosts == (("a", "10.0.0.1"), ("b", "10.0.0.2"))
    assert chosen.hostname == "h"


def test_sessions_of_shared_folders() -> None:
    chosen = options.read(
        {"BUILDKIT_SESSION_ID": "own", "BUILDKIT_FRONTEND_OPT_0": "local-sessionid:data=other"}
    )
    assert (chosen.session_of("context"), chosen.session_of("data")) == ("own", "other")


@pytest.mark.parametrize(
    ("pair", "named"),
    [
        ("platform=linux/amd64/v1/x", "--platform"),
        ("platform=li nux/amd64", "--platform"),
        ("image-resolve-mode=never", "image-resolve-mode"),
        ("force-network-mode=fast", "force-network-mode"),
        ("multi-platform=perhaps", "multi-platform"),
        ("cache-imports={", "cache-imports"),
        ("cache-imports=[1]", "cache-imports"),
        ("add-hosts=nothing", "add-hosts"),
        ("ulimit=nofile", "ulimit"),
        ("ulimit=nofile=many", "ulimit"),
        ("add-hosts=a=1\nb=2", "add-hosts"),
        ("build-arg:BUILDKIT_ATTEST_X=a\nb", "attest:x"),
    ],
)
def test_values_that_cannot_be_read_are_named(pair: str, named: str) -> None:
    with pytest.raises(OptionError, match=named):
        read(pair)


def test_several_platforms_contradict_a_single_result() -> None:
    with pytest.raises(OptionError, match="several platforms"):
        read("platform=linux/amd64,linux/arm64", "multi-platform=false")
