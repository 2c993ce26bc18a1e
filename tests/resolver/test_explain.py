"""What uv may say that is hard to provoke, and that an old and a new uv are understood alike."""

from __future__ import annotations

import pytest

from cirfile.resolver.explain import explain, redact

_SPLIT = (
    " for split (markers: python_full_version >= '3.12' and platform_machine == 'aarch64' "
    "and platform_version == 'cir accelerator=cuda' and sys_platform == 'linux')"
)
_TABLE = [
    (
        f"error: No solution found when resolving dependencies{_SPLIT}\n"
        "  cause: Because a depends on b<2 and you require b>=2, we can conclude that your requirements "
        "are unsatisfiable.\n\nhint: The resolution failed for an environment that is not the current one",
        65,
        "the requirements contradict each other on linux/arm64, Python >= 3.12, accelerator=cuda: "
        "a depends on b<2 and the Cirfile requires b>=2",
    ),
    (
        "  × No solution found when resolving dependencies:\n"  # noqa: RUF001
        "  ╰─▶ Because nosuch was not found in the package registry and you require nosuch, we can\n"
        "      conclude that your requirements are unsatisfiable.\n",
        69,
        "no package index has `nosuch`",
    ),
    (
        "error: No solution found when resolving dependencies\n"
        "  cause: Because the requested Python version (>=3.11) does not satisfy Python>=3.12 and "
        "scipy==1.18.1 depends on Python>=3.12, we can conclude that scipy==1.18.1 cannot be used.\n"
        "         And because you require scipy==1.18.1, we can conclude that your requirements are "
        "unsatisfiable.\n",
        78,
        "`scipy==1.18.1` needs Python >=3.12, but Python >=3.11 is promised",
    ),
    (
        "error: No solution found when resolving dependencies\n"
        "  cause: Because all versions of flash-attn have no usable wheels and you require flash-attn, "
        "we can conclude that your requirements are unsatisfiable.\n\nhint: Wheels are required for "
        "`flash-attn` because building from source is disabled for all packages\n",
        78,
        "`flash-attn` has no wheel for the promised platforms (only a source archive)",
    ),
    (
        "error: Failed to fetch: `https://me:hush@index.test/simple/a/`\n"
        "  Caused by: invalid peer certificate: UnknownIssuer\n",
        69,
        "the certificate of `index.test` is not trusted here (UnknownIssuer)",
    ),
    (
        "error: Failed to fetch: `https://index.test/a`\n  Caused by: HTTP status client error "
        "(407 Proxy Authentication Required) for url (https://index.test/a)",
        69,
        "407 Proxy Authentication Required",
    ),
    (
        "\x1b[1merror\x1b[0m: something https://u:hush@x.test nobody foresaw",
        70,
        "https://***@x.test nobody foresaw",
    ),
    ("", 70, "uv could not resolve the requirements: it gave no reason"),
]


@pytest.mark.parametrize(("said", "code", "message"), _TABLE, ids=[str(i) for i in range(len(_TABLE))])
def test_explanations(said: str, code: int, message: str) -> None:
    error = explain(said, {})
    assert message in error.message
    assert error.code == code
    assert "hush" not in str(error)


def test_redaction() -> None:
    assert (
        redact("see https://me:p%40ss@a.test/x and http://b.test/@c")
        == "see https://***@a.test/x and http://b.test/@c"
    )
