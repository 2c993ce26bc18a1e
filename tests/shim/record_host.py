"""Record of a machine what the probe looks at, small enough to keep: ``testdata/hosts/<name>/``.

    python -m tests.shim.record_host NAME ROOT MACHINE PATH < CPUINFO

ROOT is the base's tree (``/``, or an exported image), MACHINE the kernel's word for its architecture,
PATH the image's. Binaries are cut down to their headers and version strings, folders of libraries to the
one file the probe asks for. The facts that the probe finds are written beside; read them before keeping them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from shim import elf, warm
from shim.facts import Facts
from shim.probe import describe
from shim.tree import Tree

HOSTS = Path(__file__).resolve().parents[2] / "testdata/hosts"
HEAD = 2048
VERSIONS = re.compile(rb"GNU C Library [^\n]{0,200}|\0\d\.\d{1,2}\.\d{1,3}\+?\0")
LIBRARIES = (
    "lib/{}-linux-gnu/libc.so.6",
    "usr/lib/{}-linux-gnu/libc.so.6",
    "lib64/libc.so.6",
    "usr/lib64/libc.so.6",
    "lib/libc.so.6",
    "usr/lib/libc.so.6",
    "lib/ld-musl-{}.so.1",
    "lib64/ld-linux-x86-64.so.2",
    "lib/ld-linux-aarch64.so.1",
)


def as_json(facts: Facts) -> dict[str, Any]:
    """Facts as they are kept."""
    python = facts.python
    return {
        "arch": facts.arch,
        "libc": facts.libc,
        "libc_version": list(facts.libc_version),
        "python": python and [python.path, list(python.version), python.implementation, python.abiflags],
        "microarch": facts.microarch,
    }


def probe(folder: Path) -> dict[str, Any]:
    """What the probe finds in a recorded machine."""
    host = json.loads((folder / "host.json").read_text())
    python = warm.base_python(host["path"].split(":"), str(folder / "root"))
    tree = Tree(str(folder / "root"))
    return as_json(describe(tree, host["machine"], python, host["flags"], may_run=False))


def main(name: str, root: str, machine: str, path: str) -> None:
    """Record one machine."""
    folder = HOSTS / name
    tree = Tree(root)
    python = warm.base_python(path.split(":"), root.rstrip("/"))
    wanted = [pattern.format(machine) for pattern in LIBRARIES]
    if python:
        real = tree.resolve(python)
        prefix, _, program = real.partition("/bin/")
        wanted += [python, real, f"{prefix}/lib/{program}/os.py", f"{prefix}/lib/lib{program}.so.1.0"]
        wanted.append(f"{prefix}/include/{program}/patchlevel.h")
        wanted.append(elf.interpreter(tree.read(real, 65536)))
    for file in filter(None, wanted):
        _keep(tree, "/" + file.lstrip("/"), folder / "root")
    flags = next(
        (line.partition(":")[2].strip() for line in sys.stdin if line.startswith(("flags", "Features"))), ""
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "host.json").write_text(
        json.dumps({"machine": machine, "path": path, "flags": flags}, indent=1) + "\n"
    )
    (folder / "facts.json").write_text(json.dumps(probe(folder)) + "\n")


def _keep(tree: Tree, path: str, target: Path) -> None:
    """Write a cut-down copy of a file at its real place, and its name as a link if it has another."""
    if not tree.is_file(path):
        return
    real = tree.resolve(path)
    data = tree.read(real)
    copy = target / real[1:]
    copy.parent.mkdir(parents=True, exist_ok=True)
    if real.endswith(".py"):
        data = b""
    versions = dict.fromkeys(match.strip(b"\0") for match in VERSIONS.findall(data))
    copy.write_bytes(data[:HEAD] + b"".join(b"\0" + version + b"\0" for version in versions))
    copy.chmod(0o755)
    link = target / path[1:]
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * (len(link.relative_to(target).parts) - 1)
        link.symlink_to(up + real[1:])


if __name__ == "__main__":
    main(*sys.argv[1:5])
