"""What uv says when it fails, as a short message with a way out.

uv explains itself well to people who called uv. These people did not: they wrote a Cirfile, so its
words for markers, settings and flags are translated or left out. Credentials never pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from cirfile.resolver.errors import INTERNAL, INVALID, NOT_PROMISED, UNAVAILABLE, ResolverError
from cirfile.wheels import MACHINES

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@`'\"]+@")
_WORLD = re.compile(r"platform_version == 'cir ([^']*)'")
_SPLIT = re.compile(r" for split \((?:markers|included): (.*)\)\s*$", re.DOTALL)
_HOST = re.compile(r"https?://(?:[^/\s@]*@)?([^/\s`)]+)")
_MISSING = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])? was not found in the (?:package registry|provided)")
_NO_VERSION = re.compile(r"there (?:is|are) no versions? of ([^\s,]+)")
_NO_WHEEL = re.compile(
    r"((?:all versions of )?[A-Za-z0-9._-]+\S*) "
    r"(?:has|have) no (?:usable wheels|wheels with|`[^`]+`-compatible wheels)"
)

_CA_HINT = (
    "pass the CA certificates of your network: `--secret id=cir_ca,src=/etc/ssl/certs/ca-certificates.crt` "
    "(`cir build` does it by itself)"
)
_NETRC_HINT = (
    "pass its credentials: `--secret id=cir_netrc,src=$HOME/.netrc` with a line "
    "`machine HOST login USER password …` (`cir build` does it by itself)"
)


def explain(stderr: str, environment: Mapping[str, str]) -> ResolverError:
    """Translate what uv wrote on stderr before it failed."""
    said = redact(_ANSI.sub("", stderr)).strip()
    for recognise in _RECOGNISERS:
        error = recognise(said, environment)
        if error is not None:
            return error
    reason = _causes(said) or "it gave no reason"
    return ResolverError(INTERNAL, f"uv could not resolve the requirements: {reason}")


def redact(text: str) -> str:
    """Remove user and password from every address in ``text``."""
    return _CREDENTIALS.sub("***@", text)


def _host(said: str) -> str:
    match = _HOST.search(said)
    return f"`{match[1]}`" if match else "the package index"


def _certificate(said: str, _: Mapping[str, str]) -> ResolverError | None:
    match = re.search(r"invalid peer certificate: ?(\S[^\n]*)|certificate verify failed[^\n]*", said)
    if match is None:
        return None
    reason = (match[1] or "not trusted").strip()
    message = f"the certificate of {_host(said)} is not trusted here ({reason})"
    return ResolverError(UNAVAILABLE, message, _CA_HINT)


def _credentials(said: str, environment: Mapping[str, str]) -> ResolverError | None:
    match = re.search(r"\b(401 Unauthorized|403 Forbidden|407 Proxy Authentication Required)", said)
    if match is None and "authentication credentials" not in said:
        return None
    status = match[1] if match else "not authorised"
    given = "the credentials given" if "NETRC" in environment else "a request without credentials"
    return ResolverError(UNAVAILABLE, f"{_host(said)} refuses {given}: {status}", _NETRC_HINT)


_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_PROXY_HINT = "behind a proxy, pass `--build-arg HTTPS_PROXY=…`"
_NETWORK = (
    ("tunnel error", "the proxy does not let it through"),
    ("dns error", "its name can't be resolved"),
    ("Connection refused", "connection refused"),
    ("Network is unreachable", "the network is unreachable"),
    ("No route to host", "no route to host"),
    ("operation timed out", "it does not answer in time"),
    ("timed out", "it does not answer in time"),
    ("Connection reset", "the connection was reset"),
    ("error sending request", "the request failed"),
    ("error decoding response body", "its answer breaks off"),
)


def _network(said: str, environment: Mapping[str, str]) -> ResolverError | None:
    status = re.search(r"HTTP status (?:server|client) error \((\d{3}[^)]*)\)", said)
    if status is not None:
        message = f"{_host(said)} answers {status[1]}"
        return ResolverError(UNAVAILABLE, message, "try again later, or name a mirror")
    reason = next((words for sign, words in _NETWORK if sign in said), None)
    if reason is None:
        return None
    proxies = sorted(name for name in environment if name.lower() in _PROXIES)
    way = f"`{proxies[0]}` is set: check it" if proxies else _PROXY_HINT
    return ResolverError(
        UNAVAILABLE,
        f"{_host(said)} can't be reached: {reason}",
        f"check the network; {way}; a mirror is named by `REQUIRE pypi --index-url URL …`",
    )


def _not_an_index(said: str, _: Mapping[str, str]) -> ResolverError | None:
    match = re.search(
        r"unexpected (?:JSON|HTML)|Unsupported `?Content-Type|not a valid (?:simple|index)", said
    )
    if match is None:
        return None
    return ResolverError(
        UNAVAILABLE,
        f"{_host(said)} does not answer as a package index",
        "check its address (PEP 503, PEP 691)",
    )


def _broken_metadata(said: str, _: Mapping[str, str]) -> ResolverError | None:
    match = re.search(r"(?:all versions of )?(\S+) (?:has|have) (?:invalid|inconsistent) metadata", said)
    if match is None:
        return None
    details = re.search(r"hint: Metadata for [^\n]*\n\s+([^\n]+)", said)
    why = f": {details[1].strip()}" if details else ""
    return ResolverError(
        UNAVAILABLE, f"the metadata of `{match[1]}` can't be read{why}", "require another version of it"
    )


def _unknown_package(said: str, _: Mapping[str, str]) -> ResolverError | None:
    match = _MISSING.search(said)
    if match is None:
        return None
    return ResolverError(
        UNAVAILABLE,
        f"no package index has `{match[1]}`{_wanted_by(said, match[1])}",
        "check the spelling; a package of your own index needs `REQUIRE pypi --extra-index-url URL …`",
    )


def _wanted_by(said: str, name: str) -> str:
    """Say who asked for a package, where it was not the Cirfile."""
    match = re.search(rf"([A-Za-z0-9._-]+)\S* depends? on {re.escape(name)}(?![A-Za-z0-9._-])", said)
    return f" (`{match[1]}` needs it)" if match else ""


def _python(said: str, _: Mapping[str, str]) -> ResolverError | None:
    match = re.search(
        r"Python version \(([^)]+)\) does not satisfy Python(\S+) and (.+?) depends? on Python", said
    )
    if match is None:
        return None
    package = match[3].removeprefix("all versions of ")
    oldest = re.search(r"3\.\d+", match[2])
    return ResolverError(
        NOT_PROMISED,
        f"`{package}`{_wanted_by(said, re.split('[=<>!~]', package)[0])} needs Python {match[2]}, "
        f"but Python {match[1]} is promised",
        f"promise the Python of the base, e.g. `PLATFORMS python={oldest[0] if oldest else '3.13'}`, "
        "or require another version",
    )


def _no_wheel(said: str, _: Mapping[str, str]) -> ResolverError | None:
    match = _NO_WHEEL.search(said)
    if match is None:
        return None
    name = match[1].removeprefix("all versions of ")
    exists = "; ".join(re.findall(r"hint: (Wheels are available for [^\n]+)", said))
    only_source = "Wheels are required for" in said
    offer = f" ({exists[0].lower()}{exists[1:]})" if exists else " (only a source archive)" * only_source
    return ResolverError(
        NOT_PROMISED,
        f"`{name}`{_wanted_by(said, re.split('[=<>!~]', name)[0])} has no wheel for {_platform(said)}{offer}",
        "require another version, promise less with `PLATFORMS`, require it only where it exists with "
        "`REQUIRE --when=arch=…`, or build a wheel and serve it from an own index; nothing is compiled "
        "at deployment",
    )


def _no_version(said: str, _: Mapping[str, str]) -> ResolverError | None:
    match = _NO_VERSION.search(said)
    if match is None or "No solution found" not in said:
        return None
    name = re.split(r"[=<>!~\[]", match[1])[0]
    direct = f"you require {match[1]}" in said
    return ResolverError(
        INVALID,
        f"no version matches `{match[1]}`" + ("" if direct else f": {_reason(said)}"),
        f"correct the version; `pip index versions {name}` lists what exists",
    )


def _conflict(said: str, _: Mapping[str, str]) -> ResolverError | None:
    if "No solution found" not in said and "unsatisfiable" not in said:
        return None
    return ResolverError(
        INVALID,
        f"the requirements contradict each other on {_platform(said)}: {_reason(said)}",
        "relax one of the versions named above",
    )


#: The first that recognises the text wins: the cause of a failure comes before its consequences.
_RECOGNISERS: tuple[Callable[[str, Mapping[str, str]], ResolverError | None], ...] = (
    _certificate,
    _credentials,
    _network,
    _not_an_index,
    _broken_metadata,
    _unknown_package,
    _python,
    _no_wheel,
    _no_version,
    _conflict,
)


def _platform(said: str) -> str:
    """Name the platform that uv was resolving for, from the marker of its split."""
    headline = said.partition("\n")[0]
    arches = [oci for oci, machine in MACHINES.items() if f"'{machine}'" in headline]
    facts = {fact for world in _WORLD.findall(headline) for fact in world.split()}
    python = re.search(r"python_full_version (<|>=|==) '([^']+)'", headline)
    parts = ["linux/" + "|".join(arches) if arches else "the promised platforms"]
    if python:
        parts.append("Python " + f"{python[1]} {python[2]}".removeprefix("== ").removesuffix(".*"))
    if len(facts) == 1:
        parts.extend(sorted(facts))
    return ", ".join(parts)


def _reason(said: str) -> str:
    """Return uv's own derivation as one paragraph."""
    text = re.sub(r",? we can conclude that your requirements are unsatisfiable\.?", "", _causes(said))
    text = re.sub(r"\.? And because ", "; and ", text).replace("Because ", "")
    text = text.replace(", we can conclude that ", ", so ").replace("you require", "the Cirfile requires")
    text = text.replace("your requirements", "the Cirfile's requirements")
    return _WORLD.sub(r"\1", text).strip().rstrip(".") or "uv gave no reason"


def _causes(said: str) -> str:
    """Join the causes, old (``╰─▶``) and new (``cause:``) style, without headline and hints."""
    body = re.split(r"\n\s*hint:", said)[0]
    lines = [line.strip(" ×├│╰─▶") for line in body.splitlines()]  # noqa: RUF001
    lines = [re.sub(r"^(cause|error|Caused by):\s*", "", line) for line in lines if line]
    if len(lines) > 1 and lines[0].startswith(("No solution found", "Failed to", "Couldn't")):
        lines = lines[1:]
    return " ".join(lines)
