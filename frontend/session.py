"""Answer the one request of a connection, whatever happens, exactly once."""

from __future__ import annotations

from collections.abc import Mapping

from frontend import errors, options
from frontend.build import Build
from frontend.gateway.client import Gateway, Result
from frontend.gateway.errors import GatewayError, unsupported_capability
from frontend.options import Options

#: What a client may ask of a frontend (``frontend.caps``); labels of the image say the same.
CAPABILITIES = ("inputs", "subrequests", "contexts", "gitquerystring")
_PREFIX = "moby.buildkit.frontend."


def serve(gateway: Gateway, environment: Mapping[str, str]) -> None:
    """Build, and hand back the result or what went wrong. Nothing is raised."""
    build: Build | None = None
    try:
        chosen = options.read(environment)
        check_capabilities(chosen)
        missing = gateway.caps.missing()
        if missing:
            raise errors.BuildError(missing)
        build = Build(gateway, chosen, environment)
        gateway.return_result(_answer(build, chosen))
    except BaseException as error:
        # The last line of defence: an exception that leaves this function is shown as an exit code only.
        _give_up(gateway, error, build)


def _answer(build: Build, chosen: Options) -> Result:
    name = chosen.raw.get("requestid", "")
    if not name:
        return build.run()
    from frontend import subrequests  # here, because a build asks nothing

    return subrequests.answer(build, name)


def check_capabilities(options: Options) -> None:
    """Raise `GatewayError` where the client needs something this frontend cannot do."""
    for wanted in filter(None, options.raw.get("frontend.caps", "").split(",")):
        name = wanted.partition("+")[0]
        if name.removeprefix(_PREFIX) not in CAPABILITIES:
            raise GatewayError(unsupported_capability(name))


def _give_up(gateway: Gateway, error: BaseException, build: Build | None) -> None:
    try:
        gateway.return_error(errors.status(error, build.known_source if build else None, gateway.caps))
    except GatewayError:
        # A result was handed back already, or the server is gone: there is nobody to tell.
        return
