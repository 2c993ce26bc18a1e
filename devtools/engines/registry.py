"""Pushing images into a registry without a client (distribution specification 1.1, HTTP on loopback)."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from devtools.engines import images
from devtools.errors import DevError


def push(address: str, name: str, variants: Sequence[images.Image]) -> None:
    """Push one image for several architectures as an index; blobs that the registry has are not sent again.

    :param address: `host:port`
    :param name: `repository:tag`
    :raises DevError: when the registry refuses
    """
    repository, _, tag = name.partition(":")
    for variant in variants:
        for layer in variant.layers:
            push_blob(address, repository, layer.digest, layer.blob)
        push_blob(address, repository, images.digest(variant.config), variant.config)
        put_manifest(address, repository, images.digest(variant.manifest), images.MANIFEST, variant.manifest)
    put_manifest(address, repository, tag, images.INDEX, images.index(variants))


def has(address: str, name: str, variants: Sequence[images.Image]) -> bool:
    """Whether the tag is the index of exactly these images."""
    repository, _, tag = name.partition(":")
    reply = call(address, "HEAD", f"/v2/{repository}/manifests/{tag}", accept=images.INDEX)
    return reply.getheader("Docker-Content-Digest") == images.digest(images.index(variants))


def push_blob(address: str, repository: str, digest: str, content: bytes | Path) -> None:
    """Upload a blob in one piece unless the registry has it."""
    if call(address, "HEAD", f"/v2/{repository}/blobs/{digest}").status == 200:
        return
    begun = call(address, "POST", f"/v2/{repository}/blobs/uploads/")
    location = begun.getheader("Location", "")
    path = location[location.index("/v2/") :] if "/v2/" in location else ""
    target = f"{path}{'&' if '?' in path else '?'}digest={digest}"
    if isinstance(content, bytes):
        sent = call(address, "PUT", target, content)
    else:
        with content.open("rb") as blob:
            sent = call(address, "PUT", target, blob, length=content.stat().st_size)
    require_created(sent, f"blob {digest} of {repository}")


def put_manifest(address: str, repository: str, reference: str, media_type: str, content: bytes) -> None:
    """Upload a manifest or an index under a tag or its digest."""
    reply = call(address, "PUT", f"/v2/{repository}/manifests/{reference}", content, media_type=media_type)
    require_created(reply, f"{repository}:{reference}")


def require_created(reply: http.client.HTTPResponse, what: str) -> None:
    """Make sure that the registry said 201 Created.

    :raises DevError: when it said something else
    """
    if reply.status != 201:
        raise DevError(
            f"the registry does not take {what}", f"status {reply.status}", "see registry.log in the cache"
        )


def call(
    address: str,
    method: str,
    target: str,
    body: bytes | IO[bytes] | None = None,
    *,
    length: int | None = None,
    media_type: str = "application/octet-stream",
    accept: str = "*/*",
) -> http.client.HTTPResponse:
    """One HTTP request; the reply's body has been read.

    :raises DevError: when the registry cannot be reached
    """
    headers = {"Accept": accept, "Content-Type": media_type}
    if length is not None:
        headers["Content-Length"] = str(length)
    connection = http.client.HTTPConnection(address, timeout=120)
    try:
        connection.request(method, target, body, headers)
        reply = connection.getresponse()
        reply.read()
        return reply
    except OSError as error:
        raise DevError(f"the registry at {address} does not answer", str(error)) from error
    finally:
        connection.close()
