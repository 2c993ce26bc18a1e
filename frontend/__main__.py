"""The frontend as a program: ``python3 -I -m frontend``, started by the build server inside this image.

What it needs of its image: an absolute Entrypoint (the server sets no ``PATH``), the packages
``frontend`` and ``cirfile`` with grpcio and protobuf importable under ``-I``, ``uv`` on ``PATH`` (for the
lock step, which runs ``python3 -I -m cirfile.resolver`` in this same image), and a ``/tmp``.

What it reads: options from ``BUILDKIT_FRONTEND_OPT_<n>`` and the session from ``BUILDKIT_SESSION_ID``;
``CIR_SHIM`` may name the shim image. What it writes: nothing but the protocol on its standard output.
It hands back exactly one result or one error, and then leaves with status 0, for the server would take
any other status for a second failure.

The server waits ten seconds for the first byte, so the connection comes first and everything that
takes time to import afterwards.
"""

from __future__ import annotations

import os
import sys

from frontend.gateway import stdio


def main() -> None:
    """Serve one build and leave."""
    read, write = stdio.take_over()
    address = stdio.bridge(read, write)
    from frontend.gateway.wire import Wire

    wire = Wire(address)
    from frontend import session
    from frontend.gateway.client import Gateway

    gateway = Gateway(wire)
    gateway.ping()
    session.serve(gateway, os.environ)
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
