"""What of this machine builds and containers need: certificates, credentials, proxies, index settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from cirfile.cli.errors import USAGE, CliError
from cirfile.ecosystems.indexes import DEFAULT_VARIABLES, EXTRA_VARIABLES

#: Where distributions keep the bundle of trusted certificates; a company's CA is in it, too.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
PROXIES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
)
INDEXES = (*DEFAULT_VARIABLES, *EXTRA_VARIABLES)


@dataclass(frozen=True, slots=True)
class Host:
    """The settings of one machine. ``logins`` are netrc lines taken out of the addresses of indexes."""

    certificates: Path | None
    netrc: Path | None
    proxies: tuple[tuple[str, str], ...]
    indexes: tuple[tuple[str, str], ...]
    logins: tuple[str, ...]

    def beside(self, given: Iterable[str]) -> Host:
        """Return the same without the index settings that the user's take the place of.

        What is asked for with one variable is not to lose against this machine's with another one, which clients read
        first. So where any of a role (the default index, the extra ones) is ``given``, none of that role is left.
        """
        names = {name.removeprefix("CIR_") for name in given}
        taken = {name for role in (DEFAULT_VARIABLES, EXTRA_VARIABLES) if names & {*role} for name in role}
        return replace(self, indexes=tuple(pair for pair in self.indexes if pair[0] not in taken))


#: Nothing to hand over.
NOBODY = Host(None, None, (), (), ())


def netrc_of(machine: Host, folder: Path) -> Path | None:
    """Return the netrc to hand over: the machine's own, or in ``folder`` one with `Host.logins` added.

    They come last, since readers keep the last login of a host: what stands in an address is meant more than what is
    in a file. The empty line ends a macro that the file may end with.
    """
    if not machine.logins:
        return machine.netrc
    own = machine.netrc.read_bytes().rstrip(b"\n") + b"\n\n" if machine.netrc else b""
    path = folder / "netrc"
    path.touch(mode=0o600)
    path.write_bytes(own + "".join(f"{login}\n" for login in machine.logins).encode())
    return path


def host(environ: Mapping[str, str] = os.environ) -> Host:
    """Read the settings from an environment and the usual places.

    Raise `CliError` (64) for a bad address, and where addresses give one host two logins.
    """
    indexes: list[tuple[str, str]] = []
    logins: dict[str, _Login] = {}
    for name in INDEXES:
        if environ.get(name):
            words = [_split_login(name, word) for word in environ[name].split()]
            indexes.append((name, " ".join(address for address, _ in words)))
            for login in (login for _, login in words if login):
                _check_same(logins.setdefault(login.host, login), login)
    return Host(
        certificates=_first_file(environ.get("SSL_CERT_FILE"), *BUNDLES),
        netrc=_first_file(environ.get("NETRC"), str(Path(environ.get("HOME", "/nonexistent")) / ".netrc")),
        proxies=tuple((name, environ[name]) for name in PROXIES if environ.get(name)),
        indexes=tuple(indexes),
        logins=tuple(login.line for login in logins.values()),
    )


def _first_file(*places: str | None) -> Path | None:
    return next((Path(place).resolve() for place in places if place and Path(place).is_file()), None)


@dataclass(frozen=True, slots=True)
class _Login:
    """The line of netrc for a host, and the variable whose address held it."""

    variable: str
    host: str
    line: str


def _check_same(first: _Login, other: _Login) -> None:
    """Raise `CliError` (64) for two logins of one host: netrc knows hosts, so one would be used for both."""
    if first.line == other.line:
        return
    variables = " and ".join(dict.fromkeys((first.variable, other.variable)))
    raise CliError(
        USAGE,
        f"the addresses in {variables} hold two different logins for {first.host}",
        "use one login for the host, one that may read all of its indexes",
    )


def _split_login(variable: str, word: str) -> tuple[str, _Login | None]:
    """Take user and password out of an address; ``UV_INDEX`` may put ``name=`` before it."""
    name, separator, url = word.partition("=") if "=" in word.partition("://")[0] else ("", "", word)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _no_address(variable) from None
    login, found, place = parts.netloc.rpartition("@")
    if not found:
        return word, None
    if not parts.hostname:
        raise _no_address(variable)
    user, _, password = login.partition(":")
    address = urlunsplit(parts._replace(netloc=place))
    line = f"machine {parts.hostname} login {_quoted(unquote(user))} password {_quoted(unquote(password))}"
    return f"{name}{separator}{address}", _Login(variable, parts.hostname, line)


def _no_address(variable: str) -> CliError:
    """The address itself is not shown: it may hold a password."""
    return CliError(
        USAGE,
        f"the environment variable {variable} holds something that is no address",
        "correct or unset it",
    )


def _quoted(token: str) -> str:
    """Write a token of a netrc file, which may hold blanks or nothing, as uv and Python's netrc read it."""
    return '"' + token.replace("\\", "\\\\").replace('"', '\\"') + '"'
