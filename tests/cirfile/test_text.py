"""Small vocabularies and Go's text rules, each a table."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirfile import addresses, gotext, suggest
from cirfile.chmod import is_mode
from cirfile.platforms import parse_platform
from cirfile.ports import exposed
from cirfile.references import is_reference
from cirfile.signals import is_signal


@pytest.mark.parametrize(
    ("text", "nanoseconds", "printed"),
    [
        ("0", 0, "0s"), ("30s", 30 * 10**9, "30s"), ("1m30s", 90 * 10**9, "1m30s"),
        ("1.5s", 15 * 10**8, "1.5s"), ("100ms", 10**8, "100ms"), ("1h", 3600 * 10**9, "1h0m0s"),
        ("2h45m", 9900 * 10**9, "2h45m0s"), ("1us", 1000, "1µs"), ("1ns", 1, "1ns"),
        ("1.5ms", 1500000, "1.5ms"), ("+1s", 10**9, "1s"), (".5s", 5 * 10**8, "500ms"), ("1.s", 10**9, "1s"),
        ("1m0.5s", 605 * 10**8, "1m0.5s"),
    ],
)  # fmt: skip
def test_durations(text: str, nanoseconds: int, printed: str) -> None:
    assert gotext.parse_duration(text) == nanoseconds
    assert gotext.duration(nanoseconds) == printed


@pytest.mark.parametrize("text", ["", "1", "s", ".s", "1 s", "1x", "9999999999h", "-", "1s ", "\u0661s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        gotext.parse_duration(text)


def test_negative_duration() -> None:
    assert gotext.parse_duration("-1s") == -(10**9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", '"a"'), ('a"b', '"a\\"b"'), ("a\\b", '"a\\\\b"'), ("\n\t\a", '"\\n\\t\\a"'),
        ("\x01\x7f", '"\\x01\\x7f"'), ("é한", '"é한"'), ("\u2028", '"\\u2028"'),
        ("\U000e0001", '"\\U000e0001"'), ("'", '"\'"'),
    ],
)  # fmt: skip
def test_quoting(text: str, expected: str) -> None:
    assert gotext.quote(text) == expected


def test_quoting_of_lists_and_numbers() -> None:
    assert gotext.quote_list(("a", "b c")) == '["a" "b c"]'
    assert [gotext.quote_number(n) for n in (0, 3, 39, 65, -1)] == [
        "'\\x00'",
        "'\\x03'",
        "'\\''",
        "'A'",
        "'\ufffd'",
    ]


@given(st.text(alphabet="a./", max_size=12))
def test_clean_is_normal(path: str) -> None:
    """As Python's ``normpath``, which alone keeps two leading slashes."""
    expected = posixpath.normpath(path)
    assert gotext.clean(path) == (expected[1:] if expected.startswith("//") else expected)


@pytest.mark.parametrize(
    ("parent", "path", "keep", "expected"),
    [
        ("/app", "x", False, "/app/x"), ("/app", "../x", False, "/x"),
        ("/app", "/x/../y/", False, "/x/../y/"), ("", "x", False, "/x"), ("rel", "x", False, "/rel/x"),
        ("/app", "", False, "/app"), ("/app", "x/", True, "/app/x/"), ("/app", "./", True, "/app/"),
        ("/", "./", True, "/"), ("/app", "x/.", True, "/app/x/."), ("/", "/.", True, "/./."),
        ("/app", "/x/", True, "/x/"),
    ],
)  # fmt: skip
def test_resolving(parent: str, path: str, keep: bool, expected: str) -> None:
    assert gotext.resolve(parent, path, keep) == expected


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("755", True), ("0644", True), ("7777", True), ("07777", True), ("10000", False), ("8", False),
        ("", False), ("u+x", True), ("a=rX", True), ("u=rwX,go=rX", True), ("+x", True), ("go-w+x", True),
        ("u=g", True), ("+t", True), ("u+x,", False), ("rwx", False), ("x", False), ("u", False),
        ("u+q", False), ("0x1", False), ("-1", False),
    ],
)  # fmt: skip
def test_modes(text: str, valid: bool) -> None:
    assert is_mode(text) == valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("SIGTERM", True), ("term", True), ("9", True), ("SIGRTMIN+3", True), ("rtmax-14", True),
        ("RTMAX", True), ("0", False), ("SIGFOO", False), ("", False), ("SIGRTMIN+16", False), ("9.5", False),
    ],
)  # fmt: skip
def test_signals(text: str, valid: bool) -> None:
    assert is_signal(text) == valid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", ("80/tcp",)), ("80/udp", ("80/udp",)), ("80/", ("80/tcp",)),
        ("1-3/SCTP", ("1/sctp", "2/sctp", "3/sctp")), ("8080:80", ("80/tcp",)),
        ("127.0.0.1:8080:80", ("80/tcp",)), ("[::1]:8080:80", ("80/tcp",)), ("::80", ("80/tcp",)),
        ("8000-8001:80", ("80/tcp",)), ("5-5", ("5/tcp",)), ("0", ("0/tcp",)),
    ],
)  # fmt: skip
def test_ports(text: str, expected: tuple[str, ...]) -> None:
    assert exposed(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "/tcp", "x", "80/http", "3-1", "65536", "-1", "1-2:1-3", "host:1:2", "300.0.0.1::80", "1-", "80:"],
)
def test_no_ports(text: str) -> None:
    with pytest.raises(ValueError, match="`"):
        exposed(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a/b", "local"), ("./git@x:y", "local"), ("ftp://x/y", "local"), ("https://x/y.tgz", "web"),
        ("http://x", "web"), ("https://x/y.git", "git"), ("https://x/y.git#v1:sub", "git"),
        ("https://x/y.git?ref=v1", "git"), ("https://x/y.gitx", "web"), ("git://x/y", "git"),
        ("ssh://x/y", "git"), ("git@x.y:z/w.git", "git"), ("HTTPS://x/y", "local"),
        ("github.com/a/b", "local"), ("https://[broken", "web"),
    ],
)  # fmt: skip
def test_addresses(text: str, kind: str) -> None:
    assert addresses.kind(text) == kind


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://x/a/b.txt", "b.txt"), ("https://x/a/b/", "b"), ("https://x", "__unnamed__"),
        ("https://x/", "__unnamed__"), ("https://x/a%20b?c=/d#e", "a b"),
    ],
)  # fmt: skip
def test_names_of_fetched_files(text: str, name: str) -> None:
    assert addresses.file_name(text) == name


def test_credentials() -> None:
    assert addresses.has_credentials("https://u:p@x/y")
    assert addresses.has_credentials("https://token@[broken/y")
    assert not addresses.has_credentials("https://x/y@z")


@pytest.mark.parametrize(
    ("source", "secret"),
    [
        ("https://u:p@x/y", True), ("https://token@x/y.git#main", True), ("HTTPS://token@x/y.git", True),
        ("https://token@[broken/y.git", True), ("git://u:p@x/y", True), ("ssh://git:p@x/y", True),
        ("https://x/y.git#a@b", False), ("git@x:y/z.git", False), ("ssh://git@x:22/y", False),
        ("ssh://x:22/y", False), ("git://x/y@z:1", False), ("a@b:c/file", False), ("u:p@x/y", False),
    ],
)  # fmt: skip
def test_secrets_of_sources(source: str, secret: bool) -> None:
    assert addresses.has_secret(source) is secret


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"), ("amd64", "linux/amd64"), ("arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"), ("aarch64", "linux/arm64"), ("x86_64", "linux/amd64"),
        ("linux/arm", "linux/arm/v7"), ("linux/arm/6", "linux/arm/v6"), ("armhf", "linux/arm/v7"),
        ("Linux/AMD64/v1", "linux/amd64"), ("linux", "linux/amd64"), ("linux/amd64/v3", "linux/amd64/v3"),
        ("macos", "darwin/amd64"),
    ],
)  # fmt: skip
def test_platforms(text: str, expected: str) -> None:
    assert str(parse_platform(text)) == expected


@pytest.mark.parametrize("text", ["", "a/b/c/d", "linux/", "linux/a b", "/"])
def test_no_platforms(text: str) -> None:
    with pytest.raises(ValueError, match="platform"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("debian", True), ("debian:12-slim", True), ("a/b/c", True), ("localhost:5000/a:b", True),
        ("x.y/z", True), (f"a@sha256:{'0' * 64}", True), (f"a:b@sha256:{'0' * 64}", True),
        ("[::1]:5000/a", True), ("A", False), ("a:", False), ("a//b", False), ("-a", False),
        ("a@sha256:0", False), ("", False), ("a" * 600, False), ("HOST/a", True),
    ],
)  # fmt: skip
def test_references(text: str, valid: bool) -> None:
    assert is_reference(text) == valid


@pytest.mark.parametrize(
    ("word", "expected"),
    [("FORM", "FROM"), ("copyy", "COPY"), ("XYZ", ""), ("chwon", ""), ("F", ""), ("x" * 100, "")],
)
def test_suggestions(word: str, expected: str) -> None:
    assert suggest.nearest(word, ("FROM", "COPY", "RUN")) == expected


def test_lists_of_words() -> None:
    assert [suggest.one_of(words) for words in (("a",), ("a", "b"), ("a", "b", "c"))] == [
        "`a`",
        "`a` or `b`",
        "`a`, `b` or `c`",
    ]


@pytest.mark.parametrize("text", ["1", "t", "TRUE", "true", "0", "f", "False"])
def test_booleans(text: str) -> None:
    assert gotext.parse_bool(text) == (text.lower() in ("1", "t", "true"))
