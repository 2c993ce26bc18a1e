"""What uv is told of this deployment's network: indexes, credentials, proxies, authorities.

Everything goes by its environment, which only its user can read, never by its command line, which everybody on
the machine can. It is made from the same readings as our own fetching (`indexes`, `access`), so what
resolves is what is fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from cirfile.manifest import Manifest
from shim.providers.pypi import indexes
from shim.providers.pypi.access import Access
from shim.providers.pypi.address import Address

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_PASSED = (*_PROXIES, *(name.lower() for name in _PROXIES), "HOME", "UV_HTTP_TIMEOUT")


def environment(given: Mapping[str, str], manifest: Manifest, folder: Path) -> dict[str, str]:
    """The variables for uv.

    :param given: the environment of the container
    :param folder: a private folder, for a bundle of authorities that has to be put together
    :raises ShimError: 64 for index settings, 69 for a netrc or a bundle that cannot be read
    """
    told = {name: given[name] for name in _PASSED if given.get(name)}
    own = [index for index in manifest.indexes if index.ecosystem == "pypi"]
    here = indexes.read(given, manifest)
    default = _whole(here.default) if here.default else next((i.url for i in own if i.role == "default"), "")
    extra = [*(index.url for index in own if index.role != "default"), *map(_whole, here.extra)]
    access = Access(given)
    file, authorities = access.trust(folder)
    told |= {
        "UV_DEFAULT_INDEX": default,
        "UV_INDEX": " ".join(extra),
        "NETRC": access.netrc_file,
        "SSL_CERT_FILE": file,
        "SSL_CERT_DIR": authorities,
    }
    return {name: value for name, value in told.items() if value}


def _whole(address: Address) -> str:
    """An address with the credentials that were written into it, or into uv's variables for its name."""
    if not (address.user or address.password):
        return address.text
    login = f"{quote(address.user, safe='')}:{quote(address.password, safe='')}"
    return address.text.replace("://", f"://{login}@", 1)
