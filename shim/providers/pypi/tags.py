"""Which wheel tags a base accepts, best first: computed from facts, never from the running interpreter.

Order and contents follow ``packaging.tags`` (cpython_tags, compatible_tags), which pip and uv follow too; the
platform tags are those of PEP 600 (manylinux), PEP 656 (musllinux) and plain ``linux_*``.
"""

from __future__ import annotations

from shim.facts import Facts, Interpreter

#: Machine names of wheel tags by architecture as OCI calls it.
MACHINES = {
    "386": "i686",
    "amd64": "x86_64",
    "arm": "armv7l",
    "arm64": "aarch64",
    "loong64": "loongarch64",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
#: glibc minor versions of the tags that came before PEP 600.
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def machine(arch: str) -> str:
    """The machine name of an architecture as wheel tags and `platform.machine` write it."""
    return MACHINES.get(arch, arch)


def platforms(facts: Facts) -> list[str]:
    """Platform tags of a base, best first."""
    name = machine(facts.arch)
    major, minor = facts.libc_version
    tags: list[str] = []
    if facts.libc == "glibc" and major == 2:
        oldest = 5 if name in ("x86_64", "i686") else 17
        for version in range(minor, oldest - 1, -1):
            tags.append(f"manylinux_2_{version}_{name}")
            if version in _LEGACY:
                tags.append(f"{_LEGACY[version]}_{name}")
    elif facts.libc == "musl":
        tags += [f"musllinux_{major}_{version}_{name}" for version in range(minor, -1, -1)]
    return [*tags, f"linux_{name}"]


def ranks(facts: Facts, python: Interpreter) -> dict[str, int]:
    """Every tag ``python-abi-platform`` the base accepts, with its rank; 0 is the best."""
    tags = platforms(facts)
    ordered = list(_own(python, tags))
    major, minor = python.version[:2]
    versions = [
        f"py{major}{minor}",
        f"py{major}",
        *(f"py{major}{older}" for older in range(minor - 1, -1, -1)),
    ]
    ordered += [f"{version}-none-{tag}" for version in versions for tag in tags]
    if python.implementation == "cpython":
        ordered.append(f"cp{major}{minor}-none-any")
    ordered += [f"{version}-none-any" for version in versions]
    return {tag: rank for rank, tag in reversed(list(enumerate(ordered)))}


def _own(python: Interpreter, tags: list[str]) -> list[str]:
    """Tags of this implementation: its own ABI, then the stable ABI, then none."""
    major, minor = python.version[:2]
    if python.implementation != "cpython":
        name = {"pypy": "pp"}.get(python.implementation, python.implementation)
        return [f"{name}{major}{minor}-none-{tag}" for tag in tags]
    own = f"cp{major}{minor}"
    ordered = [f"{own}-{own}{python.abiflags}-{tag}" for tag in tags]
    # Free-threaded builds have a stable ABI of their own (PEP 803).
    stable = "abi3t" if "t" in python.abiflags else "abi3"
    ordered += [f"{own}-{stable}-{tag}" for tag in tags]
    ordered += [f"{own}-none-{tag}" for tag in tags]
    ordered += [f"cp{major}{older}-{stable}-{tag}" for older in range(minor - 1, 1, -1) for tag in tags]
    return ordered
