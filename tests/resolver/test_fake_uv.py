"""A uv that is not there, that dies, or that answers nonsense: a real program in its place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from buildah_plugin.engine import environment, secrets_folder
from cirfile.cli.host import NOBODY, host
from cirfile.manifest import Manifest, Requirement
from cirfile.resolver import ResolverError, resolve
from cirfile.resolver.uv import find_uv

_MANIFEST = Manifest((Requirement("pypi", "alpha"),), platforms=(("arch", ("amd64",)),))


def _uv(folder: Path, body: str) -> dict[str, str]:
    program = folder / "uv"
    program.write_text(f"#!{sys.executable}\nimport os, sys\n{body}\n")
    program.chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            "sys.exit('error: the disk is full')",
            70,
            "uv could not resolve the requirements: the disk is full",
        ),
        ("os.kill(os.getpid(), 9)", 70, "uv could not resolve the requirements: it gave no reason"),
        ("print('lock-version = \"9\"')", 65, "this is no pylock file of version 1"),
        ("print('<html>')", 65, "the lock file is not TOML"),
    ],
)
def test_an_unexpected_answer(tmp_path: Path, body: str, code: int, message: str) -> None:
    with pytest.raises(ResolverError) as caught:
        resolve(_MANIFEST, _uv(tmp_path, body), tmp_path)
    assert caught.value.code == code
    assert message in caught.value.message


def test_a_program_that_can_not_start(tmp_path: Path) -> None:
    environ = _uv(tmp_path, "")
    (tmp_path / "uv").write_text("#!/nonexistent/interpreter\n")
    with pytest.raises(ResolverError, match="can't start"):
        resolve(_MANIFEST, environ, tmp_path)


def test_only_what_is_meant_reaches_uv(tmp_path: Path) -> None:
    record = tmp_path / "record"
    environ = _uv(
        tmp_path, f"open({str(record)!r}, 'a').write(repr((sys.argv[1:], dict(os.environ))))\nsys.exit(1)"
    )
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "cir_netrc").write_text("machine index.test login me password hush\n")
    (secrets / "cir_ca").write_text("-----BEGIN CERTIFICATE-----\n")
    environ |= {
        "https_proxy": "http://proxy.test:3128",
        "UV_INDEX": "https://other.test",
        "AWS_SECRET": "hush",
    }
    with pytest.raises(ResolverError):
        resolve(_MANIFEST, environ, secrets)
    argv, seen = eval(record.read_text())
    assert seen["https_proxy"] == "http://proxy.test:3128"
    assert seen["NETRC"] == str(secrets / "cir_netrc")
    assert seen["SSL_CERT_FILE"].endswith("trust.pem")
    assert not {"UV_INDEX", "AWS_SECRET"} & set(seen)
    assert "hush" not in repr((argv, seen))
    assert argv[5:8] == ["--universal", "--python-version", "3.11"]


def test_uv_is_found_beside_the_interpreter_or_in_its_package() -> None:
    assert Path(find_uv({"PATH": "/nonexistent"})).name == "uv"


@pytest.mark.parametrize("forward", [True, False])
def test_the_twin_hands_over_credentials_among_its_secrets_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forward: bool
) -> None:
    """With ``--no-forward`` nothing of this user reaches uv, not even by way of the home folder."""
    record = tmp_path / "record"
    program = _uv(tmp_path, f"open({str(record)!r}, 'w').write(repr(dict(os.environ)))\nsys.exit(1)")
    (tmp_path / ".netrc").write_text("machine index.test login me password hush\n")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", program["PATH"])
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.delenv("NETRC", raising=False)
    machine = host() if forward else NOBODY
    with secrets_folder(machine, {}) as secrets, pytest.raises(ResolverError):
        resolve(_MANIFEST, environment(machine), secrets)
    seen = eval(record.read_text())
    assert ("NETRC" in seen, "SSL_CERT_FILE" in seen) == (forward, forward)
