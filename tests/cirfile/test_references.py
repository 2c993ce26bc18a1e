"""Names of images, by the examples of the reference grammar."""

from __future__ import annotations

import pytest

from cirfile import references

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python", "docker.io/library/python:latest"),
        ("python:3.11-slim", "docker.io/library/python:3.11-slim"),
        ("user/app", "docker.io/user/app:latest"),
        ("docker.io/python", "docker.io/library/python:latest"),
        ("index.docker.io/python", "docker.io/library/python:latest"),
        ("localhost/cir/shim:0.1.0", "localhost/cir/shim:0.1.0"),
        ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
        ("host:5000/a", "host:5000/a:latest"),
        (f"python@{DIGEST}", f"docker.io/library/python@{DIGEST}"),
        (f"ghcr.io/a/b:1@{DIGEST}", f"ghcr.io/a/b:1@{DIGEST}"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        ("a__b/c.d-e", "docker.io/a__b/c.d-e:latest"),
    ],
)
def test_normalize(text: str, expected: str) -> None:
    assert references.normalize(text) == expected


@pytest.mark.parametrize(
    "text", ["", "Python", "a/B", "a:", "a:b c", "a@sha256:1", "a//b", "-a", "a:" + "x" * 129, "a b"]
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(references.ImageNameError):
        references.normalize(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker.io/library/python:latest", "python"),
        ("python:3", "python:3"),
        ("user/a", "user/a"),
        ("q.io/a", "q.io/a"),
    ],
)
def test_familiar(text: str, expected: str) -> None:
    assert references.familiar(text) == expected


def test_pin_keeps_a_digest_that_is_there() -> None:
    assert references.pin("a", DIGEST) == f"a@{DIGEST}"
    assert references.pin("a", "") == "a"
    assert references.pin(f"a@{DIGEST}", "sha256:" + "1" * 64) == f"a@{DIGEST}"
