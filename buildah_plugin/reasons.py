"""What Buildah and Skopeo say when they fail, what that means, and the way out."""

from __future__ import annotations

from buildah_plugin import process
from buildah_plugin.process import ProcessError
from cirfile.cli.errors import INVALID, NO_INPUT, PERMISSION, TRY_AGAIN, UNAVAILABLE, CliError

_REFUSED = (
    PERMISSION, "was refused by its registry", "log in with `buildah login`, or give --authfile or --creds",
)  # fmt: skip
_UNKNOWN = (NO_INPUT, "is not in its registry", "check its name and tag")
_UNREACHED = (UNAVAILABLE, "cannot be reached", "check the registry's address, and the network")
_FULL = (
    TRY_AGAIN,
    "does not fit on the disk",
    "free some space, or use another disk (XDG_CACHE_HOME, TMPDIR)",
)
_FEW_IDS = (
    PERMISSION, "needs more user ids than this account has",
    'ask for ranges in /etc/subuid and /etc/subgid, or set `ignore_chown_errors = "true"` in storage.conf',
)  # fmt: skip
_PLAIN = (
    UNAVAILABLE, "is in a registry without TLS",
    "give --tls-verify=false, or name the registry `insecure` in registries.conf",
)  # fmt: skip
_UNTRUSTED = (
    UNAVAILABLE, "is in a registry whose certificate is not trusted",
    "give --cert-dir with its authority, or --tls-verify=false",
)  # fmt: skip
_NO_POLICY = (
    UNAVAILABLE, "cannot be fetched without a policy about signatures",
    "install containers-common, or write ~/.config/containers/policy.json (containers-policy.json(5))",
)  # fmt: skip
_BROKEN = (INVALID, "is not whole", "fetch or write it again")

#: The first words that are found count.
_REASONS = (
    ("policy.json", _NO_POLICY),
    ("no space left on device", _FULL),
    ("disk quota exceeded", _FULL),
    ("insufficient UIDs or GIDs", _FEW_IDS),
    ("lchown", _FEW_IDS),
    ("unauthorized", _REFUSED),
    ("authentication required", _REFUSED),
    ("invalid username/password", _REFUSED),
    ("denied", _REFUSED),
    ("server gave HTTP response to HTTPS client", _PLAIN),
    ("certificate", _UNTRUSTED),
    ("connection refused", _UNREACHED),
    ("no such host", _UNREACHED),
    ("i/o timeout", _UNREACHED),
    ("network is unreachable", _UNREACHED),
    ("manifest unknown", _UNKNOWN),
    ("name unknown", _UNKNOWN),
    ("not found", _UNKNOWN),
    ("unexpected EOF", _BROKEN),
    ("Digest did not match", _BROKEN),
    ("no such file", (NO_INPUT, "is not there", "check its name")),
)


def explained(error: ProcessError, what: str) -> CliError:
    """Return an error that says what a program's words mean for ``what``, with the way out and the words."""
    for words, (code, meaning, hint) in _REASONS:
        if words in error.tail:
            said = error.tail.strip().splitlines()[-1]
            return CliError(code, f"{what} {meaning}\n{process.shown(error.argv)}: {said}", hint)
    return error
