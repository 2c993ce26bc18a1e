"""How this machine reaches the network: proxies, certificate authorities, credentials.

All of it comes from the environment; the variables are those of curl, pip and uv. Nothing here opens a
connection.
"""

from __future__ import annotations

import netrc
import ssl
from collections.abc import Mapping
from pathlib import Path

from shim.errors import UNAVAILABLE, ShimError
from shim.providers.pypi.address import Address, parse

#: Where systems keep their bundle of certificate authorities; the last is the shim's own, if it brought one.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",  # older RHEL, Amazon Linux
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, BSD
    "/var/lib/ca-certificates/ca-bundle.pem",  # openSUSE MicroOS
    "/.cir/lib/ca-certificates.crt",
)
_FILE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: Build secrets of the same names, where an engine mounts them at run time too.
_SECRET_CA, _SECRET_NETRC = "/run/secrets/cir_ca", "/run/secrets/cir_netrc"


class Access:
    """Proxies, authorities and credentials for every address; read-only after it has been made."""

    def __init__(self, environment: Mapping[str, str], known: tuple[Address, ...] = ()) -> None:
        """Read what is needed from ``environment``; ``known`` are addresses that carry credentials."""
        self._environment = environment
        self._known = tuple(address for address in known if address.user or address.password)
        self.netrc_file, self._netrc, self.netrc_fault = _read_netrc(environment)
        self._context: ssl.SSLContext | None = None

    def credentials(self, address: Address) -> tuple[str, str] | None:
        """User and password for an address: from itself, the nearest index of the same origin, or netrc."""
        if address.user or address.password:
            return address.user, address.password
        near = [known for known in self._known if known.origin == address.origin]
        if near:
            nearest = max(near, key=address.shared)
            return nearest.user, nearest.password
        entry = self._netrc.authenticators(address.host) if self._netrc else None
        return (entry[0], entry[2] or "") if entry else None

    def proxy(self, address: Address) -> Address | None:
        """The proxy to use for an address, `None` for a direct connection.

        :raises ShimError: 69 where the variable does not hold an http address
        """
        if self._bypassed(address):
            return None
        names = (f"{address.scheme}_proxy", f"{address.scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
        name = next((name for name in names if self._environment.get(name)), "")
        if not name:
            return None
        value = self._environment[name]
        try:
            proxy = parse(value if "://" in value else f"http://{value}")
        except ValueError as error:
            raise ShimError(UNAVAILABLE, f"{name}: {error}", "proxies here are http://host:port") from None
        if proxy.scheme != "http":
            message = f"{name}: a proxy that is itself reached over {proxy.scheme} is not supported"
            raise ShimError(UNAVAILABLE, message, "give its http:// address")
        return proxy

    def tls(self) -> ssl.SSLContext:
        """A context that verifies servers against this machine's authorities.

        :raises ShimError: 69 where no authorities are found
        """
        if self._context is None:
            self._context = self._make_context()
        return self._context

    def trust(self, folder: Path) -> tuple[str, str]:
        """The file and the folder of authorities for another program, each empty where there is none.

        :param folder: where to put the two files together if the secret adds to the usual authorities
        :raises ShimError: 69 where a file cannot be read
        """
        file, authorities = self._places()
        if self._named() or not Path(_SECRET_CA).is_file():
            return file, authorities
        bundle = folder / "authorities.pem"
        try:
            bundle.write_bytes(b"\n".join(Path(part).read_bytes() for part in (file, _SECRET_CA) if part))
        except OSError as error:
            raise _unreadable(error.filename or file, error) from None
        return str(bundle), authorities

    def authorities(self) -> str:
        """Where the authorities come from, for messages."""
        file, folder = self._places()
        return file or folder or "nowhere"

    def _bypassed(self, address: Address) -> bool:
        """Whether NO_PROXY names the host: ``*``, a name, a domain, a network, with or without port."""
        value = self._environment.get("no_proxy") or self._environment.get("NO_PROXY") or ""
        for entry in (part.strip().lower() for part in value.split(",")):
            name, colon, port = entry.rpartition(":")
            if colon and port.isdigit() and ":" not in name:
                if int(port) != address.port:
                    continue
                entry = name
            if entry == "*" or (entry and _covers(entry.lstrip("."), address.host)):
                return True
        return False

    def _make_context(self) -> ssl.SSLContext:
        file, folder = self._places()
        if not file and not folder:
            message = "the base image has no certificate authorities, so no server can be trusted"
            hint = (
                "add the package ca-certificates to the base, or mount a bundle and name it in SSL_CERT_FILE"
            )
            raise ShimError(UNAVAILABLE, message, hint)
        try:
            context = ssl.create_default_context(cafile=file or None, capath=folder or None)
            if not self._named() and Path(_SECRET_CA).is_file():
                context.load_verify_locations(_SECRET_CA)
        except OSError as error:
            raise _unreadable(file or folder, error) from None
        return context

    def _named(self) -> bool:
        return any(self._environment.get(name) for name in (*_FILE_VARIABLES, "SSL_CERT_DIR"))

    def _places(self) -> tuple[str, str]:
        """The file and the folder of authorities: those named in the environment, or the first usual file."""
        file = next((self._environment[name] for name in _FILE_VARIABLES if self._environment.get(name)), "")
        folder = self._environment.get("SSL_CERT_DIR", "")
        if folder and not Path(folder).is_dir():  # commonly set for a base that then lacks it
            folder = ""
        if file and folder and not Path(file).is_file():
            file = ""
        if file or folder:
            return file, folder
        return next((bundle for bundle in BUNDLES if Path(bundle).is_file()), ""), ""


def _unreadable(place: str, error: OSError) -> ShimError:
    message = f"the certificate authorities cannot be read from {place}: {error.strerror or error}"
    return ShimError(UNAVAILABLE, message, "point SSL_CERT_FILE to a bundle in PEM format")


def _covers(entry: str, host: str) -> bool:
    if host == entry or host.endswith(f".{entry}"):
        return True
    if "/" not in entry or not host.replace(".", "").replace(":", "").isalnum():
        return False
    import ipaddress  # rarely needed, and slow to import

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _read_netrc(environment: Mapping[str, str]) -> tuple[str, netrc.netrc | None, str]:
    """The first netrc file there is: its place, empty without one, what it says, and why it says nothing.

    One that another program wrote for itself may hold words that Python's reader does not know. That matters once an
    index asks for a login.

    :raises ShimError: 69 where a named one cannot be opened
    """
    home = environment.get("HOME", "")
    named = environment.get("NETRC", "")
    places = [named] if named else [_SECRET_NETRC, *([f"{home}/.netrc"] if home else [])]
    for place in places:
        try:
            return place, netrc.netrc(place), ""
        except FileNotFoundError:
            continue
        except OSError as error:
            if not named:
                continue  # another user's home, as with an arbitrary UID
            message = f"{place} cannot be read: {error.strerror}"
            raise ShimError(UNAVAILABLE, message, "correct it, or unset NETRC") from None
        except (netrc.NetrcParseError, UnicodeDecodeError) as error:  # its contents are not shown
            return place, None, f"{place} cannot be read: line {getattr(error, 'lineno', '?')}"
    return "", None, ""
