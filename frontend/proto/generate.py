"""Make the ``*_pb2`` modules from the ``.proto`` files: ``python -m frontend.proto.generate``.

Needs grpcio-tools. The result is committed; a test compares it with what this module would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]


def generate(target: Path) -> None:
    """Write the modules and their stubs below ``target``, a folder that exists.

    Raise `RuntimeError` where the compiler refuses a file (it says why on stderr).
    """
    from importlib.resources import files

    from grpc_tools import protoc  # type: ignore[import-untyped]

    well_known = str(files("grpc_tools") / "_proto")
    names = sorted(str(path.relative_to(ROOT)) for path in FOLDER.glob("*.proto"))
    argv = ["protoc", f"-I{ROOT}", f"-I{well_known}", f"--python_out={target}", f"--pyi_out={target}", *names]
    if protoc.main(argv) != 0:
        raise RuntimeError("protoc refused the files named above")
    for stub in (target / "frontend/proto").glob("*_pb2.pyi"):
        # What protoc writes is not strict enough for the type checker; what it says is still used.
        stub.write_text("# mypy: ignore-errors\n" + stub.read_text())


if __name__ == "__main__":
    generate(ROOT)
    sys.stderr.write(f"wrote the modules below {FOLDER}\n")
