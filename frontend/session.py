"""Answer the one request of a connection, whatever happens, exactly once.

What takes time to import - the language, the rules - is imported while the server is at work on the
first answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from frontend import options
from frontend.context import Context
from frontend.gateway.client import Gateway, Result
from frontend.gateway.errors import GatewayError, failure, unsupported_capability
from frontend.later import Later
from frontend.options import Options

if TYPE_CHECKING:
    from frontend.build import Build

#: What a client may ask of a frontend (``frontend.caps``); labels of the image say the same.
CAPABILITIES = ("inputs", "subrequests", "contexts", "gitquerystring")
_PREFIX = "moby.buildkit.frontend."
#: Characters of an error that could not be sent whole.
_SHORT = 10_000


def serve(gateway: Gateway, environment: Mapping[str, str]) -> None:
    """Build, and hand back the result or what went wrong. Nothing is raised."""
    context: Context | None = None
    try:
        chosen = options.read(environment)
        check_server(gateway)
        check_capabilities(chosen)
        context = Context(gateway, chosen)
        # The ignore file comes after the Cirfile. What fails here fails again, with its reason, when asked for.
        Later(lambda: context.ignore)
        gateway.return_result(_answer(_build(gateway, chosen, environment, context), chosen))
    except BaseException as error:
        # The last line of defence: an exception that leaves this function is shown as an exit code only.
        _give_up(gateway, error, context)


def _build(gateway: Gateway, chosen: Options, environment: Mapping[str, str], context: Context) -> Build:
    from frontend.build import Build  # here, because it imports the language; see above

    return Build(gateway, chosen, environment, context)


def _answer(build: Build, chosen: Options) -> Result:
    name = chosen.raw.get("requestid", "")
    if not name:
        return build.run()
    from frontend import subrequests  # here, because a build asks nothing

    return subrequests.answer(build, name)


def check_server(gateway: Gateway) -> None:
    """Raise `GatewayError` where the server is too old to build anything."""
    missing = gateway.caps.missing()
    if missing:
        raise GatewayError(failure(missing))


def check_capabilities(options: Options) -> None:
    """Raise `GatewayError` where the client needs something this frontend cannot do."""
    for wanted in filter(None, options.raw.get("frontend.caps", "").split(",")):
        name = wanted.partition("+")[0]
        if name.removeprefix(_PREFIX) not in CAPABILITIES:
            raise GatewayError(unsupported_capability(name))


def _give_up(gateway: Gateway, error: BaseException, context: Context | None) -> None:
    from frontend import errors  # here, because it imports the language

    try:
        source = context.definition.source if context is not None and context.has_definition else None
        gateway.return_error(errors.status(error, source, gateway.caps))
    except Exception:
        # It cannot be sent as it is: too large, perhaps. Or a result was handed back already, or the server is gone.
        with contextlib.suppress(GatewayError):
            gateway.return_error(failure(str(error)[:_SHORT]))
