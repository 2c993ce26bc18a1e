"""Answer the one request of a connection, whatever happens, exactly once."""

from __future__ import annotations

from collections.abc import Mapping

from frontend import errors, options
from frontend.build import Build
from frontend.gateway.client import Gateway, Result
from frontend.gateway.errors import GatewayError


def serve(gateway: Gateway, environment: Mapping[str, str]) -> None:
    """Build, and hand back the result or what went wrong. Nothing is raised."""
    build: Build | None = None
    try:
        chosen = options.read(environment)
        build = Build(gateway, chosen, environment)
        gateway.return_result(_answer(gateway, build, chosen))
    except BaseException as error:
        # The last line of defence: an exception that leaves this function is shown as an exit code only.
        source = build.known_source if build else None
        _give_up(gateway, error, source)


def _answer(gateway: Gateway, build: Build, chosen: options.Options) -> Result:
    from frontend import subrequests

    missing = gateway.caps.missing()
    if missing:
        raise errors.BuildError(missing)
    subrequests.check_capabilities(chosen)
    name = chosen.raw.get("requestid", "")
    return subrequests.answer(build, name) if name else build.run()


def _give_up(gateway: Gateway, error: BaseException, source: object) -> None:
    from frontend.llb.ops import SourceFile

    known = source if isinstance(source, SourceFile) else None
    try:
        gateway.return_error(errors.status(error, known, gateway.caps))
    except GatewayError:
        # A result was handed back already, or the server is gone: there is nobody to tell.
        return
