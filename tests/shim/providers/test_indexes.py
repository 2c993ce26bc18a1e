"""Indexes named at deployment: which variables count, and where a page may lead."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirfile.ecosystems import indexes as language
from shim import warm
from shim.errors import UNAVAILABLE, ShimError
from shim.providers.pypi import indexes, pages
from shim.providers.pypi.address import Address, parse
from tests.shim.providers.support import assemble, serve, workplace
from tests.support.index import Index, make_certificate
from tests.support.wheels import Wheel


def test_build_and_start_read_the_same_variables_in_the_same_order() -> None:
    assert indexes.DEFAULT_VARIABLES == language.DEFAULT_VARIABLES
    assert indexes.EXTRA_VARIABLES == language.EXTRA_VARIABLES


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"UV_INDEX_URL": "a", "PIP_INDEX_URL": "b"}, {"UV_INDEX_URL": "a", "PIP_INDEX_URL": "b"}),
        ({"UV_DEFAULT_INDEX": "a", "CIR_PIP_INDEX_URL": "b"}, {"PIP_INDEX_URL": "b"}),
        ({"UV_DEFAULT_INDEX": "a", "CIR_UV_INDEX": "b"}, {"UV_DEFAULT_INDEX": "a", "UV_INDEX": "b"}),
        ({"UV_INDEX": "a", "CIR_UV_EXTRA_INDEX_URL": ""}, {"UV_EXTRA_INDEX_URL": ""}),
    ],
)
def test_those_for_the_shim_alone_count_instead_of_all_of_their_role(
    given: dict[str, str], expected: dict[str, str]
) -> None:
    found = warm.index_settings({name.encode(): value.encode() for name, value in given.items()})
    assert {name.decode(): value.decode() for name, value in found.items()} == expected


def test_a_page_read_over_https_does_not_lead_to_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logins go by the name of the host: they would be sent in clear."""
    wheels = serve(tmp_path / "index", Wheel("demo"))
    certificate = make_certificate(tmp_path, "127.0.0.1")
    really = pages.find

    def downgraded(*arguments: object) -> Address | None:
        found = really(*arguments)  # type: ignore[arg-type]
        return found and parse(found.text.replace("https://", "http://"))

    with Index(tmp_path / "index", tls=certificate.pair) as index:
        environment = {"SSL_CERT_FILE": str(certificate.ca), "UV_DEFAULT_INDEX": index.url}
        assemble(index, wheels, workplace(tmp_path / "1", environment=environment))
        monkeypatch.setattr(pages, "find", downgraded)
        with pytest.raises(ShimError, match="which is not encrypted") as caught:
            assemble(index, wheels, workplace(tmp_path / "2", environment=environment))
    assert caught.value.code == UNAVAILABLE
