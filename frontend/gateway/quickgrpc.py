"""gRPC, imported without the half of it that is never used here.

``grpc`` imports its asynchronous interface, and that ``asyncio`` and ``ssl``: a third of the time this
program needs before it can say its first word. While gRPC is imported, both stand in as empty modules
with just the names its compiled part reads; afterwards they are gone again, and whoever imports
``asyncio`` gets the real one.
"""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["grpc"]


def _stand_in(name: str, **names: object) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(names)
    return module


def _import() -> ModuleType:
    if "asyncio" in sys.modules:
        import grpc

        return grpc
    sys.modules["asyncio"] = _stand_in(
        "asyncio",
        CancelledError=Exception,
        InvalidStateError=Exception,
        iscoroutinefunction=lambda _: False,
    )
    sys.modules["grpc.aio"] = _stand_in("grpc.aio")
    try:
        import grpc
    finally:
        del sys.modules["asyncio"], sys.modules["grpc.aio"]
    return grpc


grpc = _import()
