"""An account with one user id only, as clusters give: composing needs nothing, storing needs a setting."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.restrict import NO_RANGES
from tests.twin.conftest import Account, Contexts

_BUD = ("python3", "-m", "buildah_plugin.cli", "bud")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_composing_needs_no_ranges(
    account: Account, contexts: Contexts, outbox: Path, fresh: dict[str, str]
) -> None:
    """Owners of the base and of copies, set-id bits: the same file as with ranges."""
    context = contexts.make(
        "FROM python:3.11-slim\nCOPY --chown=daemon:staff --chmod=4755 a /opt/conda/\nCOPY a /var/local/\n",
        {"a": "a"},
    )
    one, two = outbox / "one.tar", outbox / "two.tar"
    account.bud("-o", f"type=oci,dest={one}", str(context))
    account.restricted(NO_RANGES, *_BUD, "-o", f"type=oci,dest={two}", str(context), environ=fresh)
    assert digest(one) == digest(two)


@pytest.mark.parametrize("driver", ["overlay", "vfs"])
def test_storage_with_one_id(driver: str, account: Account, plain: Path, fresh: dict[str, str]) -> None:
    """With `ignore_chown_errors` the storage takes the image, and Podman runs it."""
    lines = f'[storage]\\ndriver="{driver}"\\n[storage.options.{driver}]\\nignore_chown_errors="true"\\n'
    settings = f"{fresh['XDG_CONFIG_HOME']}/containers"
    account.run("sh", "-c", f"mkdir -p {settings}; printf '{lines}' > {settings}/storage.conf")
    account.restricted(NO_RANGES, *_BUD, "-t", "one-id", str(plain), environ=fresh)
    run = ("podman", "run", "--rm", "--network=none", "--entrypoint", "/.cir/shim", "one-id", "./verify")
    # Podman wants the root of its mount namespace shared.
    done = account.restricted(f"mount --make-rshared /; {NO_RANGES}", *run, environ=fresh)
    assert "plain: " in done.out
